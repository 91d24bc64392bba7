import assert from "node:assert/strict";
import { test } from "node:test";
import { service } from "@clew/rpc";
import { HttpServer, type RawHandler, type Route } from "@clew/transport/http";
import { until } from "../../http2/test/until.ts";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { echo, RawConnection, shelves } from "./http-shelves.ts";

test("has an endpoint once started, and starts once", async () => {
  const server = new HttpServer({ address: "127.0.0.1:0" });
  assert.throws(() => server.endpoint(), { code: "CLEW_TRANSPORT_NOT_STARTED" });
  await server.stop(AbortSignal.timeout(1000));
  await server.start();
  assert.match(server.endpoint().href, /^http:\/\/127\.0\.0\.1:\d+\/$/);
  await assert.rejects(server.start(), { code: "CLEW_TRANSPORT_STARTED" });
  const { port } = server.endpoint();
  await assert.rejects(new HttpServer({ address: `127.0.0.1:${port}` }).start(), {
    code: "CLEW_TRANSPORT_ADDRESS_IN_USE",
    message: new RegExp(`127\\.0\\.0\\.1:${port}`),
  });
  await server.stop(AbortSignal.timeout(1000));
  await server.stop(AbortSignal.timeout(1000));
});

test("refuses options that cannot work, and services or routes in each other's way", () => {
  assert.throws(() => new HttpServer({ address: "8000" }), { code: "CLEW_TRANSPORT_ADDRESS" });
  assert.throws(() => new HttpServer({ timeoutMs: -1 }), { code: "CLEW_TRANSPORT_OPTION", message: /timeoutMs is -1/ });
  assert.throws(() => new HttpServer({ timeoutMs: 2 ** 31 }), {
    code: "CLEW_TRANSPORT_OPTION",
    message: /0 to 2147483647/,
  });
  assert.throws(() => new HttpServer({ bodyLimitBytes: Number.NaN }), { code: "CLEW_TRANSPORT_OPTION" });
  assert.throws(() => new HttpServer({ codecs: [] }), { code: "CLEW_TRANSPORT_OPTION" });
  assert.throws(() => new HttpServer({ services: [echo(), service(Echo, {} as never)] }), { code: /./ });
  assert.throws(() => new HttpServer({ services: [echo(), echo()] }), {
    code: "CLEW_TRANSPORT_SERVICE_CONFLICT",
    message: /test.v1.Echo\/Unary/,
  });
  const route = { verb: "GET", path: "/v1/books/{any}", handle: () => {} };
  assert.throws(() => new HttpServer({ services: [shelves()], routes: [route] }), {
    code: "CLEW_TRANSPORT_ROUTE_CONFLICT",
    message: /used by both route GET \/v1\/books\/\{any\} and \/test.v1.Shelves\/GetBook/,
  });
});

test("stop lets an open call end, refuses new connections and ends kept ones", async () => {
  let release: (() => void) | undefined;
  const services = [shelves({ getBook: () => new Promise((resolve) => (release = () => resolve({ id: "late" }))) })];
  const server = new HttpServer({ address: "127.0.0.1:0", services, timeoutMs: 0 });
  await server.start();
  const url = server.endpoint().href;
  const idle = new RawConnection(url).send("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
  await idle.until(/NOT_FOUND.*\}$/s);
  const fresh = new RawConnection(url);
  await until(() => fresh.socket.readyState === "open", "the fresh connection opens");
  const busy = new RawConnection(url).send("GET /v1/books/b HTTP/1.1\r\nHost: a\r\n\r\n");
  await until(() => release !== undefined, "the call arrives");

  let isStopped = false;
  const stopped = server.stop(AbortSignal.timeout(10_000)).then(() => (isStopped = true));
  await idle.closed();
  await fresh.closed();
  await assert.rejects(fetch(url));
  assert.equal(isStopped, false);
  release!();
  const reply = await busy.closed();
  assert.match(reply, /^HTTP\/1.1 200 .*connection: close\r\n.*"id":"late"/is);
  await stopped;
});

test("stop does not wait for the keep-alive of a connection whose reply had begun", async () => {
  let finish: (() => void) | undefined;
  const handle: RawHandler = (_request, response) => {
    response.write("begun");
    finish = () => response.end();
  };
  const server = new HttpServer({ address: "127.0.0.1:0", routes: [{ verb: "GET", path: "/slow", handle }] });
  await server.start();
  const connection = new RawConnection(server.endpoint().href).send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  await connection.until(/begun/);
  const stopped = server.stop(new AbortController().signal);
  finish!();
  await stopped;
  assert.match(await connection.closed(), /0\r\n\r\n$/);
});

test("stop cuts off what is open when its signal aborts, and cancels it", async () => {
  const reasons: unknown[] = [];
  let hasArrived = false;
  const services = [
    shelves({
      getBook: (_request, call) => {
        hasArrived = true;
        call.onCancel((reason) => reasons.push(reason.code));
        return new Promise(() => {});
      },
    }),
  ];
  const routes: Route[] = [{ verb: "GET", path: "/forever", handle: (_request, response) => void response.write("x") }];
  const server = new HttpServer({ address: "127.0.0.1:0", services, routes, timeoutMs: 0 });
  await server.start();
  const url = server.endpoint().href;
  const call = new RawConnection(url).send("GET /v1/books/b HTTP/1.1\r\nHost: a\r\n\r\n");
  const raw = new RawConnection(url).send("GET /forever HTTP/1.1\r\nHost: a\r\n\r\n");
  await raw.until(/x\r\n$/);
  await until(() => hasArrived, "the call arrives");
  const cut = new AbortController();
  const stopped = server.stop(cut.signal);
  cut.abort();
  await stopped;
  assert.equal(await call.closed(), "");
  await raw.closed();
  // Our end may hear of its closed connection after the other end.
  await until(() => reasons.length > 0, "the call is cancelled");
  assert.deepEqual(reasons, [499]);
});
