import assert from "node:assert/strict";
import type { RequestListener } from "node:http";
import { test } from "node:test";
import { type Metadata, type Middleware, ServiceError } from "@clew/rpc";
import { until } from "../../http2/test/until.ts";
import { readRequest, withBare } from "./bare-server.ts";
import { failureOf } from "./failure-of.ts";
import { freePort } from "./free-ports.ts";
import { Echo, Shelves } from "./gen/test/v1/test_pb.ts";
import { echo, shelves, withServer } from "./http-shelves.ts";
import { openClient } from "./open-client.ts";

test("an error of the server is the same error at the client", async (t) => {
  const services = [
    shelves({
      getBook: (_request, call) => {
        call.replyMetadata.set("retry-after", "3");
        throw new ServiceError(404, "BOOK_NOT_FOUND", "no book 7", {
          metadata: { id: "7" },
          cause: new Error("secret"),
        });
      },
    }),
  ];
  await withServer({ services }, async (endpoint) => {
    let replied: Metadata | undefined;
    const keep: Middleware = (next) => (call) => next(call).finally(() => (replied = call.replyMetadata));
    const client = openClient(t, Shelves, { endpoint, middleware: [keep] });
    const error = await failureOf(client.getBook({ shelf: "s", book: { id: "7" } }));
    assert.deepEqual(error.toJSON(), {
      code: 404,
      reason: "BOOK_NOT_FOUND",
      message: "no book 7",
      metadata: { id: "7" },
    });
    assert.equal(replied?.get("retry-after"), "3");
  });
});

test("reads errors of others: the HTTP status wins, and what is no error is told in short", async (t) => {
  const cases: [status: number, body: string, reason: string, message: string, metadata?: Record<string, string>][] = [
    [409, '{"code":500,"reason":"BUSY","message":"m","metadata":{"a":"b","n":1}}', "BUSY", "m", { a: "b" }],
    [401, '{"code":401,"message":"who"}', "", "who"],
    [400, '{"reason":5,"message":null,"metadata":[]}', "", ""],
    [502, "<html>bad gateway</html>", "", "<html>bad gateway</html>"],
    [503, "", "", "HTTP status 503"],
    [500, "x".repeat(1000), "", `${"x".repeat(200)}...`],
    [500, "[1]", "", "[1]"],
    [500, "null", "", "null"],
    [302, "", "", "HTTP status 302: redirects are not followed (location: )"],
  ];
  let next = 0;
  await withBare(
    (_request, response) => {
      const [status, body] = cases[next++]!;
      response.writeHead(status).end(body);
    },
    async (endpoint) => {
      const client = openClient(t, Echo, { endpoint });
      for (const [status, body, reason, message, metadata = {}] of cases) {
        assert.deepEqual(
          (await failureOf(client.unary({}))).toJSON(),
          { code: status, reason, message, metadata },
          body,
        );
      }
    },
  );
});

test("a reply that is no message is 502 CODEC, one over the limit 502 BODY_TOO_LARGE, an empty one the empty message", async (t) => {
  const bodies = ["{", '{"text":1}', "", `{"text":"${"x".repeat(2000)}"}`];
  await withBare(
    (_request, response) => void response.end(bodies.shift()),
    async (endpoint) => {
      const client = openClient(t, Echo, { endpoint, http: { bodyLimitBytes: 1000 } });
      for (const reason of ["CODEC", "CODEC"]) {
        const error = await failureOf(client.unary({}));
        assert.deepEqual([error.code, error.reason], [502, reason]);
      }
      assert.equal((await client.unary({})).text, "");
      const error = await failureOf(client.unary({}));
      assert.deepEqual([error.code, error.reason], [502, "BODY_TOO_LARGE"]);
    },
  );
});

test("a server that is not there is 503 UNAVAILABLE, with the network's error as the cause", async (t) => {
  const port = await freePort();
  const client = openClient(t, Echo, { endpoint: `http://127.0.0.1:${port}` });
  const error = await failureOf(client.unary({}));
  assert.deepEqual([error.code, error.reason], [503, "UNAVAILABLE"]);
  assert.match(error.message, new RegExp(`^/test.v1.Echo/Unary: cannot reach 127\\.0\\.0\\.1:${port}: .*ECONNREFUSED`));
  assert.equal((error.cause as { code: string }).code, "ECONNREFUSED");
});

test("a connection that breaks before the reply is whole is 503 UNAVAILABLE", async (t) => {
  await withBare(
    (_request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write('{"text":');
      setImmediate(() => response.destroy());
    },
    async (endpoint) => {
      const client = openClient(t, Echo, { endpoint });
      assert.equal((await failureOf(client.unary({}))).reason, "UNAVAILABLE");
    },
  );
});

test("a deadline ends the call with 504 and aborts the request, wherever it is", async (t) => {
  let arrived = 0;
  let closed = 0;
  const hangs: Record<string, RequestListener> = {
    "before the headers": () => {},
    "in the body": (_request, response) => void response.write('{"text":'),
  };
  for (const [where, hang] of Object.entries(hangs)) {
    arrived = closed = 0;
    await withBare(
      (request, response) => {
        arrived++;
        request.on("close", () => closed++);
        hang(request, response);
      },
      async (endpoint) => {
        const client = openClient(t, Echo, { endpoint });
        // It may pass before there is a connection: then one that is later has to show it.
        for (let timeoutMs = 50; arrived === 0; timeoutMs *= 2) {
          const error = await failureOf(client.unary({}, { timeoutMs }));
          assert.deepEqual([error.code, error.reason], [504, "GATEWAY_TIMEOUT"], where);
        }
        await until(() => closed === arrived, "the request is aborted");
      },
    );
  }
});

test("a signal cancels the call, also one that waits for a connection", async (t) => {
  const asked: string[] = [];
  await withBare(
    (request) =>
      void readRequest(request).then(([, , body]) => asked.push((JSON.parse(body) as { text: string }).text)),
    async (endpoint) => {
      const client = openClient(t, Echo, { endpoint, http: { connections: 1 } });
      const first = new AbortController();
      const second = new AbortController();
      const one = failureOf(client.unary({ text: "first" }, { signal: first.signal }));
      const two = failureOf(client.unary({ text: "second" }, { signal: second.signal }));
      await until(() => asked.length === 1, "the first request arrives");
      second.abort();
      assert.equal((await two).code, 499);
      first.abort();
      assert.equal((await one).code, 499);
      // The connection is free for the next, and what was given up is not sent before it.
      const third = new AbortController();
      const three = failureOf(client.unary({ text: "third" }, { signal: third.signal }));
      await until(() => asked.length === 2, "the third request arrives");
      third.abort();
      await three;
      assert.deepEqual(asked, ["first", "third"]);
    },
  );
});

test("a call made inside of a call inherits its deadline and its end", async (t) => {
  let arrived = 0;
  const seen: unknown[] = [];
  const inner = echo((_request, call) => {
    arrived++;
    call.onCancel((reason) => seen.push(reason.code));
    return new Promise(() => {});
  });
  await withServer({ services: [inner], timeoutMs: 0 }, async (innerUrl) => {
    const toInner = openClient(t, Echo, { endpoint: innerUrl, timeoutMs: 60_000 });
    const outer = echo(async (request) => {
      await null;
      return toInner.unary(request);
    });
    // A deadline may pass before the inner call has arrived: then one that is later has to show it.
    for (let timeoutMs = 50; arrived === 0; timeoutMs *= 2) {
      await withServer({ services: [outer], timeoutMs }, async (outerUrl) => {
        const toOuter = openClient(t, Echo, { endpoint: outerUrl });
        assert.equal((await failureOf(toOuter.unary({}))).code, 504);
      });
    }
    await until(() => seen.length === arrived, "the inner call ends");
    assert.deepEqual(new Set(seen), new Set([499]));
  });
});
