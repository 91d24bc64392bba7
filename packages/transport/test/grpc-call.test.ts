import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createLogger } from "@clew/log";
import { type Call, currentCall, jsonCodec, type Middleware, remainingMs, service } from "@clew/rpc";
import type { CallAnnouncement } from "@clew/transport";
import { failureOf } from "./failure-of.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { collect, connectTo, createEchoClient, echoImplementation, startServer, texts } from "./grpc-echo.ts";
import { hearCalls } from "./hear-calls.ts";

describe("a gRPC call", () => {
  it("runs the chain once, on headers, and tells of every message that passes, on both sides", async () => {
    const seen: string[] = [];
    const watch: Middleware = (next) => async (call) => {
      seen.push(`${call.side} begins ${call.operation}`);
      call.onMessage((direction) => seen.push(`${call.side} ${direction}`));
      return next(call);
    };
    const server = await startServer({ middleware: [watch] });
    const client = createEchoClient(connectTo(server));
    await client.unary({});
    assert.deepEqual(seen.splice(0), ["server begins /test.v1.Echo/Unary", "server received", "server sent"]);
    await collect(client.bidiStream(texts("a", "b")));
    assert.deepEqual(seen.splice(0).sort(), [
      "server begins /test.v1.Echo/BidiStream",
      "server received",
      "server received",
      "server sent",
      "server sent",
      "server sent",
    ]);
  });

  it("knows its peer, transport and metadata, and is the current call", async () => {
    let given: Call | undefined;
    const knowing = service(Echo, {
      ...echoImplementation,
      unary(_request, call) {
        given = currentCall();
        assert.equal(given, call);
        return {};
      },
      async *serverStream(_request, call) {
        yield {};
        // A generator goes on later, and still in its own context.
        assert.equal(currentCall(), call);
        yield {};
      },
    });
    const server = await startServer({ services: [knowing] });
    const client = createEchoClient(connectTo(server));
    await client.unary({}, { metadata: { "X-Md-Global-User": "ann" } });
    assert.equal(given?.transport, "grpc");
    assert.match(given.peer.address, /^127\.0\.0\.1:\d+$/);
    assert.equal(given.metadata.get("x-md-global-user"), "ann");
    assert.equal(given.metadata.get("grpc-timeout"), undefined);
    assert.equal((await collect(client.serverStream({}))).length, 2);
  });

  it("made inside another inherits its deadline, and its end", async () => {
    const inner = await startServer({ timeoutMs: 0 });
    const innerClient = createEchoClient(connectTo(inner));
    let leftMs: number | undefined;
    const asking = service(Echo, {
      ...echoImplementation,
      async unary(_request, call) {
        leftMs = remainingMs(call.deadline!);
        return innerClient.unary({ text: "wait" }, { timeoutMs: 60_000 });
      },
    });
    const outer = await startServer({ services: [asking], timeoutMs: 100 });
    const client = createEchoClient(connectTo(outer));
    assert.equal((await failureOf(client.unary({}, { timeoutMs: 5000 }))).code, 504);
    assert.ok(leftMs !== undefined && leftMs <= 100);
    // Or what was asked of it could begin in the next test.
    await inner.stop(AbortSignal.abort());
  });

  it("is announced when it begins and when it is over, with its error", async () => {
    const seen: string[] = [];
    const listen = ({ stage, call, error }: CallAnnouncement): void => {
      seen.push(`${call.side} ${stage} ${error?.code ?? ""}`.trim());
    };
    const server = await startServer();
    const client = createEchoClient(connectTo(server));
    await hearCalls(["server", "client"], listen, async () => {
      await client.unary({});
      await failureOf(client.unary({ text: "fail" }));
      await collect(client.serverStream({ count: 2 }));
    });
    const ok = ["client begin", "client end", "server begin", "server end"];
    assert.deepEqual(
      seen.sort(),
      [...ok, ...ok, "client begin", "client end 404", "server begin", "server end 404"].sort(),
    );
  });

  it("that fails by mistake tells the caller nothing, and the log everything", async () => {
    const lines: string[] = [];
    const logger = createLogger({ destination: { write: (line) => lines.push(line) }, pretty: false });
    const server = await startServer({ logger });
    const client = createEchoClient(connectTo(server));
    assert.doesNotMatch(JSON.stringify(await failureOf(client.unary({ text: "crash" }))), /secret/);
    await failureOf(client.unary({ text: "fail" }));
    const failures = lines.filter((line) => line.includes("failed"));
    assert.equal(failures.length, 1);
    assert.match(failures[0]!, /Echo\/Unary failed.*secret|secret.*Echo\/Unary failed/);
  });

  it("may be written as JSON", async () => {
    const server = await startServer();
    const client = createEchoClient(connectTo(server, { codec: jsonCodec }));
    assert.equal((await client.unary({ text: "hi" })).text, "hi");
    assert.equal((await collect(client.bidiStream(texts("a")))).length, 2);
  });

  it("is compressed both ways when both want it", async () => {
    const payload = Buffer.alloc(50_000, "abc");
    const server = await startServer({ compression: "gzip" });
    const client = createEchoClient(connectTo(server, { compression: "gzip" }));
    let encoding: string | undefined;
    const reply = await client.unary({ payload }, { onHeaders: (headers) => (encoding = headers.get("x-none")) });
    assert.ok(payload.equals(reply.payload));
    assert.equal(encoding, undefined);
    assert.equal((await collect(client.serverStream({ count: 3, payload }))).length, 3);
  });
});

it("an idle client does not keep its process alive", async () => {
  const server = await startServer();
  const script = `
    import { createServiceClient } from "@clew/rpc";
    import { GrpcClient } from "@clew/transport/grpc";
    import { Echo } from "./test/gen/test/v1/test_pb.ts";
    const client = createServiceClient(Echo, new GrpcClient({ endpoint: "${server.endpoint().href}" }));
    console.log((await client.unary({ text: "done" })).text);
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    timeout: 120_000,
  });
  assert.equal(stdout, "done\n");
});
