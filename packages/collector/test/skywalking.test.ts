import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Collector } from "@clew/collector";
import { SkyWalkingExporter } from "@clew/exporter";
import { type RawMessage, rawCodec, toRawMessage } from "@clew/exporter/otlp-service";
import * as skyWalking from "@clew/exporter/skywalking-service";
import type { Logger } from "@clew/log";
import { createServiceClient } from "@clew/rpc";
import { encodeSegment, encodeSegments, segmentToJson, toSpanId, toTraceId } from "@clew/trace/skywalking";
import { GrpcClient } from "@clew/transport/grpc";
import { get, local, post, withCollector } from "./running-collector.ts";
import { type Shown, show } from "./shown-trace.ts";
import { type AnyService, called, goTrace, type RawCall, segment, withAgent } from "./skywalking-agent.ts";

/** The collector has what {@link segment} and {@link called} tell, as one trace. */
async function checkOrders(collector: Collector): Promise<void> {
  const shown = await show(collector, toTraceId(goTrace), 3);
  const [entry, exit, other] = ["GET:/orders", "/stock", "GET:/stock"].map(
    (name) => shown.find((span) => span.name === name)!,
  ) as [Shown, Shown, Shown];
  assert.deepEqual(
    [entry.kind, entry.service, entry.parent, entry.id],
    ["server", "orders", "", toSpanId("orders.1.1", 0)],
  );
  assert.deepEqual([exit.kind, exit.service, exit.parent], ["client", "orders", entry.id]);
  assert.deepEqual([other.kind, other.service, other.parent], ["server", "stock", exit.id]);
  assert.deepEqual([exit.tags["server.address"], exit.tags["server.port"]], ["stock", 8080]);
  assert.equal(other.tags.error, true);
  assert.equal(other.logs[0]!["exception.message"], "broken");
  const dependencies = "/api/dependencies?endTs=1700000001000&lookback=10000000";
  assert.deepEqual((await get<{ data: object[] }>(collector, dependencies)).json.data, [
    { parent: "orders", child: "stock", callCount: 1 },
  ]);
}

/** All but the one for segments, in the order in which they should be told of. */
const allServices: readonly AnyService[] = [
  skyWalking.LogReportService,
  skyWalking.MeterReportService,
  skyWalking.JVMMetricReportService,
  skyWalking.CLRMetricReportService,
  skyWalking.EventService,
  skyWalking.SpanAttachedEventReportService,
  skyWalking.ManagementService,
  skyWalking.ConfigurationDiscoveryService,
  skyWalking.ProfileTask,
  skyWalking.PprofTask,
  skyWalking.AsyncProfilerTask,
];

test("segments arrive by collect and collectInSync, on OTLP's port and on SkyWalking's", () =>
  withCollector(
    async (collector) => {
      const { TraceSegmentReportService } = skyWalking;
      await withAgent(collector.otlpGrpcEndpoint()!, async (call) => {
        const answer = await call(
          TraceSegmentReportService,
          "collect",
          encodeSegment(segment()),
          encodeSegment(called),
        );
        assert.equal(answer.length, 0);
      });
      await checkOrders(collector);
      await withAgent(collector.skywalkingGrpcEndpoint()!, async (call) => {
        const other = "0af7651916cd43dd8448eb211c80319c";
        const both = [segment({ traceId: other, segmentId: "a.1.1" }), segment({ traceId: other, segmentId: "a.1.2" })];
        assert.equal((await call(TraceSegmentReportService, "collectInSync", encodeSegments(both))).length, 0);
        assert.equal((await show(collector, other, 4)).length, 4);
      });
      assert.deepEqual(collector.stats().skywalking, { spans: 7, rejected: 0, refusedRequests: 0 });
    },
    { skywalkingGrpcAddress: local },
  ));

test("segments arrive as JSON, one or several, and reports of an instance are answered", () =>
  withCollector(
    async (collector) => {
      for (const origin of [collector.otlpEndpoint(), collector.skywalkingHttpEndpoint()!]) {
        const answers = [
          await post(new URL("/v3/segment", origin), JSON.stringify(segmentToJson(segment()))),
          await post(new URL("/v3/segments", origin), JSON.stringify([segment(), called].map(segmentToJson))),
          await post(new URL("/v3/management/reportProperties", origin), '{"service":"orders"}'),
          await post(new URL("/v3/management/keepAlive", origin), '{"service":"orders"}'),
          await post(new URL("/v3/logs", origin), "[]"),
        ];
        for (const answer of answers) assert.deepEqual([answer.status, await answer.json()], [200, {}]);
      }
      await checkOrders(collector);
    },
    { skywalkingHttpAddress: local },
  ));

test("a stream of many segments arrives whole", () =>
  withCollector(async (collector) => {
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const segments = Array.from({ length: 1000 }, (_, index) => segment({ traceId, segmentId: `orders.1.${index}` }));
    await withAgent(collector.otlpGrpcEndpoint()!, async (call) => {
      await call(skyWalking.TraceSegmentReportService, "collect", ...segments.map(encodeSegment));
    });
    assert.equal(collector.stats().skywalking.spans, 2000);
    assert.equal((await get<{ spans: number }>(collector, "/api/ui/stats")).json.spans, 2000);
  }));

test("a malformed segment costs only itself; where nothing else came it is an error", () =>
  withCollector(async (collector) => {
    const { TraceSegmentReportService } = skyWalking;
    // Its span says that it has 99 bytes.
    const broken = Buffer.from("1a63", "hex");
    const nameless = encodeSegment(segment({ traceId: "" }));
    await withAgent(collector.otlpGrpcEndpoint()!, async (call) => {
      const [first, second] = [encodeSegment(segment()), encodeSegment(called)];
      assert.equal((await call(TraceSegmentReportService, "collect", broken, first, nameless, second)).length, 0);
      const message =
        "the request is malformed: segment 0: at byte 1: a field of 99 bytes runs 99 past the end of its message";
      await assert.rejects(call(TraceSegmentReportService, "collect", broken, nameless), { code: 400, message });
      await assert.rejects(call(TraceSegmentReportService, "collectInSync", broken), {
        code: 400,
        message: /malformed: at byte 1/,
      });
      const collection = Buffer.concat([Buffer.from([0x0a, broken.length]), broken, encodeSegments([segment()])]);
      assert.equal((await call(TraceSegmentReportService, "collectInSync", collection)).length, 0);
    });
    await checkOrders(collector);
    assert.deepEqual(collector.stats().skywalking, { spans: 5, rejected: 5, refusedRequests: 2 });

    const url = new URL("/v3/segments", collector.otlpEndpoint());
    const odd = { ...segmentToJson(segment({ segmentId: "odd" })), spans: [{ spanId: 1.5, startTime: 1 }] };
    const partial = await post(url, JSON.stringify([odd, segmentToJson(segment()), null]));
    assert.deepEqual([partial.status, await partial.json()], [200, {}]);
    const refusals: [string, string, RegExp][] = [
      ["/v3/segments", "{}", /^the request is malformed: the body must be a list of segments\n$/],
      ["/v3/segments", "no", /^the request is malformed: not JSON/],
      [
        "/v3/segments",
        JSON.stringify([odd]),
        /^the request is malformed: segment 0: a spanId must be a whole number from 0 on, not 1.5\n$/,
      ],
      [
        "/v3/segment",
        '{"traceId":"t"}',
        /^the request is malformed: segment 0: it must be an object with a traceId and a traceSegmentId\n$/,
      ],
    ];
    for (const [path, body, message] of refusals) {
      const answer = await post(new URL(path, url), body);
      assert.match(await answer.text(), message);
      assert.equal(answer.status, 400);
    }
    assert.deepEqual(collector.stats().skywalking, { spans: 7, rejected: 9, refusedRequests: 6 });
  }));

test("whatever else an agent reports or asks is answered with no commands; the log says once what is not kept", async () => {
  const lines: string[] = [];
  const quiet = (): void => {};
  const logger: Logger = {
    level: "info",
    debug: quiet,
    info: (message) => void lines.push(message),
    warn: quiet,
    error: quiet,
    with: () => logger,
  };
  await withCollector(
    async (collector) => {
      await withAgent(collector.otlpGrpcEndpoint()!, async (call) => {
        for (const service of [...allServices, ...allServices]) {
          for (const { localName } of service.methods) {
            const answer = await call(service, localName, Buffer.from("0a0161", "hex"));
            assert.equal(answer.length, 0, `${service.typeName}/${localName}`);
          }
        }
      });
    },
    { logger },
  );
  const notices = lines.filter((line) => line.includes("is answered, but its reports are not stored"));
  assert.deepEqual(
    notices.map((line) => line.split(" ")[1]),
    [
      "LogReportService",
      "MeterReportService",
      "JVMMetricReportService",
      "CLRMetricReportService",
      "EventService",
      "SpanAttachedEventReportService",
    ],
  );
});

test("a stream that stays open is written as it comes, and told to come again when the collector stops", {
  timeout: 60_000,
}, async () => {
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  let calling: Promise<RawMessage> | undefined;
  let client: GrpcClient | undefined;
  await withCollector(async (collector) => {
    const { collect } = skyWalking.TraceSegmentReportService.method;
    client = new GrpcClient({ endpoint: collector.otlpGrpcEndpoint()!.href, codec: rawCodec });
    const service = createServiceClient(skyWalking.TraceSegmentReportService, client) as unknown as Record<
      string,
      RawCall
    >;
    const messages = async function* (): AsyncGenerator<RawMessage> {
      yield toRawMessage(collect.input, encodeSegment(segment()));
      yield toRawMessage(collect.input, encodeSegment(called));
      await ended;
    };
    calling = service.collect!(messages());
    await checkOrders(collector);
    const refused = assert.rejects(calling, { code: 503, message: "the collector is stopping" });
    const signal = AbortSignal.timeout(50_000);
    await collector.stop(signal);
    await refused;
    assert.equal(signal.aborted, false);
  });
  end();
  await client!.close();
});

test("a store that has too much waiting is told as UNAVAILABLE, with a time to come again, and nothing is lost that is sent again", () =>
  withCollector(
    async (collector) => {
      const exporter = new SkyWalkingExporter({
        service: "orders",
        instance: "orders-1",
        backends: [collector.otlpGrpcEndpoint()!.host],
        env: {},
      });
      try {
        const traceIds: string[] = [];
        const send = async (): Promise<string | undefined> => {
          const traceId = `${traceIds.push("")}`.padStart(32, "0");
          traceIds[traceIds.length - 1] = traceId;
          const { outcome } = await exporter.export([segment({ traceId, segmentId: `${traceId}.1` })]);
          if (outcome === "exported") return undefined;
          assert.equal(outcome, "unavailable");
          return traceId;
        };
        const busy: string[] = [];
        // One of those that come while another is written.
        for (let tries = 0; collector.stats().skywalking.refusedRequests === 0; tries++) {
          assert.ok(tries < 50, "none was refused");
          const sent = await Promise.all(Array.from({ length: 20 }, send));
          busy.push(...sent.filter((traceId) => traceId !== undefined));
        }
        assert.ok(busy.length > 0);
        for (const traceId of busy) {
          const again = [segment({ traceId, segmentId: `${traceId}.1` })];
          // What was cut off with another's connection may still be on its way into the store.
          for (let tries = 0; (await exporter.export(again)).outcome !== "exported"; tries++) assert.ok(tries < 3000);
        }
        for (const traceId of traceIds) assert.equal((await show(collector, traceId, 2)).length, 2);
      } finally {
        await exporter.shutdown();
      }
    },
    { maxWaitingBytes: 1 },
  ));

test("our own segments, over gRPC and HTTP, are the same trace that OTLP would tell", async () => {
  await withCollector(async (collector) => {
    for (const [protocol, backend] of [
      ["grpc", collector.otlpGrpcEndpoint()!.host],
      ["http", collector.otlpEndpoint().host],
    ] as const) {
      const exporter = new SkyWalkingExporter({
        service: "orders",
        instance: "orders-1",
        backends: [backend],
        protocol,
        env: {},
      });
      try {
        const traceId = toTraceId(protocol);
        const [one, other] = [
          segment({ traceId }),
          {
            ...called,
            traceId,
            spans: [{ ...called.spans[0]!, references: [{ ...called.spans[0]!.references[0]!, traceId }] }],
          },
        ];
        assert.deepEqual(await exporter.export([one, other]), { outcome: "exported" });
        const shown = await show(collector, traceId, 3);
        assert.deepEqual(shown.map(({ service }) => service).sort(), ["orders", "orders", "stock"]);
        for (let tries = 0; exporter.stats().heartbeats === 0; tries++) {
          assert.ok(tries < 3000, exporter.stats().lastError);
          await sleep(20);
        }
        assert.equal(exporter.stats().lastError, undefined);
      } finally {
        await exporter.shutdown();
      }
    }
  });
});
