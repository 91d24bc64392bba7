import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { ZipkinExporter } from "@clew/exporter";
import { makeSpans } from "./make-spans.ts";

test("spans arrive as Zipkin's JSON, where the environment says; busy is tried again, a refusal is final", async (t) => {
  const statuses = [429, 202, 400, 202];
  const requests: { url: string; type: string; spans: { id: string; localEndpoint: unknown }[] }[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    assert.equal(request.headers["content-encoding"], "gzip");
    const spans = JSON.parse(gunzipSync(Buffer.concat(chunks)).toString()) as never;
    requests.push({ url: request.url!, type: request.headers["content-type"]!, spans });
    response.writeHead(statuses[requests.length - 1]!).end(requests.length === 3 ? "no such span" : "");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/zipkin/api/v2/spans`;
  const exporter = new ZipkinExporter({
    env: { OTEL_EXPORTER_ZIPKIN_ENDPOINT: endpoint },
    compression: "gzip",
    retry: { initialMs: 1 },
  });
  // Its own timers let the process end.
  const alive = setInterval(() => {}, 1000);
  t.after(() => clearInterval(alive));
  t.after(() => exporter.shutdown());
  const spans = makeSpans(3);
  assert.deepEqual(await exporter.export(spans), { outcome: "exported", rejectedSpans: 0 });
  const { outcome, error } = await exporter.export(spans);
  assert.deepEqual([outcome, error?.message], ["failed", "the collector answers 400: no such span"]);
  assert.deepEqual(
    requests.map(({ url, type, spans }) => [url, type, spans.length]),
    [1, 2, 3].map(() => ["/zipkin/api/v2/spans", "application/json", 3]),
  );
  assert.deepEqual(requests[0]!.spans[0]!.localEndpoint, { serviceName: "user" });
  // In turns, and as one.
  assert.equal((await exporter.export(makeSpans(600))).outcome, "exported");
  assert.equal(requests[3]!.spans.length, 600);
  const { exported, failed, retries } = exporter.stats();
  assert.deepEqual([exported, failed, retries], [603, 3, 1]);
});

test("without an endpoint it is Zipkin's port on this machine; what is no URL is refused", () => {
  assert.equal(new ZipkinExporter({ env: {} }).url.href, "http://localhost:9411/api/v2/spans");
  assert.throws(() => new ZipkinExporter({ endpoint: "nowhere", env: {} }), { code: "CLEW_EXPORTER_ENDPOINT" });
  assert.throws(() => new ZipkinExporter({ env: { OTEL_EXPORTER_ZIPKIN_TIMEOUT: "soon" } }), {
    code: "CLEW_EXPORTER_TIMEOUT",
  });
});
