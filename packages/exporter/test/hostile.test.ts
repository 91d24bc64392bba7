// Collectors that answer what no collector should. Whatever it is, an export settles, nothing is thrown into the app, no span is
// counted twice or lost, and memory stays where it was.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { after, afterEach, before, test } from "node:test";
import { OtlpExporter, type OtlpProtocol, ZipkinExporter } from "@clew/exporter";
import { BatchProcessor, createResource, type ExportResult, type SpanExporter, TracerProvider } from "@clew/trace";
import { encodePartialSuccess } from "@clew/trace/otel";
import { until } from "../../http2/test/until.ts";
import { cleanUps } from "./clean-up.ts";
import { makeSpans } from "./make-spans.ts";

const unhandled: unknown[] = [];
const keep = (error: unknown): void => void unhandled.push(error);
before(() => {
  process.on("unhandledRejection", keep);
  process.on("uncaughtException", keep);
});
after(() => {
  process.off("unhandledRejection", keep);
  process.off("uncaughtException", keep);
});

afterEach(() => assert.deepEqual(unhandled.splice(0), []));

/** What a server does with a connection, once something was said on it. */
type Behaviour = (socket: Socket) => void;

interface Server {
  readonly port: number;
  readonly sockets: Set<Socket>;
}

async function serve(behave: Behaviour, isAtOnce = false): Promise<Server> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.resume();
    if (isAtOnce) behave(socket);
    else socket.once("data", () => behave(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUps.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

interface Counted extends SpanExporter {
  stats(): { exported: number; rejected: number; failed: number };
}

/** Writes a piece again and again, as fast as it is taken. */
function endlessly(socket: Socket, piece: string | Buffer): void {
  const write = (): void => {
    if (socket.destroyed) return;
    if (socket.write(piece)) setImmediate(write);
    else socket.once("drain", write);
  };
  write();
}

function slowly(socket: Socket, text: string): void {
  let at = 0;
  const timer = setInterval(() => {
    if (socket.destroyed || at === text.length) clearInterval(timer);
    else socket.write(text[at++]!);
  }, 20);
}

const ok = "HTTP/1.1 200 OK\r\n";
const reply = (head: string, body: string | Buffer = ""): Buffer =>
  Buffer.concat([Buffer.from(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n`), Buffer.from(body)]);

type Outcome = ExportResult["outcome"];

const http: Readonly<Record<string, readonly [behave: Behaviour, outcome: Outcome]>> = {
  "closes at once": [(socket) => socket.end(), "unavailable"],
  "resets at once": [(socket) => socket.resetAndDestroy(), "unavailable"],
  garbage: [(socket) => socket.end(Buffer.from("\0\x01\xff\xfegarbage\r\n\r\n", "latin1")), "unavailable"],
  "endless garbage": [(socket) => endlessly(socket, Buffer.alloc(65_536, 0xff)), "unavailable"],
  "a head without end": [
    (socket) => {
      socket.write(ok);
      endlessly(socket, `x-a: ${"b".repeat(1000)}\r\n`);
    },
    "unavailable",
  ],
  "a head byte by byte": [(socket) => slowly(socket, `${ok}x-a: ${"b".repeat(1000)}`), "unavailable"],
  "a body without end": [
    (socket) => {
      socket.write(`${ok}transfer-encoding: chunked\r\n\r\n`);
      endlessly(socket, Buffer.from(`10000\r\n${"x".repeat(65_536)}\r\n`));
    },
    "exported",
  ],
  "a body that stops": [(socket) => socket.write(`${ok}content-length: 100\r\n\r\nhalf`), "unavailable"],
  "a reset within the body": [
    (socket) =>
      socket.write(`${ok}content-length: 100\r\n\r\nhalf`, () => setTimeout(() => socket.resetAndDestroy(), 5)),
    "unavailable",
  ],
  "a body that is no protobuf": [(socket) => socket.write(reply(ok, Buffer.alloc(5000, 0xff))), "exported"],
  "a body of JSON that is none": [
    (socket) => socket.write(reply(`${ok}content-type: application/json\r\n`, '{"partialSuccess":[[[{')),
    "exported",
  ],
  "gzip that is none": [(socket) => socket.write(reply(`${ok}content-encoding: gzip\r\n`, "no gzip")), "exported"],
  "hundreds of 1xx": [
    (socket) => {
      socket.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n".repeat(200));
      socket.write(reply(ok));
    },
    "exported",
  ],
  "1xx without end": [(socket) => slowly(socket, "HTTP/1.1 102 Processing\r\n\r\n".repeat(1000)), "unavailable"],
  "a protocol nobody asked for": [
    (socket) => socket.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
    "unavailable",
  ],
  "two replies to one request": [(socket) => socket.write(Buffer.concat([reply(ok), reply(ok)])), "exported"],
  "a Retry-After of a thousand years": [
    (socket) => socket.write(reply("HTTP/1.1 503 No\r\nretry-after: 99999999999999\r\n")),
    "unavailable",
  ],
  "a Retry-After of thirty years": [
    (socket) => socket.write(reply("HTTP/1.1 503 No\r\nretry-after: 999999999\r\n")),
    "unavailable",
  ],
  "a Retry-After that is none": [
    (socket) => socket.write(reply("HTTP/1.1 429 No\r\nretry-after: -1e9, soon\r\n")),
    "unavailable",
  ],
  "an unknown status": [(socket) => socket.write(reply("HTTP/1.1 999 What\r\n", "?".repeat(100_000))), "failed"],
};

/** How long a reply is waited for: where none is to come, not for long, and where one is, as long as a busy machine takes. */
const timeoutFor = (expected: Outcome): number => (expected === "unavailable" ? 250 : 30_000);

function exporters(port: number, timeoutMs: number): Counted[] {
  const common = {
    env: {},
    timeoutMs,
    retry: { initialMs: 5, maxMs: 10, limitMs: 30 },
  };
  const endpoint = `http://127.0.0.1:${port}`;
  return [
    ...(["http/protobuf", "http/json"] as OtlpProtocol[]).map(
      (protocol) => new OtlpExporter({ ...common, endpoint, protocol }),
    ),
    new ZipkinExporter({ ...common, endpoint }),
  ];
}

for (const [name, [behave, expected]] of Object.entries(http)) {
  test(`over HTTP: ${name}`, async () => {
    const { port } = await serve(behave);
    const memory = process.memoryUsage().rss;
    for (const exporter of exporters(port, timeoutFor(expected))) {
      cleanUps.push(() => exporter.shutdown());
      const { outcome, error, retryAfterMs = 0 } = await exporter.export(makeSpans(10));
      assert.equal(outcome, expected, error?.message);
      assert.ok(retryAfterMs <= 3_600_000, `${retryAfterMs}`);
      assert.ok((error?.message.length ?? 0) < 500);
      const { exported, rejected, failed } = exporter.stats();
      assert.deepEqual([exported + rejected, failed], [outcome === "exported" ? 10 : 0, outcome === "failed" ? 10 : 0]);
    }
    assert.ok(process.memoryUsage().rss - memory < 100 * 1024 * 1024);
  });
}

test("over HTTP: a redirect is not followed, and no key goes elsewhere", async () => {
  const elsewhere = await serve((socket) => socket.end(reply(ok)));
  let visits = 0;
  const { port } = await serve((socket) => {
    visits++;
    socket.write(reply(`HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:${elsewhere.port}/v1/traces\r\n`));
  });
  const exporter = new OtlpExporter({ endpoint: `http://127.0.0.1:${port}`, headers: { "x-key": "secret" }, env: {} });
  cleanUps.push(() => exporter.shutdown());
  assert.equal((await exporter.export(makeSpans())).outcome, "failed");
  assert.deepEqual([visits, elsewhere.sockets.size], [1, 0]);
});

test("a collector that says it rejected more than it got, or less than nothing, does not upset the count", async () => {
  for (const rejectedSpans of [1e15, -5]) {
    const body = encodePartialSuccess({ rejectedSpans, message: "m".repeat(50_000) });
    const { port } = await serve((socket) => socket.write(reply(ok, body)));
    const [exporter] = exporters(port, timeoutFor("exported")) as [Counted];
    cleanUps.push(() => exporter.shutdown());
    await exporter.export(makeSpans(10));
    const { exported, rejected } = exporter.stats();
    assert.equal(exported + rejected, 10);
    assert.ok(exported >= 0 && rejected >= 0, `${exported} ${rejected}`);
  }
});

// Frames of HTTP/2 (RFC 9113 section 4.1), and of HPACK literals without indexing.
function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
function fields(...pairs: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  return Buffer.concat([
    Buffer.from([0x88]),
    ...pairs.map(([name, value]) => Buffer.concat([Buffer.from([0]), text(name), text(value)])),
  ]);
}
const settings = Buffer.concat([frame(4, 0, 0), frame(4, 1, 0)]);
const contentType = ["content-type", "application/grpc"] as const;
const trailersOnly = (status: string): Buffer => frame(1, 5, 1, fields(contentType, ["grpc-status", status]));
const goAway = (lastStream: number, code: number): Buffer => {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(lastStream, 0);
  payload.writeUInt32BE(code, 4);
  return frame(7, 0, 0, payload);
};
const say =
  (...frames: readonly Buffer[]): Behaviour =>
  (socket) =>
    void socket.write(Buffer.concat([settings, ...frames]));

const grpc: Readonly<Record<string, readonly [behave: Behaviour, outcome: Outcome]>> = {
  "closes at once": [(socket) => socket.end(), "unavailable"],
  "resets at once": [(socket) => socket.resetAndDestroy(), "unavailable"],
  "HTTP/1.1": [(socket) => socket.end(reply("HTTP/1.1 400 Bad Request\r\n")), "unavailable"],
  "endless garbage": [(socket) => endlessly(socket, Buffer.alloc(65_536, 0xff)), "unavailable"],
  "says nothing": [() => {}, "unavailable"],
  "settings, then nothing": [say(), "unavailable"],
  "GOAWAY before the call was seen": [say(goAway(0, 0)), "unavailable"],
  "GOAWAY, calm down": [say(goAway(0, 11)), "unavailable"],
  "the stream is reset": [say(frame(3, 0, 1, Buffer.from([0, 0, 0, 2]))), "failed"],
  "trailers only: UNAVAILABLE": [say(trailersOnly("14")), "unavailable"],
  "trailers only: RESOURCE_EXHAUSTED without RetryInfo": [say(trailersOnly("8")), "failed"],
  "trailers only: INVALID_ARGUMENT": [say(trailersOnly("3")), "failed"],
  "trailers only: a status that is none": [say(trailersOnly("soon")), "failed"],
  "trailers only: a status of another planet": [say(trailersOnly("4242")), "failed"],
  "OK without a message": [say(trailersOnly("0")), "failed"],
  "a message that claims to be of 4 GiB": [
    say(frame(1, 4, 1, fields(contentType)), frame(0, 0, 1, Buffer.from([0, 0xff, 0xff, 0xff, 0xff]))),
    "failed",
  ],
  "DATA without end": [
    (socket) => {
      say(frame(1, 4, 1, fields(contentType)), frame(0, 0, 1, Buffer.from([0, 0, 0x3f, 0xff, 0xff])))(socket);
      endlessly(socket, frame(0, 0, 1, Buffer.alloc(16_384)));
    },
    "failed",
  ],
  "a web page": [
    say(frame(1, 4, 1, fields(["content-type", "text/html"])), frame(0, 1, 1, Buffer.from("<html>"))),
    "failed",
  ],
  "PING without end": [
    (socket) => {
      say()(socket);
      endlessly(socket, frame(6, 0, 0, Buffer.alloc(8)));
    },
    "unavailable",
  ],
};

for (const [name, [behave, expected]] of Object.entries(grpc)) {
  test(`over gRPC: ${name}`, async () => {
    const { port } = await serve(behave);
    const memory = process.memoryUsage().rss;
    const exporter = new OtlpExporter({
      endpoint: `grpc://127.0.0.1:${port}`,
      env: {},
      timeoutMs: timeoutFor(expected),
      retry: { initialMs: 5, maxMs: 10, limitMs: 30 },
    });
    cleanUps.push(() => exporter.shutdown());
    const { outcome, error } = await exporter.export(makeSpans(10));
    assert.equal(outcome, expected, error?.message);
    const { exported, failed } = exporter.stats();
    assert.deepEqual([exported, failed], [outcome === "exported" ? 10 : 0, outcome === "failed" ? 10 : 0]);
    assert.ok(process.memoryUsage().rss - memory < 100 * 1024 * 1024);
  });
}

test("all of them after another: every span is accounted for, and the app's work is done", async () => {
  // Who asks for years is left alone for an hour.
  const behaviours = Object.entries(http)
    .filter(([name]) => !name.includes("Retry-After"))
    .map(([, [behave]]) => behave);
  let count = 0;
  const { port } = await serve((socket) => behaviours[count++ % behaviours.length]!(socket));
  const exporter = exporters(port, 250)[0]!;
  const processor = new BatchProcessor(exporter, {
    batchSize: 10,
    capacity: 100,
    delayMs: 1,
    env: {},
    shutdownTimeoutMs: 100,
  });
  const provider = new TracerProvider({ processor, resource: createResource({ env: {} }), env: {} });
  const tracer = provider.getTracer("test");
  while (count < 2 * behaviours.length) {
    for (let index = 0; index < 20; index++) tracer.startSpan("work").end();
    const before = count;
    await until(() => count > before, "the next behaviour");
  }
  await provider.shutdown();
  const { started, exported, rejected, dropped, failed, waiting } = processor.stats();
  assert.equal(exported + rejected + dropped + failed + waiting, started);
  assert.equal(waiting, 0);
});
