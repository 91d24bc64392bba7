import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { Context, run } from "@clew/context";
import { OtlpLogs, type OtlpLogsOptions } from "@clew/exporter";
import { createLogger, type Logger } from "@clew/log";
import { suppressTracing } from "@clew/trace";
import { trace } from "@opentelemetry/api";
import { freePort } from "../../transport/test/free-ports.ts";
import { cleanUps, sink } from "./clean-up.ts";
import { ExportLogsServiceRequestSchema, type LogRecord } from "./gen/otlp-logs_pb.ts";
import { type RawSink, startRawSink } from "./raw-sink.ts";

const retry = { initialMs: 5, maxMs: 20, limitMs: 60_000 };
const resource = { attributes: ["service.name", "shop"], schemaUrl: "" };

/** A logger whose lines go to this endpoint, and nowhere else. */
function loggerTo(endpoint: string, options: OtlpLogsOptions = {}): { logger: Logger; logs: OtlpLogs } {
  const logs = new OtlpLogs({ endpoint, env: {}, retry, resource, delayMs: 60_000, ...options });
  cleanUps.push(() => logs.shutdown());
  return { logger: createLogger({ level: "debug", writer: logs.write }), logs };
}

function recordsOf(collector: RawSink): LogRecord[] {
  return collector.requests.flatMap(({ body }) =>
    fromBinary(ExportLogsServiceRequestSchema, body).resourceLogs.flatMap(({ scopeLogs }) =>
      scopeLogs.flatMap(({ logRecords }) => logRecords),
    ),
  );
}

const span = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7", traceFlags: 1 };
const inSpan = trace.setSpanContext(Context.root, span) as Context;

test("lines arrive at /v1/logs with severity, fields and the ids of their span", async () => {
  const collector = await sink();
  const { logger, logs } = loggerTo(collector.endpoint, { compression: "gzip" });
  const before = BigInt(Date.now()) * 1_000_000n;
  run(inSpan, () =>
    logger.with({ name: "cart" }).error("no é user", { id: 7, password: "s3cret", deep: { list: [1, "a"] } }),
  );
  logger.debug("bare", { trace_id: "the app's own" });
  logger.info("");
  logger.warn("w");
  await logs.forceFlush();
  assert.equal(collector.requests[0]!.path, "/v1/logs");
  assert.equal(collector.requests[0]!.headers["content-type"], "application/x-protobuf");
  const request = fromBinary(ExportLogsServiceRequestSchema, collector.requests[0]!.body).resourceLogs[0]!;
  assert.deepEqual(request.resource?.attributes[0]?.value?.value, { case: "stringValue", value: "shop" });
  assert.equal(request.scopeLogs[0]?.scope?.name, "@clew/log");
  const records = recordsOf(collector);
  assert.deepEqual(
    records.map(({ severityNumber, severityText, body }) => [severityNumber, severityText, body?.value.value]),
    [
      [17, "ERROR", "no é user"],
      [5, "DEBUG", "bare"],
      [9, "INFO", ""],
      [13, "WARN", "w"],
    ],
  );
  const [first, second] = records;
  assert.equal(Buffer.from(first!.traceId).toString("hex"), span.traceId);
  assert.equal(Buffer.from(first!.spanId).toString("hex"), span.spanId);
  assert.equal(first!.flags, 1);
  assert.ok(first!.timeUnixNano >= before && first!.timeUnixNano === first!.observedTimeUnixNano);
  const attributes = Object.fromEntries(first!.attributes.map(({ key, value }) => [key, value?.value]));
  assert.deepEqual(Object.keys(attributes), ["name", "id", "password", "deep"]);
  assert.deepEqual(attributes.id, { case: "intValue", value: 7n });
  assert.deepEqual(attributes.password, { case: "stringValue", value: "***" });
  assert.equal(attributes.deep?.case, "kvlistValue");
  assert.deepEqual([second!.traceId.length, second!.spanId.length, second!.flags], [0, 0, 0]);
  assert.deepEqual(
    second!.attributes.map(({ key }) => key),
    ["trace_id"],
  );
});

test("as JSON they are what the protobuf says", async () => {
  const collector = await sink();
  const { logger, logs } = loggerTo(collector.endpoint, { protocol: "http/json" });
  run(inSpan, () => logger.info('a "b"', { n: 1.5 }));
  await logs.forceFlush();
  const json = JSON.parse(collector.requests[0]!.body.toString(), (key, value: unknown) =>
    /imeUnixNano/.test(key) ? String(value).length : value,
  ) as unknown;
  assert.deepEqual(json, {
    resourceLogs: [
      {
        resource: { attributes: [{ key: "service.name", value: { stringValue: "shop" } }] },
        scopeLogs: [
          {
            scope: { name: "@clew/log" },
            logRecords: [
              {
                timeUnixNano: 19,
                observedTimeUnixNano: 19,
                severityNumber: 9,
                severityText: "INFO",
                body: { stringValue: 'a "b"' },
                attributes: [{ key: "n", value: { doubleValue: 1.5 } }],
                flags: 1,
                traceId: span.traceId,
                spanId: span.spanId,
              },
            ],
          },
        ],
      },
    ],
  });
});

test("full batches go at once, in order, and a busy collector gets the same lines again", async () => {
  const collector = await sink((response, index) => void response.writeHead(index === 0 ? 503 : 200).end());
  const { logger, logs } = loggerTo(collector.endpoint, { batchSize: 10 });
  for (let n = 0; n < 25; n++) logger.info(`line ${n}`);
  await logs.forceFlush();
  assert.deepEqual(
    recordsOf(collector)
      .slice(10)
      .map(({ body }) => body?.value.value),
    Array.from({ length: 25 }, (_, n) => `line ${n}`),
  );
  const { exported, dropped, waiting, delivery } = logs.stats();
  assert.deepEqual([exported, dropped, waiting, delivery.retries], [25, 0, 0, 1]);
});

test("what finds no space is dropped and counted, and nothing is lost of what waits", async () => {
  const gone = await startRawSink(undefined, await freePort());
  await gone.stop();
  const { logger, logs } = loggerTo(gone.endpoint, { capacity: 10, retry: { initialMs: 5, maxMs: 5, limitMs: 20 } });
  for (let n = 0; n < 25; n++) logger.info(`line ${n}`);
  await logs.forceFlush();
  assert.deepEqual([logs.stats().waiting, logs.stats().dropped, logs.stats().exported], [10, 15, 0]);
  const back = await sink(undefined, gone.port);
  await logs.forceFlush();
  assert.deepEqual([logs.stats().waiting, logs.stats().exported, recordsOf(back).length], [0, 10, 10]);
});

test("what a collector refuses is counted, and a shutdown drops what it cannot send in time", async () => {
  const refusing = await sink((response) => void response.writeHead(400).end());
  const one = loggerTo(refusing.endpoint);
  one.logger.info("m");
  await one.logs.shutdown();
  assert.deepEqual([one.logs.stats().failed, one.logs.stats().waiting], [1, 0]);
  one.logger.info("late");
  assert.equal(one.logs.stats().dropped, 1);
  const hanging = await sink(() => {});
  const other = loggerTo(hanging.endpoint, { shutdownTimeoutMs: 50 });
  other.logger.info("m");
  await other.logs.shutdown();
  assert.equal(other.logs.stats().dropped, 1);
});

test("what telemetry logs while it exports is not exported", async () => {
  const collector = await sink();
  const { logger, logs } = loggerTo(collector.endpoint);
  run(suppressTracing(Context.root), () => logger.warn("spans cannot be exported"));
  assert.equal(logs.stats().waiting, 0);
});

test("limits are read from the environment; the code wins over it", async () => {
  const collector = await sink();
  const env = { OTEL_BLRP_MAX_QUEUE_SIZE: "3", OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `${collector.endpoint}/own` };
  const logs = new OtlpLogs({ env, resource, delayMs: 60_000 });
  cleanUps.push(() => logs.shutdown());
  const logger = createLogger({ writer: logs.write });
  for (let n = 0; n < 5; n++) logger.info("m");
  assert.deepEqual([logs.stats().dropped, logs.url.pathname], [2, "/own"]);
  const own = new OtlpLogs({ env, resource, capacity: 4, delayMs: 60_000 });
  cleanUps.push(() => own.shutdown());
  for (let n = 0; n < 5; n++) own.write("info", "m", {}, undefined);
  assert.equal(own.stats().dropped, 1);
});
