import type { Attributes } from "@opentelemetry/api";

const taken = new Set<string>();

/** Identifies one component of the telemetry among others of its type, in this process. */
export interface Component {
  /** `otel.component.type` and `otel.component.name`. */
  readonly attributes: Attributes;
  /** Makes the name available again. */
  release(): void;
}

/** Returns a component with the first unused name of its type: `batching_span_processor/0`. */
export function nameComponent(type: string): Component {
  let number = 0;
  while (taken.has(`${type}/${number}`)) number++;
  const name = `${type}/${number}`;
  taken.add(name);
  return {
    attributes: { "otel.component.type": type, "otel.component.name": name },
    release: () => void taken.delete(name),
  };
}
