// OpenTelemetry's own instrumentations on our provider, around a server of ours: their spans and ours are one tree.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { type SpanData, TracerProvider, withSpan } from "@clew/trace";
import { HttpInstrumentation } from "@opentelemetry/instrumentation-http";
import { UndiciInstrumentation } from "@opentelemetry/instrumentation-undici";
import { HttpServer, tracing } from "clew";
import { until } from "../../http2/test/until.ts";
import { keepSpans } from "./keep-spans.ts";

const processor = keepSpans();
const provider = new TracerProvider({ processor, env: {} });
const instrumentations = [new HttpInstrumentation(), new UndiciInstrumentation()];
// It replaces what `require` gives.
const http = createRequire(import.meta.url)("http") as typeof import("node:http");

/** A server as anybody writes one, with the instrumentation's spans. */
const backend = http.createServer((_request, response) => response.end("done"));
let backendUrl = "";
/** A server of ours, with ours. */
const server = new HttpServer({
  address: "127.0.0.1:0",
  middleware: [tracing()],
  routes: [
    {
      verb: "GET",
      path: "/front",
      handle: async (_request, response) => {
        await (await fetch(`${backendUrl}/by-fetch`)).text();
        await get(`${backendUrl}/by-http`);
        response.end("front");
      },
    },
  ],
});

function get(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    http.get(url, { agent: false }, (response) => response.resume().on("end", resolve)).on("error", reject);
  });
}

before(async () => {
  provider.register();
  await server.start();
  const { port } = server.endpoint();
  for (const instrumentation of instrumentations) instrumentation.setTracerProvider(provider);
  instrumentations[0]!.setConfig({
    // One call, one span: calls of our server have theirs.
    ignoreIncomingRequestHook: (request: { headers: { host?: string } }) =>
      request.headers.host?.endsWith(`:${port}`) === true,
  } as object);
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve));
  backendUrl = `http://127.0.0.1:${(backend.address() as AddressInfo).port}`;
});
after(async () => {
  for (const instrumentation of instrumentations) instrumentation.disable();
  await server.stop(AbortSignal.timeout(2000));
  backend.closeAllConnections();
  await new Promise((resolve) => backend.close(resolve));
  await provider.shutdown();
});

test("spans of fetch, of node:http and of ours nest in one trace", async () => {
  await withSpan("test", () => fetch(new URL("/front", server.endpoint())).then((response) => response.text()));
  await until(() => processor.spans.length >= 7);
  const byId = new Map(processor.spans.map((span) => [span.spanId, span]));
  const path = (span: SpanData): string => {
    const parent = byId.get(span.parentSpanId);
    const own = `${span.scope.name.replace("@opentelemetry/instrumentation-", "")}:${span.kind}`;
    return parent === undefined ? own : `${path(parent)} > ${own}`;
  };
  const front = "@clew/trace:0 > undici:2 > clew:1";
  assert.deepEqual(processor.spans.map(path).sort(), [
    "@clew/trace:0",
    "@clew/trace:0 > undici:2",
    front,
    `${front} > http:2`,
    `${front} > http:2 > http:1`,
    `${front} > undici:2`,
    `${front} > undici:2 > http:1`,
  ]);
  assert.equal(new Set(processor.spans.map((span) => span.traceId)).size, 1);
});

test("the exporter's requests, made where tracing is suppressed, have no spans of theirs", async () => {
  const { suppressTracing } = await import("@clew/trace");
  const { Context, run } = await import("@clew/context");
  const before = processor.spans.length;
  await run(suppressTracing(Context.root), () => get(`${backendUrl}/export`));
  // The backend's own span ends before its reply is read to the end; it began a trace of its own.
  await until(() => processor.spans.length > before);
  assert.deepEqual(
    processor.spans.slice(before).map((span) => [span.kind, span.parentSpanId]),
    [[1, ""]],
  );
});
