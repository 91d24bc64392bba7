import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { type DecodedSpan, decodeSpans, encodeJsonRequest } from "@clew/trace/otel";

export interface SinkRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Bytes as they came. */
  readonly size: number;
  readonly spans: readonly DecodedSpan[];
  /** When it was complete, by performance.now(). */
  readonly atMs: number;
}

/** An OTLP collector that answers what the test says. */
export interface Sink {
  readonly endpoint: string;
  readonly port: number;
  readonly requests: SinkRequest[];
  /** Connections accepted so far. */
  readonly connections: () => number;
  stop(): Promise<void>;
}

/** How to answer request number `index`; without it, 200. */
export type Answer = (response: ServerResponse, index: number) => void;

export async function startSink(answer: Answer = (response) => response.end(), port = 0): Promise<Sink> {
  const requests: SinkRequest[] = [];
  let connections = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      const message = request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
      requests.push({
        method: request.method ?? "",
        path: request.url ?? "",
        headers: request.headers,
        size: body.length,
        spans: decodeSpans(
          request.headers["content-type"] === "application/json" ? encodeJsonRequest(message.toString()) : message,
        ),
        atMs: performance.now(),
      });
      answer(response, requests.length - 1);
    });
  });
  server.on("connection", () => connections++);
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const bound = (server.address() as AddressInfo).port;
  return {
    endpoint: `http://127.0.0.1:${bound}`,
    port: bound,
    requests,
    connections: () => connections,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
