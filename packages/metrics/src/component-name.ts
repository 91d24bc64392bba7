import type { Attributes } from "@opentelemetry/api";

const taken = new Set<string>();

/** What tells one component of the telemetry from others of its type, in this process. */
export interface Component {
  /** `otel.component.type` and `otel.component.name`. */
  readonly attributes: Attributes;
  /** Gives the name back. */
  release(): void;
}

/** A component with the first name of its type that is free: `batching_span_processor/0`. */
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
