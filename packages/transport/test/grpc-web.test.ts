// gRPC-Web as it is on the wire (PROTOCOL-WEB.md), and what clients of the web make of servers that are not ours.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { test } from "node:test";
import { createServiceClient, type ServiceError } from "@clew/rpc";
import { Server, type ServerOptions } from "@clew/transport";
import { ConnectClient } from "@clew/transport/connect";
import { GrpcWebClient } from "@clew/transport/grpc-web";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { echo } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";

async function withServer(options: ServerOptions, use: (endpoint: URL) => Promise<void>): Promise<void> {
  const server = new Server({ address: "127.0.0.1:0", services: [echo], timeoutMs: patientMs, ...options });
  await server.start();
  try {
    await use(server.endpoint());
  } finally {
    await server.stop(AbortSignal.abort());
  }
}

function post(
  endpoint: URL,
  path: string,
  body: string | Uint8Array | ReadableStream,
  contentType: string,
  headers = {},
): Promise<Response> {
  const init = { method: "POST", body, headers: { "content-type": contentType, ...headers }, duplex: "half" };
  return fetch(new URL(path, endpoint), init as RequestInit);
}

function frame(text: string, flags = 0): Buffer {
  const head = Buffer.from([flags, 0, 0, 0, 0]);
  head.writeUInt32BE(Buffer.byteLength(text), 1);
  return Buffer.concat([head, Buffer.from(text)]);
}

const binary = "application/grpc-web+json";
const text = "application/grpc-web-text+json";
const unary = "/test.v1.Echo/Unary";

test("the trailers are the last frame of the body", async () => {
  await withServer({}, async (endpoint) => {
    const headers = { "x-echo-a": "b", "x-trail-c": "d" };
    const reply = await post(endpoint, unary, frame('{"text":"hi"}'), binary, headers);
    assert.equal(reply.status, 200);
    assert.equal(reply.headers.get("content-type"), binary);
    assert.equal(reply.headers.get("x-echo-a"), "b");
    const message = frame('{"text":"hi","count":0,"payload":""}');
    const trailers = frame("grpc-status: 0\r\nx-trail-c: d\r\n", 0x80);
    assert.deepEqual(Buffer.from(await reply.arrayBuffer()), Buffer.concat([message, trailers]));
  });
});

test("an error that comes first is in the body as well, where a page can read it", async () => {
  await withServer({}, async (endpoint) => {
    for (const [path, status] of [
      [unary, 5],
      ["/test.v1.Echo/Nothing", 12],
    ] as const) {
      const reply = await post(endpoint, path, frame('{"text":"fail"}'), binary);
      assert.equal(reply.headers.get("grpc-status"), null);
      const body = Buffer.from(await reply.arrayBuffer());
      assert.equal(body[0], 0x80);
      assert.match(body.toString("utf8", 5), new RegExp(`^grpc-status: ${status}\r\ngrpc-message: `));
    }
  });
});

test("a body may be base64, in pieces and with padding anywhere", async () => {
  await withServer({}, async (endpoint) => {
    const request = [frame('{"text":"a"}'), frame('{"text":"bc"}'), frame('{"text":"def"}')];
    const encoded = request.map((one) => one.toString("base64")).join("");
    for (const size of [1, 7, encoded.length]) {
      const body = new ReadableStream({
        start(controller) {
          for (let at = 0; at < encoded.length; at += size)
            controller.enqueue(Buffer.from(encoded.slice(at, at + size)));
          controller.close();
        },
      });
      const reply = await post(endpoint, "/test.v1.Echo/ClientStream", body, text);
      assert.equal(reply.headers.get("content-type"), text);
      const parts = (await reply.text()).match(/[^=]+=*/g)!.map((part) => Buffer.from(part, "base64"));
      const message = frame('{"text":"a,bc,def","count":3,"payload":""}');
      assert.deepEqual(Buffer.concat(parts), Buffer.concat([message, frame("grpc-status: 0\r\n", 0x80)]));
    }
  });
});

test("a body that is no base64 ends its call and the connection", async () => {
  await withServer({}, async (endpoint) => {
    await assert.rejects(post(endpoint, unary, "***", text));
    assert.equal((await post(endpoint, unary, frame("{}"), binary)).status, 200);
  });
});

test("what is no gRPC-Web gets an answer of HTTP", async () => {
  await withServer({}, async (endpoint) => {
    for (const type of ["application/grpc-web+xml", "application/grpc-web-text+xml"]) {
      const reply = await post(endpoint, unary, frame("{}"), type);
      assert.equal(reply.status, 415);
      const works = "application/grpc-web+proto, application/grpc-web+json";
      assert.equal(reply.headers.get("accept-post"), works);
      assert.equal(await reply.text(), `this server has no codec "xml"; ${works} would work`);
    }
    const get = await fetch(new URL(unary, endpoint), { headers: { "content-type": binary } });
    assert.equal(get.status, 405);
  });
});

test("a caller that waits for 100 before it sends its body is told to go on", async () => {
  await withServer({}, async (endpoint) => {
    const socket = connect(Number(endpoint.port), "127.0.0.1");
    const body = frame('{"text":"hi"}');
    socket.write(
      `POST ${unary} HTTP/1.1\r\nhost: a\r\ncontent-type: ${binary}\r\ncontent-length: ${body.length}\r\nexpect: 100-continue\r\n\r\n`,
    );
    const [first] = (await once(socket, "data")) as [Buffer];
    assert.match(String(first), /^HTTP\/1.1 100 /);
    socket.write(body);
    const [second] = (await once(socket, "data")) as [Buffer];
    assert.match(String(second), /^HTTP\/1.1 200 /);
    socket.destroy();
  });
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** What each client makes of a server's answer to one call. */
async function outcomeOf(
  Client: typeof ConnectClient | typeof GrpcWebClient,
  answer: Answer,
  path = "",
): Promise<unknown> {
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => answer(request, response));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = createServiceClient(Echo, new Client({ endpoint: `http://127.0.0.1:${port}${path}` }), {
    timeoutMs: patientMs,
  });
  try {
    return (await client.unary({ text: "a" })).text;
  } catch (error) {
    const { code, reason } = error as ServiceError;
    return [code, reason];
  } finally {
    await client[Symbol.asyncDispose]();
    server.close();
  }
}

const message = Buffer.from([0x0a, 1, 0x61]);
const replyFrame = Buffer.concat([Buffer.from([0, 0, 0, 0, 3]), message]);

test("the client of gRPC-Web takes trailers in either place, and misses them when there are none", async () => {
  const head = { "content-type": "application/grpc-web+proto" };
  const ask = (answer: Answer): Promise<unknown> => outcomeOf(GrpcWebClient, answer);
  const end = frame("Grpc-Status:0\r\n", 0x80);
  assert.equal(await ask((_, response) => response.writeHead(200, head).end(Buffer.concat([replyFrame, end]))), "a");
  assert.deepEqual(await ask((_, response) => response.writeHead(200, { ...head, "grpc-status": "5" }).end()), [
    404,
    "",
  ]);
  assert.deepEqual(await ask((_, response) => response.writeHead(200, head).end(replyFrame)), [500, ""]);
  const twice = Buffer.concat([replyFrame, end, end]);
  assert.deepEqual(await ask((_, response) => response.writeHead(200, head).end(twice)), [500, ""]);
  assert.deepEqual(await ask((_, response) => response.writeHead(503).end("busy")), [503, ""]);
  assert.deepEqual(await ask((_, response) => response.writeHead(200, { "content-type": "text/html" }).end()), [
    500,
    "",
  ]);
});

test("the client of Connect reads the code of the error, and of HTTP where there is none", async () => {
  const ask = (answer: Answer): Promise<unknown> => outcomeOf(ConnectClient, answer);
  const proto = { "content-type": "application/proto" };
  const json = { "content-type": "application/json" };
  assert.equal(await ask((_, response) => response.writeHead(200, proto).end(message)), "a");
  assert.deepEqual(await ask((_, response) => response.writeHead(418, json).end('{"code":"aborted"}')), [409, ""]);
  assert.deepEqual(await ask((_, response) => response.writeHead(404, json).end('{"code":7}')), [501, ""]);
  assert.deepEqual(await ask((_, response) => response.writeHead(502, { "content-type": "text/html" }).end("<p>")), [
    503,
    "",
  ]);
  assert.deepEqual(await ask((_, response) => response.writeHead(200, json).end("{}")), [500, ""]);
  assert.deepEqual(await ask((_, response) => response.writeHead(200, proto).end("\xff\xff")), [500, "CODEC"]);
  const [code] = (await ask((_, response) => response.destroy())) as [number];
  assert.equal(code, 503);
});

test("both clients keep the path of their endpoint, and say who cannot be reached", async () => {
  for (const Client of [ConnectClient, GrpcWebClient]) {
    const paths: (string | undefined)[] = [];
    const answer: Answer = (request, response) => {
      paths.push(request.url);
      response.writeHead(503).end();
    };
    assert.deepEqual(await outcomeOf(Client, answer, "/base/"), [503, ""]);
    assert.deepEqual(paths, ["/base/test.v1.Echo/Unary"]);
    for (const http2 of [false, true]) {
      const client = createServiceClient(Echo, new Client({ endpoint: "http://127.0.0.1:1", http2 }));
      await assert.rejects(client.unary({}), { code: 503, reason: "UNAVAILABLE" });
      await client[Symbol.asyncDispose]();
    }
    for (const options of [{ endpoint: "grpc://a:1" }, { endpoint: "http://a?b" }]) {
      assert.throws(() => new Client(options), { code: "CLEW_TRANSPORT_ENDPOINT" });
    }
    const endpoint = "http://127.0.0.1:1";
    assert.throws(() => new Client({ endpoint, compression: "zip" as "gzip" }), { code: "CLEW_TRANSPORT_OPTION" });
    assert.throws(() => new Client({ endpoint, maxMessageBytes: 0 }), { code: "CLEW_TRANSPORT_OPTION" });
    assert.throws(() => new Client({ endpoint, compressFromBytes: -1 }), { code: "CLEW_TRANSPORT_OPTION" });
  }
});
