// The middleware metrics() with Clew's own provider, between real servers and clients, for every kind of call.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type HistogramPoint, MeterProvider, type MetricData, renderPrometheus } from "@clew/metrics";
import { type MetricsOptions, metrics, tracing } from "@clew/middleware";
import { createServiceClient, ServiceError, service } from "@clew/rpc";
import { TracerProvider } from "@clew/trace";
import { compression, GrpcClient, GrpcServer, HttpClient, HttpServer } from "@clew/transport";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";

const greeter = service(Greeter, {
  async sayHello({ name }) {
    if (name === "nobody") throw new ServiceError(404, "USER_NOT_FOUND", "no user");
    return { name };
  },
  async sayAll(hellos) {
    let count = 0;
    for await (const _ of hellos) count++;
    return { name: `${count}` };
  },
  async *repeat({ name }) {
    for (let count = 0; count < 3; count++) yield { name };
    if (name === "nobody") throw new ServiceError(409, "TAKEN", "taken");
  },
  async *chat(hellos) {
    for await (const { name } of hellos) yield { name };
  },
});

type GreeterClient = ReturnType<typeof createGreeter>;

function createGreeter(client: GrpcClient | HttpClient, middleware: Parameters<typeof createServiceClient>[2] & {}) {
  return createServiceClient(Greeter, client, middleware);
}

/** What was measured while `work` called a server of this transport, by name, on both sides. */
async function measure(
  transport: "http" | "grpc",
  work: (greeter: GreeterClient) => Promise<void>,
  options: MetricsOptions = {},
): Promise<{ found: Map<string, MetricData>; provider: MeterProvider }> {
  const provider = new MeterProvider({ env: {} });
  const tracerProvider = new TracerProvider({});
  const middleware = [tracing({ tracerProvider }), metrics({ meterProvider: provider, ...options })];
  // No busy machine ends a call by its time.
  const timeoutMs = 60_000;
  const settings = { address: "127.0.0.1:0", middleware, services: [greeter], timeoutMs };
  const server = transport === "http" ? new HttpServer(settings) : new GrpcServer(settings);
  await server.start();
  const { host } = server.endpoint();
  const raw =
    transport === "http"
      ? new HttpClient({ endpoint: `http://${host}` })
      : new GrpcClient({ endpoint: `grpc://${host}` });
  const client = createGreeter(raw, { middleware, timeoutMs });
  try {
    await work(client);
  } finally {
    await client[Symbol.asyncDispose]();
    // Drained: a server's call may end after its client's.
    await server.stop(AbortSignal.timeout(60_000));
  }
  const { scopes } = await provider.collect();
  return { found: new Map(scopes.flatMap((scope) => scope.metrics.map((metric) => [metric.name, metric]))), provider };
}

/** Each series of a metric: its attributes, and its value or how often it was measured. */
function seriesOf(metric: MetricData | undefined): unknown[] {
  return (metric?.points ?? []).map((point) => {
    const attributes: Record<string, unknown> = {};
    for (let index = 0; index < point.attributes.length; index += 2) {
      attributes[String(point.attributes[index])] = point.attributes[index + 1];
    }
    return [attributes, "count" in point ? point.count : point.value];
  });
}

const names = async function* (...given: string[]) {
  for (const name of given) yield { name };
};

async function drain(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}

async function callAll(client: GreeterClient): Promise<void> {
  await client.sayHello({ name: "ann" });
  await client.sayHello({ name: "ann" });
  await assert.rejects(client.sayHello({ name: "nobody" }));
  await client.sayAll(names("a", "b"));
  await drain(client.repeat({ name: "ann" }));
  await assert.rejects(drain(client.repeat({ name: "nobody" })));
  await drain(client.chat(names("a", "b", "c")));
}

test("gRPC: all four kinds of call on both sides, with status, in-flight and stream messages", async () => {
  const { found } = await measure("grpc", callAll);
  const method = (name: string) => ({ "rpc.method": `rpc.test.Greeter/${name}`, "rpc.system.name": "grpc" });
  const ok = { "rpc.status_code": "OK" };
  for (const side of ["server", "client"] as const) {
    const duration = found.get(`rpc.${side}.call.duration`);
    // What its caller did wrong is no error of a server.
    const errorType = (reason: string) => (side === "client" ? { "error.type": reason } : {});
    assert.deepEqual(seriesOf(duration), [
      [{ ...method("SayHello"), ...ok }, 2],
      [{ ...errorType("USER_NOT_FOUND"), ...method("SayHello"), "rpc.status_code": "NOT_FOUND" }, 1],
      [{ ...method("SayAll"), ...ok }, 1],
      [{ ...method("Repeat"), ...ok }, 1],
      [{ ...errorType("TAKEN"), ...method("Repeat"), "rpc.status_code": "ABORTED" }, 1],
      [{ ...method("Chat"), ...ok }, 1],
    ]);
    for (const point of duration!.points as readonly HistogramPoint[]) {
      assert.ok(point.exemplars.length > 0, "the call's span is its exemplar");
      assert.ok(point.sum > 0 && point.sum < 120);
    }
    assert.deepEqual(
      seriesOf(found.get(`rpc.${side}.active_calls`)).map((series) => (series as unknown[])[1]),
      [0, 0, 0, 0],
    );
    const sums = (name: string) =>
      (found.get(`rpc.${side}.${name}`)!.points as readonly HistogramPoint[]).map(({ sum, count }) => [sum, count]);
    assert.deepEqual(sums("requests_per_rpc"), [
      [2, 1],
      [3, 1],
    ]);
    assert.deepEqual(sums("responses_per_rpc"), [
      [6, 2],
      [3, 1],
    ]);
    assert.equal(found.get(`rpc.${side}.request.size`), undefined);
  }
});

test("HTTP/JSON: the server's calls are requests by verb, route and status; the client's are calls", async () => {
  const { found } = await measure("http", async (client) => {
    await client.sayHello({ name: "ann" });
    await assert.rejects(client.sayHello({ name: "nobody" }));
  });
  const http = {
    "http.request.method": "POST",
    "http.route": "/rpc.test.Greeter/SayHello",
    "url.scheme": "http",
  };
  assert.deepEqual(seriesOf(found.get("http.server.request.duration")), [
    [{ ...http, "http.response.status_code": 200 }, 1],
    [{ ...http, "http.response.status_code": 404 }, 1],
  ]);
  assert.deepEqual(seriesOf(found.get("http.server.active_requests")), [
    [{ "http.request.method": "POST", "url.scheme": "http" }, 0],
  ]);
  assert.equal(seriesOf(found.get("rpc.client.call.duration")).length, 2);
  assert.equal(found.get("rpc.server.call.duration"), undefined);
});

test("sizes of messages are measured when asked for, on both sides the same", async () => {
  for (const transport of ["http", "grpc"] as const) {
    const { found } = await measure(
      transport,
      async (client) => {
        await client.sayHello({ name: "a".repeat(98) });
        await drain(client.repeat({ name: "b" }));
      },
      { messageSizes: true },
    );
    for (const side of ["server", "client"] as const) {
      const sums = (name: string) =>
        (found.get(`rpc.${side}.${name}`)!.points as readonly HistogramPoint[]).map(({ sum, count }) => [sum, count]);
      // Tag, length and text.
      assert.deepEqual(sums("request.size"), [
        [100, 1],
        [3, 1],
      ]);
      assert.deepEqual(sums("response.size"), [
        [100, 1],
        [9, 3],
      ]);
    }
  }
});

test("with Kratos's names, Prometheus sees what it sees of a Go Kratos service", async () => {
  const { provider } = await measure("grpc", callAll, { names: "kratos" });
  const page = renderPrometheus(await provider.collect(), { scopeLabels: false, targetInfo: false });
  const lines = page.split("\n");
  const hello = 'kind="grpc",operation="/rpc.test.Greeter/SayHello"';
  assert.ok(lines.includes("# TYPE server_requests_code_total counter"));
  assert.ok(lines.includes(`server_requests_code_total{code="200",${hello},reason=""} 2`), page);
  assert.ok(lines.includes(`server_requests_code_total{code="404",${hello},reason="USER_NOT_FOUND"} 1`));
  assert.ok(lines.includes("# TYPE server_requests_seconds histogram"));
  assert.ok(lines.includes(`client_requests_seconds_count{${hello}} 3`));
  assert.ok(lines.includes(`client_requests_seconds_bucket{${hello},le="+Inf"} 3`));
  assert.ok(lines.includes(`server_requests_in_flight{${hello}} 0`));
});

test("bodies are measured as they cross the wire, on both sides the same", async () => {
  const { found } = await measure(
    "http",
    async (client) => {
      await client.sayHello({ name: "a".repeat(88) });
      await assert.rejects(client.sayHello({ name: "nobody" }));
      await drain(client.repeat({ name: "b" }));
    },
    { bodySizes: true },
  );
  const sizes = (name: string) =>
    (found.get(name)!.points as readonly HistogramPoint[]).map(({ sum, count }) => [sum, count] as const);
  const [served, refused] = sizes("http.server.request.body.size");
  assert.deepEqual([served![1], refused![1]], [1, 1]);
  assert.ok(served![0] > 88 + '{"name":""}'.length - 1, "the whole body");
  // "nobody" has six letters.
  assert.equal(served![0] - refused![0], 88 - 6);
  assert.deepEqual(sizes("http.client.request.body.size"), sizes("http.server.request.body.size"));
  assert.deepEqual(sizes("http.client.response.body.size"), sizes("http.server.response.body.size"));
  // The reply is the same message as the request.
  assert.deepEqual(sizes("http.server.response.body.size")[0], served);
  assert.ok(sizes("http.server.response.body.size")[1]![0] > 30);
  const series = (name: string) => seriesOf(found.get(name)).map((one) => (one as [Record<string, unknown>])[0]);
  const server = { "http.request.method": "POST", "http.route": "/rpc.test.Greeter/SayHello", "url.scheme": "http" };
  assert.deepEqual(series("http.server.request.body.size"), [
    { ...server, "http.response.status_code": 200 },
    { ...server, "http.response.status_code": 404 },
  ]);
  const [ok, failed] = series("http.client.response.body.size");
  const { "server.port": port, ...rest } = ok!;
  assert.ok(Number(port) > 0);
  const client = { "http.request.method": "POST", "server.address": "127.0.0.1" };
  assert.deepEqual(rest, { ...client, "http.response.status_code": 200 });
  assert.deepEqual(failed, {
    ...client,
    "server.port": port,
    "http.response.status_code": 404,
    "error.type": "USER_NOT_FOUND",
  });
});

for (const http2 of [false, true]) {
  test(`over HTTP/${http2 ? 2 : 1}: a compressed body is as large as it is on the wire, and a raw route's as it says`, async () => {
    await checkCompressed(http2);
  });
}

async function checkCompressed(http2: boolean): Promise<void> {
  const provider = new MeterProvider({ env: {} });
  const middleware = [metrics({ meterProvider: provider, bodySizes: true })];
  const server = new HttpServer({
    address: "127.0.0.1:0",
    middleware,
    services: [greeter],
    filters: [compression({ minBytes: 10 })],
    routes: [
      { verb: "GET", path: "/raw", handle: (_, response) => void response.setHeader("content-length", 3).end("raw") },
    ],
  });
  await server.start();
  const { host } = server.endpoint();
  const client = createGreeter(new HttpClient({ endpoint: `http://${host}`, compression: "gzip", http2 }), {
    middleware,
  });
  try {
    // Two kilobytes of one letter.
    assert.equal((await client.sayHello({ name: "a".repeat(2000) })).name?.length, 2000);
    await (await fetch(`http://${host}/raw`, { headers: { "accept-encoding": "identity" } })).text();
  } finally {
    await client[Symbol.asyncDispose]();
    await server.stop(AbortSignal.timeout(60_000));
  }
  const sums = async (name: string): Promise<Record<string, number>> => {
    const { scopes } = await provider.collect();
    const metric = scopes.flatMap((scope) => scope.metrics).find((one) => one.name === name);
    return Object.fromEntries(
      ((metric?.points ?? []) as readonly HistogramPoint[]).map(({ attributes, sum }) => [
        String(attributes[attributes.indexOf("http.route") + 1]),
        sum,
      ]),
    );
  };
  const operation = "/rpc.test.Greeter/SayHello";
  // Of a compressed response the size is known when that is over, which its caller may see first.
  const giveUpAtMs = performance.now() + 10_000;
  while ((await sums("http.server.response.body.size"))[operation] === undefined) {
    assert.ok(performance.now() < giveUpAtMs, "not within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  for (const what of ["request", "response"]) {
    const { [operation]: measured, ...others } = await sums(`http.server.${what}.body.size`);
    assert.ok(measured! > 20 && measured! < 200, `${what}: ${measured}`);
    assert.deepEqual(others, { "/raw": what === "request" ? 0 : 3 });
    const [sent] = Object.values(await sums(`http.client.${what}.body.size`));
    assert.equal(sent, measured, what);
  }
}
