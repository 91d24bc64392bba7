import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonOf } from "../../store/src/test-span.ts";
import { postSpans } from "./otlp-sender.ts";
import { type Reply, send, withCollector } from "./running-collector.ts";

test("lets pages of this machine send spans, and no others", () =>
  withCollector(async (collector) => {
    const url = new URL("/v1/traces", collector.otlpEndpoint());
    const preflight = (origin: string): Promise<Reply> =>
      send(url, {
        method: "OPTIONS",
        headers: {
          origin,
          "access-control-request-method": "POST",
          "access-control-request-headers": "content-type,traceparent",
        },
      });
    const local = await preflight("http://localhost:3000");
    assert.equal(local.status, 204);
    assert.equal(local.headers["access-control-allow-origin"], "http://localhost:3000");
    assert.equal(local.headers["access-control-allow-headers"], "content-type, traceparent");
    const foreign = await preflight("https://evil.example");
    assert.equal(foreign.headers["access-control-allow-origin"], undefined);
    const sent = await postSpans(collector, jsonOf({ trace: 1, id: 1 }), { origin: "http://localhost:3000" });
    assert.equal(sent.headers["access-control-allow-origin"], "http://localhost:3000");
    assert.equal(sent.headers.vary, "Origin");
    const read = await send(new URL("/api/services", collector.endpoint()), {
      headers: { origin: "http://localhost:3000" },
    });
    assert.equal(read.headers["access-control-allow-origin"], undefined);
  }));

test("answers over the loopback only to names of this machine", () =>
  withCollector(
    async (collector) => {
      const ask = async (host: string): Promise<number> =>
        (await send(new URL("/api/services", collector.endpoint()), { headers: { host } })).status;
      const { port } = collector.endpoint();
      assert.equal(await ask(`localhost:${port}`), 200);
      assert.equal(await ask(`127.0.0.1:${port}`), 200);
      assert.equal(await ask("traces.example"), 200);
      assert.equal(await ask(`evil.example:${port}`), 403);
      assert.equal(await ask("127.0.0.1.evil.example"), 403);
      const refused = await postSpans(collector, jsonOf({ trace: 1, id: 1 }), { host: "evil.example" });
      assert.equal(refused.status, 403);
    },
    { allowedHosts: ["traces.example"] },
  ));
