// The middleware tracing() between real servers and clients: every transport, every kind of call.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { createLogger, silentLogger, traceFlags } from "@clew/log";
import { hedge, retry, type TracingOptions, tracing } from "@clew/middleware";
import {
  type Client,
  createServiceClient,
  type Middleware,
  type ServiceClient,
  ServiceError,
  service,
} from "@clew/rpc";
import { findAttribute, type SpanData, TracerProvider } from "@clew/trace";
import { createPropagator } from "@clew/trace/otel";
import { MemoryClient, MemoryServer, type Route, Server } from "@clew/transport";
import { ConnectClient } from "@clew/transport/connect";
import { GrpcClient } from "@clew/transport/grpc";
import { GrpcWebClient } from "@clew/transport/grpc-web";
import { HttpClient } from "@clew/transport/http";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import {
  InMemorySpanExporter,
  TracerProvider as OtelProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace";
import { until } from "../../http2/test/until.ts";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";

let fails = 0;

type Line = Record<string, unknown>;

/** Handlers, and the lines they log: a handler whose caller has left may still log while the next test runs. */
function createHandlers() {
  const lines: Line[] = [];
  const logger = createLogger({
    level: "info",
    destination: { write: (line) => lines.push(JSON.parse(line)) },
    pretty: false,
    fields: { trace_flags: traceFlags() },
  });

  const greeter = service(Greeter, {
    async sayHello({ name }) {
      logger.info("begins");
      if (name === "nobody") throw new ServiceError(404, "USER_NOT_FOUND", "no user");
      if (name === "crash") throw new RangeError("a secret");
      if (name === "flaky" && fails-- > 0) throw new ServiceError(503, "BUSY", "busy");
      await wait(1);
      logger.info("awaited");
      await new Promise<void>((resolve) => {
        setTimeout(() => {
          logger.info("timer");
          setImmediate(resolve);
        }, 1);
      });
      await Promise.all([wait(1), Promise.resolve()].map((each) => each.then(() => logger.info("together"))));
      return { name };
    },
    async sayAll(hellos) {
      let count = 0;
      for await (const _ of hellos) {
        logger.info("message");
        count++;
      }
      return { name: `${count}` };
    },
    async *repeat({ name }) {
      for (let count = 0; count < 3 || name === "forever"; count++) {
        logger.info("message");
        yield { name };
        if (name === "forever") await wait(1);
      }
      if (name === "nobody") throw new ServiceError(409, "TAKEN", "taken");
    },
    async *chat(hellos) {
      for await (const { name } of hellos) {
        logger.info("message");
        yield { name };
      }
    },
  });

  const routes: Route[] = [
    {
      verb: "GET",
      path: "/files/{name}",
      handle: (_request, response, { name }) => {
        logger.info("raw");
        response.statusCode = name === "none" ? 404 : name === "broken" ? 500 : 200;
        response.end();
      },
    },
  ];

  return { greeter, routes, lines };
}

/** A provider that keeps what has ended. */
function createProvider() {
  const spans: SpanData[] = [];
  const processor = {
    onStart() {},
    onEnd: (span: SpanData) => spans.push(span),
    async forceFlush() {},
    async shutdown() {},
  };
  return { spans, tracerProvider: new TracerProvider({ processor }) };
}

const clients: Readonly<Record<string, (host: string) => Client>> = {
  "HTTP/1.1": (host) => new HttpClient({ endpoint: `http://${host}`, http2: false }),
  "HTTP/2": (host) => new HttpClient({ endpoint: `http://${host}`, http2: true }),
  gRPC: (host) => new GrpcClient({ endpoint: `grpc://${host}` }),
  "gRPC-Web": (host) => new GrpcWebClient({ endpoint: `http://${host}` }),
  Connect: (host) => new ConnectClient({ endpoint: `http://${host}` }),
};
const transports = Object.keys(clients);

/** How long a call may take: no busy machine ends one by that. */
const patientMs = 60_000;

interface Ends {
  readonly greeter: ServiceClient<typeof Greeter>;
  readonly host: string;
}

/**
 * Runs `work` between a server that speaks everything and a client of this transport. Resolves with what its handlers logged; the spans
 * of calls that nobody left have all ended then.
 */
async function between(
  transport: string,
  work: (ends: Ends) => Promise<void>,
  options: TracingOptions = {},
  around: readonly Middleware[] = [],
): Promise<readonly Line[]> {
  const { greeter, routes, lines } = createHandlers();
  const trace = tracing({ propagator: createPropagator(), ...options });
  const server = new Server({
    address: "127.0.0.1:0",
    middleware: [trace],
    services: [greeter],
    routes,
    timeoutMs: patientMs,
    logger: silentLogger,
  });
  await server.start();
  const { host } = server.endpoints()[0]!;
  const client = createServiceClient(Greeter, clients[transport]!(host), {
    middleware: [...around, trace],
    timeoutMs: patientMs,
  });
  try {
    await work({ greeter: client, host });
  } finally {
    await client[Symbol.asyncDispose]();
    // Drained: a server's call may end after its client's.
    await server.stop(AbortSignal.timeout(patientMs));
  }
  return lines;
}

function attributesOf({ attributes }: { readonly attributes: readonly unknown[] }): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (let at = 0; at < attributes.length; at += 2) found[String(attributes[at])] = attributes[at + 1];
  return found;
}

function find(spans: readonly SpanData[], kind: SpanKind): SpanData {
  const found = spans.filter((span) => span.kind === kind);
  assert.equal(found.length, 1);
  return found[0]!;
}

const names = async function* (...given: string[]) {
  for (const name of given) yield { name };
};

async function drain(messages: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of messages) count++;
  return count;
}

const kinds: Readonly<Record<string, (client: ServiceClient<typeof Greeter>) => Promise<unknown>>> = {
  SayHello: (client) => client.sayHello({ name: "ann" }),
  SayAll: (client) => client.sayAll(names("a", "b")),
  Repeat: (client) => drain(client.repeat({ name: "ann" })),
  Chat: (client) => drain(client.chat(names("a", "b", "c"))),
};

// What the conventions ask of each transport's spans, beside the addresses.
const systems: Readonly<Record<string, string>> = {
  "HTTP/1.1": "http",
  "HTTP/2": "http",
  gRPC: "grpc",
  "gRPC-Web": "grpc",
  Connect: "connectrpc",
};

for (const transport of transports) {
  const isHttp = transport.startsWith("HTTP");

  for (const [method, call] of Object.entries(kinds)) {
    test(`${transport}: both spans of ${method} are one trace, with all that the conventions ask for`, async () => {
      const { spans, tracerProvider } = createProvider();
      let port = 0;
      const lines = await between(
        transport,
        async ({ greeter: client, host }) => {
          port = Number(host.split(":")[1]);
          await call(client);
        },
        { tracerProvider },
      );
      const client = find(spans, SpanKind.CLIENT);
      const server = find(spans, SpanKind.SERVER);
      assert.deepEqual([server.traceId, server.parentSpanId], [client.traceId, client.spanId]);
      assert.ok(server.isParentRemote && client.parentSpanId === "");
      assert.deepEqual([server.name, client.name], [`/rpc.test.Greeter/${method}`, `/rpc.test.Greeter/${method}`]);
      assert.deepEqual([server.statusCode, client.statusCode], [SpanStatusCode.UNSET, SpanStatusCode.UNSET]);

      const common = { "rpc.method": `rpc.test.Greeter/${method}`, "rpc.system.name": systems[transport] };
      const address = { "server.address": "127.0.0.1", "server.port": port };
      // A stream over HTTP/JSON is server-sent events, or where the caller sends one a WebSocket, which is a GET of HTTP/1.1.
      const isWebSocket = isHttp && (method === "SayAll" || method === "Chat");
      const path = `/rpc.test.Greeter/${method}`;
      const verb = { "http.request.method": isWebSocket ? "GET" : "POST" };
      const status = { "http.response.status_code": isWebSocket ? 101 : 200 };
      assert.deepEqual(attributesOf(client), {
        ...common,
        ...address,
        ...(isHttp && { ...verb, ...status, "url.full": `http://127.0.0.1:${port}${path}` }),
        "rpc.status_code": "OK",
      });
      const {
        "network.peer.port": peerPort,
        "user_agent.original": userAgent,
        ...found
      } = attributesOf(server) as Record<string, unknown>;
      assert.ok(Number(peerPort) > 0);
      assert.equal(typeof userAgent, isHttp ? "string" : "undefined");
      assert.deepEqual(found, {
        ...common,
        ...address,
        "network.peer.address": "127.0.0.1",
        "client.address": "127.0.0.1",
        ...(isHttp
          ? {
              ...verb,
              ...status,
              "http.route": path,
              "url.path": path,
              "url.scheme": "http",
              "network.protocol.version": transport === "HTTP/2" && !isWebSocket ? "2" : "1.1",
            }
          : { "rpc.status_code": "OK" }),
      });

      assert.ok(lines.length >= 2, "it logs");
      for (const line of lines) {
        assert.deepEqual([line.trace_id, line.span_id], [server.traceId, server.spanId], String(line.msg));
        assert.match(String(line.trace_flags), /^0[13]$/);
      }
    });
  }

  test(`${transport}: an error is the client's, and the server's only from 500 up`, async () => {
    for (const [name, code, reason, isServerError] of [
      ["nobody", 404, "USER_NOT_FOUND", false],
      ["crash", 500, "UNKNOWN", true],
    ] as const) {
      const { spans, tracerProvider } = createProvider();
      await between(transport, ({ greeter: client }) => assert.rejects(client.sayHello({ name }), { code }), {
        tracerProvider,
      });
      const server = find(spans, SpanKind.SERVER);
      const client = find(spans, SpanKind.CLIENT);
      for (const [span, isError] of [
        [server, isServerError],
        [client, true],
      ] as const) {
        assert.equal(span.statusCode, isError ? SpanStatusCode.ERROR : SpanStatusCode.UNSET);
        const found = attributesOf(span);
        assert.deepEqual([found["clew.code"], found["clew.reason"]], [code, reason]);
        assert.equal(found["error.type"], isError ? reason : undefined);
        if (isHttp) assert.equal(found["http.response.status_code"], code);
        if (!isHttp || span === client)
          assert.equal(found["rpc.status_code"], ["NOT_FOUND", "INTERNAL"][code === 404 ? 0 : 1]);
        assert.equal(span.events[0]?.name, "exception");
      }
      // The cause is in the trace of the server and not on the wire.
      const told = findAttribute(server.events[0]!.attributes, "exception.message");
      assert.equal(told, name === "crash" ? "a secret" : "no user");
      assert.ok(!String(findAttribute(client.events[0]!.attributes, "exception.message")).includes("secret"));
    }
  });

  test(`${transport}: a stream that breaks ends its spans with what broke it`, async () => {
    const { spans, tracerProvider } = createProvider();
    await between(
      transport,
      ({ greeter: client }) => assert.rejects(drain(client.repeat({ name: "nobody" })), { reason: "TAKEN" }),
      { tracerProvider, messageEvents: true },
    );
    const server = find(spans, SpanKind.SERVER);
    assert.deepEqual(
      [findAttribute(server.attributes, "clew.code"), findAttribute(server.attributes, "clew.reason")],
      [409, "TAKEN"],
    );
    assert.equal(find(spans, SpanKind.CLIENT).statusCode, SpanStatusCode.ERROR);
    for (const span of spans) assert.equal(span.events.filter(({ name }) => name === "rpc.message").length, 4);
  });

  test(`${transport}: a stream that its reader leaves ends its spans, and is no error of the server`, async () => {
    const { spans, tracerProvider } = createProvider();
    await between(
      transport,
      async ({ greeter: client }) => {
        for await (const _ of client.repeat({ name: "forever" })) break;
      },
      { tracerProvider },
    );
    // The generator is told once it comes to its next message, which may be when the connection is gone.
    await until(() => spans.length === 2, "both spans end");
    assert.equal(find(spans, SpanKind.SERVER).statusCode, SpanStatusCode.UNSET);
    assert.equal(find(spans, SpanKind.CLIENT).statusCode, SpanStatusCode.UNSET);
  });

  test(`${transport}: messages are events of a stream, with their size`, async () => {
    const { spans, tracerProvider } = createProvider();
    await between(
      transport,
      async ({ greeter: client }) => {
        await client.sayAll(names("a", "bcd"));
        await client.sayHello({ name: "ann" });
      },
      { tracerProvider, messageEvents: true, messageSizes: true },
    );
    const eventsOf = (span: SpanData) => span.events.map((event) => [event.name, attributesOf(event)]);
    const event = (type: string, id: number, size: number) => [
      "rpc.message",
      { "rpc.message.type": type, "rpc.message.id": id, "rpc.message.uncompressed_size": size },
    ];
    for (const span of spans) {
      const isServer = span.kind === SpanKind.SERVER;
      const isStream = span.name.endsWith("SayAll");
      const [request, response] = isServer ? ["RECEIVED", "SENT"] : ["SENT", "RECEIVED"];
      assert.deepEqual(
        eventsOf(span),
        isStream ? [event(request!, 1, 3), event(request!, 2, 5), event(response!, 1, 3)] : [],
      );
      const found = attributesOf(span);
      assert.deepEqual([found["rpc.request.size"], found["rpc.response.size"]], isStream ? [8, 3] : [5, 5]);
      if (isHttp && isServer && !isStream)
        assert.equal(found["http.request.body.size"], '{"name":"ann","count":"0"}'.length);
    }
  });

  test(`${transport}: the reply tells its trace, an error too`, async () => {
    const { spans, tracerProvider } = createProvider();
    const told: (string | undefined)[] = [];
    await between(
      transport,
      async ({ greeter: client }) => {
        const onHeaders = (headers: { get(name: string): string | undefined }) => told.push(headers.get("x-trace-id"));
        await client.sayHello({ name: "ann" }, { onHeaders });
        await assert.rejects(client.sayHello({ name: "nobody" }, { onHeaders }));
        await drain(client.repeat({ name: "ann" }, { onHeaders }));
        await client.sayAll(names("a"), { onHeaders });
      },
      { tracerProvider, traceHeader: true },
    );
    const traces = spans.filter(({ kind }) => kind === SpanKind.SERVER).map(({ traceId }) => traceId);
    assert.equal(new Set(traces).size, 4);
    assert.deepEqual(told, traces);
  });

  test(`${transport}: OpenTelemetry's own SDK makes the same spans`, async () => {
    const exporter = new InMemorySpanExporter();
    const theirs = new OtelProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] } as never);
    const { spans, tracerProvider } = createProvider();
    const call = async ({ greeter: client }: Ends) => {
      await client.sayHello({ name: "ann" });
      await assert.rejects(client.sayHello({ name: "nobody" }));
      await drain(client.chat(names("a", "b")));
    };
    const options = { messageEvents: true, messageSizes: true };
    await between(transport, call, { ...options, tracerProvider });
    await between(transport, call, { ...options, tracerProvider: theirs });
    const withoutPort = (key: string, value: unknown) =>
      key.endsWith(".port") ? 0 : typeof value === "string" ? value.replace(/:\d+\//, "/") : value;
    const outline = (attributes: Record<string, unknown>) =>
      Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, withoutPort(key, value)]));
    const ours = spans.map((span) => ({
      name: span.name,
      kind: span.kind,
      parent: spans.find(({ spanId }) => spanId === span.parentSpanId)?.name ?? "",
      status: [span.statusCode, span.statusMessage],
      attributes: outline(attributesOf(span)),
      events: span.events.map(({ name }) => name),
    }));
    const found = exporter.getFinishedSpans();
    const foreign = found.map((span: ReadableSpan) => ({
      name: span.name,
      kind: span.kind,
      parent: found.find((other) => other.spanContext().spanId === span.parentSpanContext?.spanId)?.name ?? "",
      status: [span.status.code, span.status.message ?? ""],
      attributes: outline(span.attributes),
      events: span.events.map(({ name }) => name),
    }));
    const sorted = (list: typeof ours) => list.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    const keyOf = (one: (typeof ours)[number]) => `${one.name} ${one.kind} ${one.events.length} ${one.status.join()}`;
    assert.equal(foreign.length, 6);
    assert.deepEqual(sorted(foreign), sorted(ours));
  });

  test(`${transport}: every try of a call is a span beside the others`, async () => {
    const { spans, tracerProvider } = createProvider();
    fails = 2;
    const outer = tracing({ tracerProvider, propagator: createPropagator(), spanNames: "semconv" });
    await between(
      transport,
      ({ greeter: client }) => client.sayHello({ name: "flaky" }).then(() => {}),
      { tracerProvider },
      [outer, retry({ backoffMs: 0, isIdempotent: () => true })],
    );
    const whole = spans.find(({ name }) => name === "rpc.test.Greeter/SayHello")!;
    const tries = spans.filter((span) => span.kind === SpanKind.CLIENT && span !== whole);
    assert.deepEqual(
      tries.map((span) => [span.parentSpanId === whole.spanId, attributesOf(span)["http.request.resend_count"]]),
      [
        [true, undefined],
        [true, 1],
        [true, 2],
      ],
    );
    for (const server of spans.filter(({ kind }) => kind === SpanKind.SERVER)) {
      assert.ok(tries.some(({ spanId }) => spanId === server.parentSpanId));
    }
    assert.deepEqual(
      tries.map(({ statusCode }) => statusCode),
      [SpanStatusCode.ERROR, SpanStatusCode.ERROR, SpanStatusCode.UNSET],
    );
    assert.equal(whole.statusCode, SpanStatusCode.UNSET);
  });
}

test("a hedged call's tries are spans beside each other", async () => {
  const { spans, tracerProvider } = createProvider();
  const outer = tracing({ tracerProvider, propagator: createPropagator(), spanNames: "semconv" });
  await between("gRPC", ({ greeter: client }) => client.sayHello({ name: "ann" }).then(() => {}), { tracerProvider }, [
    outer,
    hedge({ delayMs: 0, isIdempotent: () => true }),
  ]);
  const whole = spans.find(({ name }) => name === "rpc.test.Greeter/SayHello")!;
  const tries = spans.filter((span) => span.kind === SpanKind.CLIENT && span !== whole);
  assert.ok(tries.length > 1);
  for (const span of tries) assert.equal(span.parentSpanId, whole.spanId);
});

test("a raw route is a span of HTTP alone", async () => {
  const { spans, tracerProvider } = createProvider();
  const traces: (string | null)[] = [];
  const lines = await between(
    "HTTP/1.1",
    async ({ host }) => {
      for (const name of ["a?sig=1&b=2", "none", "broken"]) {
        const response = await fetch(`http://${host}/files/${name}`);
        await response.text();
        traces.push(response.headers.get("trace-id"));
      }
    },
    { tracerProvider, spanNames: "semconv", traceHeader: "Trace-Id" },
  );
  assert.deepEqual(
    spans.map((span) => {
      const found = attributesOf(span);
      return [span.name, found["url.path"], found["url.query"], found["http.response.status_code"], span.statusCode];
    }),
    [
      ["GET /files/{name}", "/files/a", "sig=REDACTED&b=2", 200, SpanStatusCode.UNSET],
      ["GET /files/{name}", "/files/none", undefined, 404, SpanStatusCode.UNSET],
      ["GET /files/{name}", "/files/broken", undefined, 500, SpanStatusCode.ERROR],
    ],
  );
  for (const span of spans) assert.ok(!Object.keys(attributesOf(span)).some((key) => key.startsWith("rpc.")));
  assert.deepEqual(
    traces,
    spans.map(({ traceId }) => traceId),
  );
  assert.deepEqual(
    lines.map((line) => line.span_id),
    spans.map(({ spanId }) => spanId),
  );
});

test("in memory: both spans of every kind of call, and every line of the handler", async () => {
  for (const [method, call] of Object.entries(kinds)) {
    const { spans, tracerProvider } = createProvider();
    const { greeter, lines } = createHandlers();
    const middleware = [tracing({ tracerProvider, propagator: createPropagator() })];
    const server = new MemoryServer({ middleware, services: [greeter] });
    await server.start();
    const client = createServiceClient(Greeter, new MemoryClient(server), { middleware });
    await call(client);
    await client[Symbol.asyncDispose]();
    await server.stop(AbortSignal.timeout(patientMs));
    const span = find(spans, SpanKind.SERVER);
    assert.equal(span.parentSpanId, find(spans, SpanKind.CLIENT).spanId);
    assert.equal(findAttribute(span.attributes, "rpc.method"), `rpc.test.Greeter/${method}`);
    assert.equal(findAttribute(span.attributes, "rpc.system.name"), "memory");
    assert.ok(lines.length >= 2, "it logs");
    for (const line of lines) assert.equal(line.span_id, span.spanId);
  }
});
