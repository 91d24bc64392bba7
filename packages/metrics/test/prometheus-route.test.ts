import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { MeterProvider, prometheusRoute } from "@clew/metrics";

test("a scrape is answered in the format it prefers", async (context) => {
  const provider = new MeterProvider({ env: {} });
  const counter = provider.getMeter("lib").createCounter("calls");
  counter.add(1);
  const { verb, path, handle, middleware } = prometheusRoute(provider, { targetInfo: false });
  assert.deepEqual([verb, path, middleware], ["GET", "/metrics", false]);
  const server = createServer((request, response) => void handle(request, response)).listen(0, "127.0.0.1");
  context.after(() => server.close());
  await once(server, "listening");
  const get = async (accept: string): Promise<{ type: string | null; text: string }> => {
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { accept, connection: "close" } });
    return { type: response.headers.get("content-type"), text: await response.text() };
  };
  const openMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
  const text = "text/plain; version=0.0.4; charset=utf-8";
  const cases: [string, string][] = [
    ["*/*", text],
    ["text/html,*/*;q=0.1", text],
    ["application/openmetrics-text", openMetrics],
    // What Prometheus 2 sends, and what an older one did.
    [
      "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
      openMetrics,
    ],
    ["text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.5", text],
    ["application/openmetrics-text;version=0.0.1,text/plain;q=0.1", text],
    ["application/openmetrics-text;q=0", text],
    ["application/openmetrics-text;q=x,;;;", text],
  ];
  for (const [accept, expected] of cases) {
    const { type, text: page } = await get(accept);
    assert.equal(type, expected, accept);
    assert.equal(page.endsWith("# EOF\n"), expected === openMetrics);
    assert.match(page, /^calls_total\{otel_scope_name="lib"\} 1$/m);
  }
  counter.add(1);
  assert.match((await get("*/*")).text, /^calls_total\S* 2$/m);
});
