import assert from "node:assert/strict";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { Collector } from "@clew/collector";
import { type RawMessage, rawCodec, TraceService, toRawMessage } from "@clew/exporter/otlp-service";
import { createServiceClient } from "@clew/rpc";
import { decodePartialSuccess } from "@clew/trace/otel";
import { GrpcClient } from "@clew/transport/grpc";
import { jsonOf, traceIdOf } from "../../store/src/test-span.ts";
import { postSpans, protobufOf, protobufType } from "./otlp-sender.ts";
import { get, type Reply, send, withCollector, withFolder } from "./running-collector.ts";

async function listTraces(collector: Collector): Promise<string[]> {
  const { json } = await get(collector, "/api/ui/summaries");
  return (json as { summaries: { traceId: string }[] }).summaries.map((summary) => summary.traceId);
}

test("receives protobuf and JSON, plain, gzip and zstd, and answers in kind", () =>
  withCollector(async (collector) => {
    const bodies: [Uint8Array | string, Record<string, string>][] = [
      [protobufOf({ trace: 1, id: 1 }), {}],
      [jsonOf({ trace: 2, id: 1 }), {}],
      [gzipSync(protobufOf({ trace: 3, id: 1 })), { "content-encoding": "gzip" }],
      [
        gzipSync(jsonOf({ trace: 4, id: 1 })),
        { "content-encoding": "gzip", "content-type": "application/json; charset=utf-8" },
      ],
      [zstdCompressSync(protobufOf({ trace: 5, id: 1 })), { "content-encoding": "zstd" }],
      [
        zstdCompressSync(jsonOf({ trace: 6, id: 1 })),
        { "content-encoding": "zstd", "content-type": "application/json; charset=utf-8" },
      ],
      [protobufOf(), {}],
      ["{}", {}],
    ];
    for (const [body, headers] of bodies) {
      const reply = await postSpans(collector, body, headers);
      assert.equal(reply.status, 200);
      const isJson = reply.headers["content-type"] === "application/json";
      assert.equal(isJson, typeof body === "string" || headers["content-type"] !== undefined);
      // An empty ExportTraceServiceResponse: no partial success.
      assert.equal(reply.body.toString(), isJson ? "{}" : "");
    }
    assert.deepEqual((await listTraces(collector)).sort(), [1, 2, 3, 4, 5, 6].map(traceIdOf));
  }));

test("answers a malformed request with google.rpc.Status in its encoding", () =>
  withCollector(async (collector) => {
    const whole = protobufOf({ trace: 1, id: 1 });
    const protobuf = await postSpans(collector, whole.subarray(0, whole.length - 1));
    assert.equal(protobuf.status, 400);
    assert.equal(protobuf.headers["content-type"], protobufType);
    const message = `the request is malformed: at byte 1: a field of ${whole.length - 2} bytes runs 1 past the end of its message`;
    assert.deepEqual(
      protobuf.body,
      Buffer.concat([Buffer.from([0x08, 3, 0x12, message.length]), Buffer.from(message)]),
    );
    const json = await postSpans(collector, '{"resourceSpans":{}}');
    assert.equal(json.status, 400);
    assert.equal(json.headers["content-type"], "application/json");
    assert.deepEqual(JSON.parse(json.body.toString()), {
      code: 3,
      message: "the request is malformed: request.resourceSpans must be an array, not {}",
    });
    const gzip = await postSpans(collector, "not gzip", { "content-encoding": "gzip" });
    assert.equal(gzip.status, 400);
    assert.match(gzip.body.toString(), /^\{"code":3,"message":"the body is not gzip: incorrect header check"\}$/);
    assert.equal((await postSpans(collector, "x", { "content-type": "text/plain" })).status, 415);
    const broken = zstdCompressSync(protobufOf({ trace: 8, id: 1 }, { trace: 8, id: 2 })).subarray(0, -10);
    for (const body of [Buffer.from("not zstd"), broken]) {
      const zstd = await postSpans(collector, body, { "content-encoding": "zstd" });
      assert.equal(zstd.status, 400);
      assert.match(zstd.body.toString(), /the body is not zstd: /);
    }
    const nothing = await postSpans(collector, zstdCompressSync(protobufOf()), { "content-encoding": "zstd" });
    assert.equal(nothing.status, 200);
    for (const encoding of ["br", "snappy", "constructor"]) {
      const other = await postSpans(collector, "x", { "content-encoding": encoding });
      assert.equal(other.status, 415);
      assert.equal(other.headers["accept-encoding"], "gzip, zstd");
      assert.match(other.body.toString(), /is not supported; use gzip, zstd, or none/);
    }
    assert.equal((await send(new URL("/v1/traces", collector.otlpEndpoint()))).status, 405);
    assert.equal((await postSpans(collector, jsonOf({ trace: 9, id: 1 }))).status, 200);
    assert.deepEqual(await listTraces(collector), [traceIdOf(9)]);
  }));

test("takes the good spans of a request and says how many were bad", () =>
  withCollector(async (collector) => {
    const json = await postSpans(collector, jsonOf({ trace: 0, id: 1 }, { trace: 1, id: 1 }, { trace: 1, id: 0 }));
    assert.equal(json.status, 200);
    const { partialSuccess } = JSON.parse(json.body.toString());
    assert.equal(partialSuccess.rejectedSpans, "2");
    assert.match(partialSuccess.errorMessage, /^a trace id must be 16 bytes, not all zero, in the span at byte \d+$/);
    const protobuf = await postSpans(collector, protobufOf({ trace: 2, id: 0 }, { trace: 2, id: 1 }));
    assert.equal(protobuf.status, 200);
    // partial_success { rejected_spans: 1, error_message }
    assert.deepEqual([...protobuf.body.subarray(0, 5)], [0x0a, protobuf.body.length - 2, 0x08, 1, 0x12]);
    assert.deepEqual((await listTraces(collector)).sort(), [1, 2].map(traceIdOf));
    const { json: stats } = await get(collector, "/api/ui/stats");
    assert.equal((stats as { rejectedSpans: number }).rejectedSpans, 3);
  }));

test("refuses a body over the limit, before and after decompression", () =>
  withCollector(
    async (collector) => {
      const bomb = gzipSync(Buffer.alloc(1_000_000));
      assert.ok(bomb.length < 10_000);
      const cases: [Uint8Array | string, Record<string, string | number>][] = [
        [Buffer.alloc(10_001), {}],
        ["x".repeat(10_001), { "transfer-encoding": "chunked" }],
        [bomb, { "content-encoding": "gzip" }],
        [zstdCompressSync(Buffer.alloc(1_000_000)), { "content-encoding": "zstd" }],
      ];
      for (const [body, headers] of cases) {
        const reply = await postSpans(collector, body, headers);
        assert.equal(reply.status, 413);
        assert.match(reply.body.toString(), /the body is over the limit of 10000 bytes after decompression/);
        assert.equal(reply.headers["content-type"], typeof body === "string" ? "application/json" : protobufType);
      }
      const inTime = await new Promise<IncomingMessage>((resolve, reject) => {
        // Says it will send far more than the limit, and sends nothing.
        const url = new URL("/v1/traces", collector.otlpEndpoint());
        const headers = { "content-type": protobufType, "content-length": 1_000_000_000 };
        const sent = request(url, { method: "POST", headers, agent: false }, (response) => {
          resolve(response);
          sent.destroy();
        });
        sent.on("error", reject);
        sent.flushHeaders();
      });
      assert.equal(inTime.statusCode, 413);
    },
    { bodyLimitBytes: 10_000 },
  ));

test("tells senders to come again when the store has too much waiting, and counts what it dropped", () =>
  withCollector(
    async (collector) => {
      const replies: Reply[] = [];
      const refused = (): Reply[] => replies.filter(({ status }) => status === 503);
      // One of those that come while another is written.
      for (let tries = 0; refused().length === 0; tries++) {
        assert.ok(tries < 50, "none was refused");
        const send = (_: unknown, index: number): Promise<Reply> =>
          postSpans(collector, protobufOf({ trace: replies.length + index + 1, id: 1 }));
        replies.push(...(await Promise.all(Array.from({ length: 30 }, send))));
      }
      const full = refused();
      for (const reply of full) {
        assert.equal(reply.headers["retry-after"], "1");
        assert.deepEqual([...reply.body.subarray(0, 2)], [0x08, 14]);
      }
      const { json } = await get(collector, "/api/ui/stats");
      const { spans, droppedSpans } = json as { spans: number; droppedSpans: number };
      assert.deepEqual([spans, droppedSpans], [replies.length - full.length, full.length]);
    },
    { maxWaitingBytes: 1 },
  ));

test("tells senders to come again when the store cannot write", () =>
  withFolder(async (folder) => {
    const data = join(folder, "traces.db");
    const collector = new Collector({ address: "127.0.0.1:0", otlpAddress: "127.0.0.1:0", data });
    await collector.start();
    const other = new DatabaseSync(data);
    other.exec("ALTER TABLE span RENAME TO moved");
    const refused = await postSpans(collector, jsonOf({ trace: 1, id: 1 }));
    assert.equal(refused.status, 503);
    assert.equal(refused.headers["retry-after"], "1");
    assert.deepEqual(JSON.parse(refused.body.toString()), {
      code: 14,
      message: "the trace store cannot write; send again later",
    });
    other.exec("ALTER TABLE moved RENAME TO span");
    other.close();
    assert.equal((await postSpans(collector, jsonOf({ trace: 1, id: 1 }))).status, 200);
    assert.deepEqual(await listTraces(collector), [traceIdOf(1)]);
    await collector.stop(AbortSignal.timeout(5000));
  }));

test("OTLP over gRPC: spans are taken, bad ones refused in part, and what is no request for good", async () => {
  await withCollector(
    async (collector) => {
      const endpoint = collector.otlpGrpcEndpoint()!.href;
      const client = new GrpcClient({ endpoint, codec: rawCodec });
      const { export: call, [Symbol.asyncDispose]: close } = createServiceClient(TraceService, client, {
        timeoutMs: 60_000,
      });
      const request = (bytes: Uint8Array) => toRawMessage(TraceService.method.export.input, bytes);
      try {
        const reply = await call(request(protobufOf({ trace: 1, id: 1 })));
        assert.equal((reply as unknown as RawMessage).bytes.length, 0);
        const partial = await call(request(protobufOf({ trace: 2, id: 1 }, { trace: 0, id: 2 })));
        assert.equal(decodePartialSuccess((partial as unknown as RawMessage).bytes)?.rejectedSpans, 1);
        await assert.rejects(Promise.resolve(call(request(Buffer.from([0x0a, 0xff])))), {
          code: 400,
          message: /malformed/,
        });
      } finally {
        await close();
      }
      const { body } = await send(`${collector.endpoint().origin}/api/services`);
      assert.deepEqual((JSON.parse(body.toString()) as { data: unknown }).data, ["user"]);
    },
    { otlpGrpcAddress: "127.0.0.1:0" },
  );
});
