// What Jaeger's query API says of a trace: Jaeger's own and our collector's.
export interface JaegerTag {
  readonly key: string;
  readonly type: string;
  readonly value: unknown;
}

export interface JaegerSpan {
  readonly traceID: string;
  readonly spanID: string;
  readonly operationName: string;
  readonly references: readonly { readonly refType: string; readonly traceID: string; readonly spanID: string }[];
  readonly startTime: number;
  readonly duration: number;
  readonly tags: readonly JaegerTag[];
  readonly logs: readonly { readonly timestamp: number; readonly fields: readonly JaegerTag[] }[];
  readonly processID: string;
}

export interface JaegerTrace {
  readonly spans: readonly JaegerSpan[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string; readonly tags: readonly JaegerTag[] }>>;
}

/** Waits until a trace has so many spans; throws when it does not within a minute. */
export async function findTrace(query: string, traceId: string, count: number): Promise<JaegerTrace> {
  const giveUpAtMs = performance.now() + 60_000;
  for (;;) {
    const response = await fetch(`${query}/api/traces/${traceId}`);
    const { data } = (await response.json()) as { data?: JaegerTrace[] | null };
    const trace = data?.[0];
    if (trace !== undefined && trace.spans.length >= count) return trace;
    if (performance.now() > giveUpAtMs) {
      throw new Error(`${trace?.spans.length ?? 0} of ${count} spans: ${JSON.stringify(trace ?? null).slice(0, 300)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export function tagOf(span: JaegerSpan, key: string): unknown {
  return span.tags.find((tag) => tag.key === key)?.value;
}
