import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { OtlpMetricsExporter, type StartMetricsOptions, startMetrics } from "@clew/exporter";
import { MetricsService, rawCodec, toRawMessage } from "@clew/exporter/otlp-service";
import { MeterProvider } from "@clew/metrics";
import { service } from "@clew/rpc";
import { createResource } from "@clew/trace";
import { encodePartialSuccess } from "@clew/trace/otel";
import { GrpcServer } from "@clew/transport/grpc";
import { metrics } from "@opentelemetry/api";
import { until } from "../../http2/test/until.ts";
import { ExportMetricsServiceRequestSchema } from "../../metrics/test/gen/otlp-metrics_pb.ts";
import { freePort } from "../../transport/test/free-ports.ts";
import { cleanUps, sink } from "./clean-up.ts";
import { type RawRequest, startRawSink } from "./raw-sink.ts";

async function someMetrics() {
  const provider = new MeterProvider({ resource: createResource({ service: "shop", env: {} }), env: {} });
  provider.getMeter("lib", "1").createCounter("calls").add(3, { method: "GET" });
  provider.getMeter("lib", "1").createHistogram("duration").record(1);
  return provider.collect();
}

/** The sums of a request, by name. */
function sumsOf(body: Uint8Array): Record<string, number> {
  const sums: Record<string, number> = {};
  const request = fromBinary(ExportMetricsServiceRequestSchema, body);
  for (const { scopeMetrics } of request.resourceMetrics) {
    for (const { metrics: found } of scopeMetrics) {
      for (const { name, data } of found) {
        if (data.case === "sum") sums[name] = Number(data.value.dataPoints[0]!.value.value);
      }
    }
  }
  return sums;
}

const retry = { initialMs: 5, maxMs: 20, limitMs: 60_000 };

test("metrics arrive at /v1/metrics, and points are counted", async () => {
  const collector = await sink();
  const exporter = new OtlpMetricsExporter({ endpoint: collector.endpoint, env: {}, compression: "gzip" });
  cleanUps.push(() => exporter.shutdown());
  assert.equal(await exporter.export(await someMetrics()), true);
  const [request] = collector.requests;
  assert.deepEqual([request!.path, request!.headers["content-type"]], ["/v1/metrics", "application/x-protobuf"]);
  assert.deepEqual(sumsOf(request!.body), { calls: 3 });
  assert.deepEqual([exporter.stats().exported, exporter.stats().requests], [2, 1]);
});

test("a collector that is busy is asked again; one that refuses is not", async () => {
  const busy = await sink((response, index) => void response.writeHead(index === 0 ? 503 : 200).end());
  const exporter = new OtlpMetricsExporter({ endpoint: busy.endpoint, env: {}, retry });
  cleanUps.push(() => exporter.shutdown());
  assert.equal(await exporter.export(await someMetrics()), true);
  assert.deepEqual([busy.requests.length, exporter.stats().retries], [2, 1]);
  const partial = await sink(
    (response) => void response.end(encodePartialSuccess({ rejectedSpans: 1, message: "no" })),
  );
  const told = new OtlpMetricsExporter({ endpoint: partial.endpoint, env: {}, retry });
  cleanUps.push(() => told.shutdown());
  assert.equal(await told.export(await someMetrics()), true);
  assert.deepEqual([told.stats().exported, told.stats().rejected], [1, 1]);
  const refusing = await sink((response) => void response.writeHead(400).end());
  const refused = new OtlpMetricsExporter({ endpoint: refusing.endpoint, env: {}, retry });
  cleanUps.push(() => refused.shutdown());
  assert.equal(await refused.export(await someMetrics()), false);
  assert.deepEqual([refusing.requests.length, refused.stats().failed], [1, 2]);
});

test("as JSON they are what the protobuf says", async () => {
  const collector = await sink();
  const exporter = new OtlpMetricsExporter({ endpoint: collector.endpoint, env: {}, protocol: "http/json" });
  cleanUps.push(() => exporter.shutdown());
  const provider = new MeterProvider({ resource: { attributes: ["service.name", "shop"], schemaUrl: "s" }, env: {} });
  const meter = provider.getMeter("lib");
  meter.createCounter("calls", { unit: "{call}", description: 'The "calls".' }).add(3, { method: "GET" });
  meter.createGauge("level").record(1.5);
  meter.createHistogram("size", { advice: { explicitBucketBoundaries: [1, 2] } }).record(1.5);
  await exporter.export(await provider.collect());
  assert.equal(collector.requests[0]!.headers["content-type"], "application/json");
  const json = JSON.parse(collector.requests[0]!.body.toString(), (key, value: unknown) =>
    /TimeUnixNano|^timeUnixNano/.test(key) ? String(value).length : value,
  ) as unknown;
  const times = { startTimeUnixNano: 19, timeUnixNano: 19 };
  assert.deepEqual(json, {
    resourceMetrics: [
      {
        resource: { attributes: [{ key: "service.name", value: { stringValue: "shop" } }] },
        scopeMetrics: [
          {
            scope: { name: "lib" },
            metrics: [
              {
                name: "calls",
                description: 'The "calls".',
                unit: "{call}",
                sum: {
                  dataPoints: [
                    { attributes: [{ key: "method", value: { stringValue: "GET" } }], ...times, asDouble: 3 },
                  ],
                  aggregationTemporality: 2,
                  isMonotonic: true,
                },
              },
              { name: "level", gauge: { dataPoints: [{ attributes: [], ...times, asDouble: 1.5 }] } },
              {
                name: "size",
                histogram: {
                  dataPoints: [
                    {
                      attributes: [],
                      ...times,
                      count: "1",
                      sum: 1.5,
                      min: 1.5,
                      max: 1.5,
                      bucketCounts: ["0", "1", "0"],
                      explicitBounds: [1, 2],
                    },
                  ],
                  aggregationTemporality: 2,
                },
              },
            ],
          },
        ],
        schemaUrl: "s",
      },
    ],
  });
});

test("over gRPC they arrive as a call", async () => {
  const bodies: Uint8Array[] = [];
  const implementation = {
    export: async (request: unknown) => {
      bodies.push((request as { bytes: Uint8Array }).bytes);
      return toRawMessage(MetricsService.method.export.output, new Uint8Array()) as never;
    },
  };
  const server = new GrpcServer({
    address: "127.0.0.1:0",
    services: [service(MetricsService, implementation)],
    codecs: [rawCodec],
    health: false,
    reflection: false,
  });
  await server.start();
  cleanUps.push(() => server.stop(AbortSignal.timeout(0)));
  const exporter = new OtlpMetricsExporter({ endpoint: `grpc://${server.endpoint().host}`, env: {} });
  cleanUps.push(() => exporter.shutdown());
  assert.equal(await exporter.export(await someMetrics()), true);
  assert.deepEqual(sumsOf(bodies[0]!), { calls: 3 });
});

async function start(options: StartMetricsOptions) {
  const running = startMetrics({ env: {}, ...options });
  cleanUps.push(() => running.shutdown());
  return running;
}

test("startMetrics measures the process and exports at its end", async () => {
  const collector = await sink();
  const running = await start({ service: "shop", version: "2", endpoint: collector.endpoint, runtime: true });
  metrics.getMeter("library").createCounter("calls").add(2);
  await running.shutdown();
  const [request] = collector.requests;
  assert.deepEqual(sumsOf(request!.body).calls, 2);
  assert.ok(sumsOf(request!.body)["process.cpu.time"]! > 0);
  const { resource } = fromBinary(ExportMetricsServiceRequestSchema, request!.body).resourceMetrics[0]!;
  const named = Object.fromEntries(resource!.attributes.map(({ key, value }) => [key, value?.value.value]));
  assert.deepEqual([named["service.name"], named["service.version"]], ["shop", "2"]);
  assert.deepEqual(running.stats(), { exported: 1, failed: 0 });
  assert.notEqual(metrics.getMeterProvider(), running.provider);
});

test("it exports every interval, to where the environment says", async () => {
  const collector = await sink();
  await start({
    env: {
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${collector.endpoint}/own`,
      OTEL_METRIC_EXPORT_INTERVAL: "10",
      OTEL_SERVICE_NAME: "shop",
    },
  });
  metrics.getMeter("library").createCounter("calls").add(2);
  await until(() => collector.requests.length >= 2, "two exports");
  assert.equal(collector.requests[0]!.path, "/own");
});

test("nothing is sent where metrics are only scraped", async () => {
  for (const options of [
    { exporter: false } as const,
    { env: { OTEL_METRICS_EXPORTER: "prometheus" } },
    { env: { OTEL_METRICS_EXPORTER: "none" } },
  ]) {
    const running = startMetrics({ env: {}, ...options });
    assert.equal(running.stats(), undefined);
    await running.shutdown();
  }
});

test("a process that runs out of work exports first, and one whose collector is away ends all the same", async () => {
  const collector = await sink();
  const gone = await startRawSink(undefined, await freePort());
  await gone.stop();
  for (const endpoint of [collector.endpoint, gone.endpoint]) {
    const program = `
      import { startMetrics } from "@clew/exporter";
      import { metrics } from "@opentelemetry/api";
      startMetrics({ endpoint: ${JSON.stringify(endpoint)}, env: {}, runtime: true });
      metrics.getMeter("library").createCounter("calls").add(7);`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { cwd: import.meta.dirname });
    const [error, [exit]] = await Promise.all([text(child.stderr), once(child, "close")]);
    assert.deepEqual([error, exit], ["", 0]);
  }
  assert.deepEqual(
    collector.requests.map(({ body }: RawRequest) => sumsOf(body).calls),
    [7],
  );
});
