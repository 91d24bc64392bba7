// What stands behind the Collector: one that keeps the JSON it is sent, one that answers gRPC as a case says.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type RawMessage, rawCodec, TraceService, toRawMessage } from "@clew/exporter/otlp-service";
import { service } from "@clew/rpc";
import { type DecodedSpan, decodeSpans } from "@clew/trace/otel";
import { GrpcServer } from "@clew/transport/grpc";

/** Requests as the Collector's own JSON, by signal. */
export interface JsonSink {
  readonly endpoint: string;
  readonly requests: Readonly<Record<"traces" | "metrics" | "logs", unknown[]>>;
}

export async function startJsonSink(closers: (() => Promise<void>)[]): Promise<JsonSink> {
  const requests = { traces: [] as unknown[], metrics: [] as unknown[], logs: [] as unknown[] };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const signal = request.url!.replace("/v1/", "") as keyof typeof requests;
    requests[signal].push(JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

export interface GrpcSink {
  /** `127.0.0.1:4317` */
  readonly address: string;
  /** Spans of the requests that were taken. */
  readonly spans: DecodedSpan[];
  /** When requests came, by performance.now(), those that were refused among them. */
  readonly atMs: number[];
  /** Refuses a request by throwing. Default: takes all. */
  answer: () => void;
}

export async function startGrpcSink(closers: (() => Promise<void>)[]): Promise<GrpcSink> {
  const spans: DecodedSpan[] = [];
  const atMs: number[] = [];
  const traces = service(TraceService, {
    export(request) {
      atMs.push(performance.now());
      sink.answer();
      spans.push(...decodeSpans((request as unknown as RawMessage).bytes));
      return toRawMessage(TraceService.method.export.output, new Uint8Array(0));
    },
  });
  const server = new GrpcServer({
    address: "127.0.0.1:0",
    services: [traces],
    codecs: [rawCodec],
    health: false,
    reflection: false,
    maxMessageBytes: 64 * 1024 * 1024,
  });
  await server.start();
  closers.push(() => server.stop(AbortSignal.timeout(1000)));
  const sink: GrpcSink = { address: server.endpoint().host, spans, atMs, answer: () => {} };
  return sink;
}
