// Segments as an agent writes them, and an agent that sends them.
import { type RawMessage, rawCodec, toRawMessage } from "@clew/exporter/otlp-service";
import type * as skyWalking from "@clew/exporter/skywalking-service";
import { createServiceClient } from "@clew/rpc";
import type { SegmentData, SegmentSpan } from "@clew/trace/skywalking";
import { GrpcClient } from "@clew/transport/grpc";

/** A trace id as skywalking-go makes them. */
export const goTrace = "6165534aaf6511eebfc75626e1cdcfe2.131.39166202646740003";

function segmentSpan(init: Partial<SegmentSpan> = {}): SegmentSpan {
  return {
    spanId: 0,
    parentSpanId: -1,
    startMs: 1_700_000_000_000,
    endMs: 1_700_000_000_010,
    references: [],
    operation: "GET:/orders",
    peer: "",
    type: 0,
    layer: 3,
    componentId: 49,
    isError: false,
    tags: [],
    logs: [],
    skipAnalysis: false,
    ...init,
  };
}

/** A request of the service "orders" that calls another. */
export function segment(init: Partial<SegmentData> = {}): SegmentData {
  return {
    traceId: goTrace,
    segmentId: "orders.1.1",
    service: "orders",
    instance: "orders-1",
    isSizeLimited: false,
    spans: [
      segmentSpan({ tags: ["http.method", "GET", "url", "http://orders/orders"] }),
      segmentSpan({ spanId: 1, parentSpanId: 0, operation: "/stock", type: 1, peer: "stock:8080" }),
    ],
    ...init,
  };
}

/** What the exit of {@link segment} called. */
export const called = segment({
  segmentId: "stock.1.1",
  service: "stock",
  instance: "stock-1",
  spans: [
    segmentSpan({
      operation: "GET:/stock",
      isError: true,
      logs: [{ timeMs: 1_700_000_000_001, data: ["event", "error", "error.kind", "TypeError", "message", "broken"] }],
      references: [
        {
          type: 0,
          traceId: goTrace,
          parentSegmentId: "orders.1.1",
          parentSpanId: 1,
          parentService: "orders",
          parentInstance: "orders-1",
          parentEndpoint: "GET:/orders",
          address: "stock:8080",
        },
      ],
    }),
  ],
});

export type RawCall = (request: RawMessage | AsyncIterable<RawMessage>) => Promise<RawMessage>;

export type AnyService = (typeof skyWalking)[keyof typeof skyWalking];

/** Calls a SkyWalking service as an agent does, with bytes. */
export async function withAgent(
  endpoint: URL,
  use: (call: (service: AnyService, method: string, ...messages: Uint8Array[]) => Promise<Uint8Array>) => Promise<void>,
): Promise<void> {
  const client = new GrpcClient({ endpoint: endpoint.href, codec: rawCodec });
  try {
    await use(async (service, method, ...messages) => {
      const desc = service.methods.find(({ localName }) => localName === method)!;
      const raw = messages.map((bytes) => toRawMessage(desc.input, bytes) as RawMessage);
      const call = (createServiceClient(service, client) as unknown as Record<string, RawCall>)[method]!;
      const request = desc.methodKind === "client_streaming" ? each(raw) : raw[0]!;
      return Buffer.from((await call(request)).bytes);
    });
  } finally {
    await client.close();
  }
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
