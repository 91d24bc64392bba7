import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Collector } from "@clew/collector";
import { get } from "./running-collector.ts";

/** A span, without what is of Jaeger alone. */
export interface Shown {
  readonly name: string;
  readonly kind: string;
  readonly service: string;
  readonly id: string;
  readonly parent: string;
  readonly tags: Readonly<Record<string, unknown>>;
  readonly logs: readonly Readonly<Record<string, unknown>>[];
}

interface JaegerTag {
  readonly key: string;
  readonly value: unknown;
}

interface JaegerTrace {
  readonly spans: readonly {
    readonly spanID: string;
    readonly operationName: string;
    readonly references: readonly { readonly spanID: string; readonly refType: string }[];
    readonly processID: string;
    readonly tags: readonly JaegerTag[];
    readonly logs: readonly { readonly fields: readonly JaegerTag[] }[];
  }[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

const toRecord = (tags: readonly JaegerTag[]): Record<string, unknown> =>
  Object.fromEntries(tags.map(({ key, value }) => [key, value]));

/** A trace as the collector's Jaeger API shows it, once it has so many spans. */
export async function show(collector: Collector, traceId: string, count: number): Promise<Shown[]> {
  for (let tries = 0; ; tries++) {
    const { json } = await get<{ data: JaegerTrace[] | null }>(collector, `/api/traces/${traceId}`);
    const found = json.data?.[0];
    if (found !== undefined && found.spans.length >= count) {
      return found.spans.map(({ spanID, operationName, references, processID, tags, logs }) => {
        const { "span.kind": kind = "internal", ...rest } = toRecord(tags);
        return {
          name: operationName,
          kind: String(kind),
          service: found.processes[processID]!.serviceName,
          id: spanID,
          parent: references.find(({ refType }) => refType === "CHILD_OF")?.spanID ?? "",
          tags: rest,
          logs: logs.map(({ fields }) => toRecord(fields)),
        };
      });
    }
    assert.ok(tries < 3000, `${found?.spans.length ?? 0} of ${count} spans of ${traceId}`);
    await sleep(20);
  }
}
