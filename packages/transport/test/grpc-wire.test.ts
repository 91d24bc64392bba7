import assert from "node:assert/strict";
import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from "node:http2";
import { after, before, describe, it } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema, GrpcStatusSchema } from "@clew/rpc";
import type { GrpcServer } from "@clew/transport/grpc";
import { EchoMessageSchema } from "./gen/test/v1/test_pb.ts";
import { startServer } from "./grpc-echo.ts";

// What the server does with bytes that no client library would send.
describe("the gRPC server on the wire", () => {
  let server: GrpcServer;
  let session: ClientHttp2Session;
  before(async () => {
    server = await startServer({ compression: "gzip", maxMessageBytes: 10_000 });
    session = connect(`http://${server.endpoint().host}`);
  });
  after(async () => {
    session.close();
    await server.stop(AbortSignal.timeout(60_000));
  });

  interface Answer {
    headers: Record<string, unknown>;
    trailers: Record<string, unknown>;
    body: Buffer;
  }

  // The status of a reply, in its trailers or in its only headers.
  const statusOf = ({ headers, trailers }: Answer): unknown => trailers["grpc-status"] ?? headers["grpc-status"];

  function send(
    headers: OutgoingHttpHeaders,
    body: Uint8Array | undefined,
    ends = true,
    over = session,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const answer: Answer = { headers: {}, trailers: {}, body: Buffer.alloc(0) };
      const stream = over.request({
        ":method": "POST",
        ":path": "/test.v1.Echo/Unary",
        "content-type": "application/grpc",
        te: "trailers",
        ...headers,
      });
      stream.on("response", (given) => Object.assign(answer.headers, given));
      stream.on("trailers", (given) => Object.assign(answer.trailers, given));
      stream.on("data", (bytes: Buffer) => {
        answer.body = Buffer.concat([answer.body, bytes]);
      });
      stream.on("error", reject);
      stream.on("end", () => {
        stream.close();
        resolve(answer);
      });
      if (body !== undefined) stream.write(body);
      if (ends) stream.end();
    });
  }

  function frame(message: Uint8Array, flag = 0): Buffer {
    const prefix = Buffer.from([flag, 0, 0, 0, 0]);
    prefix.writeUInt32BE(message.length, 1);
    return Buffer.concat([prefix, message]);
  }

  const hello = toBinary(EchoMessageSchema, create(EchoMessageSchema, { text: "hello" }));

  it("answers in one HEADERS, one message and trailers", async () => {
    const { headers, trailers, body } = await send({}, frame(hello));
    assert.equal(headers[":status"], 200);
    assert.equal(headers["content-type"], "application/grpc");
    assert.equal(headers["grpc-status"], undefined);
    assert.equal(trailers["grpc-status"], "0");
    assert.equal(body.toString("hex"), frame(hello).toString("hex"));
  });

  it("tolerates a missing te", async () => {
    assert.equal(statusOf(await send({ te: undefined }, frame(hello))), "0");
  });

  it("answers in the content type it was asked in", async () => {
    for (const contentType of [
      "application/grpc+proto",
      "application/grpc;charset=utf-8",
      "application/grpc+proto; v=1",
    ]) {
      const answer = await send({ "content-type": contentType }, frame(hello));
      assert.equal(answer.headers["content-type"], contentType.replace(/;.*/, ""));
      assert.equal(statusOf(answer), "0");
    }
  });

  it("speaks JSON under application/grpc+json", async () => {
    const answer = await send(
      { "content-type": "application/grpc+json" },
      frame(Buffer.from('{"text":"hi","count":2}')),
    );
    assert.equal(answer.headers["content-type"], "application/grpc+json");
    assert.deepEqual(JSON.parse(answer.body.subarray(5).toString()), { text: "hi", count: 2, payload: "" });
  });

  it("answers 415 to another content type, without a gRPC status, and says what would work", async () => {
    const all = "application/grpc";
    const known = "application/grpc+proto, application/grpc+json";
    for (const [contentType, works, what] of [
      ["application/json", all, 'the content type is "application/json"'],
      ["application/grpc-web", all, 'the content type is "application/grpc-web"'],
      ["application/grpcx", all, 'the content type is "application/grpcx"'],
      ["application/grpc+thrift", known, 'this server has no codec "thrift"'],
    ]) {
      const answer = await send({ "content-type": contentType }, frame(hello));
      assert.equal(answer.headers[":status"], 415, contentType);
      assert.equal(answer.headers["accept-post"], works);
      assert.equal(answer.headers["content-type"], "text/plain; charset=utf-8");
      assert.equal(String(answer.body), `${what}; ${works} would work`);
      assert.equal(statusOf(answer), undefined);
    }
    const missing = await send({ "content-type": undefined }, frame(hello));
    assert.equal(String(missing.body), "the content type is missing; application/grpc would work");
  });

  it("answers 405 to another verb", async () => {
    const answer = await send({ ":method": "GET" }, undefined);
    assert.equal(answer.headers[":status"], 405);
    assert.equal(answer.headers.allow, "POST");
    assert.equal(String(answer.body), "GET is not allowed here; POST would work");
    const head = await send({ ":method": "HEAD" }, undefined);
    assert.deepEqual([head.headers[":status"], head.body.length], [405, 0]);
  });

  it("answers UNIMPLEMENTED to an unknown method, before the request has ended", async () => {
    for (const path of ["/test.v1.Echo/Nope", "/nope.Echo/Unary", "/", "/test.v1.Echo/unary"]) {
      assert.equal(statusOf(await send({ ":path": path }, undefined, false)), "12", path);
    }
  });

  it("answers UNIMPLEMENTED to an encoding it does not know, and says which it does", async () => {
    const answer = await send({ "grpc-encoding": "snappy" }, frame(hello, 1));
    assert.equal(statusOf(answer), "12");
    assert.equal(answer.headers["grpc-accept-encoding"], "gzip,br,identity");
  });

  it("answers INTERNAL to a compressed message whose encoding was not announced", async () => {
    assert.equal(statusOf(await send({}, frame(gzipSync(hello), 1))), "13");
  });

  it("reads gzip, and messages left uncompressed among it", async () => {
    const answer = await send({ "grpc-encoding": "gzip" }, frame(gzipSync(hello), 1));
    assert.equal(answer.body.toString("hex"), frame(hello).toString("hex"));
    assert.equal(statusOf(await send({ "grpc-encoding": "gzip" }, frame(hello, 0))), "0");
  });

  it("writes gzip only for a caller that accepts it", async () => {
    const large = toBinary(EchoMessageSchema, create(EchoMessageSchema, { text: "x".repeat(5000) }));
    const zipped = await send({ "grpc-accept-encoding": "identity, gzip" }, frame(large));
    assert.equal(zipped.headers["grpc-encoding"], "gzip");
    assert.equal(zipped.body[0], 1);
    assert.ok(zipped.body.length < 200);
    assert.equal(fromBinary(EchoMessageSchema, gunzipSync(zipped.body.subarray(5))).text.length, 5000);
    const plain = await send({}, frame(large));
    assert.equal(plain.headers["grpc-encoding"], undefined);
    assert.equal(plain.body[0], 0);
  });

  it("answers RESOURCE_EXHAUSTED to a message over the limit before it has arrived", async () => {
    const prefix = Buffer.from([0, 0, 0, 0, 0]);
    prefix.writeUInt32BE(10_001, 1);
    assert.equal(statusOf(await send({}, prefix, false)), "8");
  });

  it("answers RESOURCE_EXHAUSTED to a message that inflates over the limit", async () => {
    assert.equal(statusOf(await send({ "grpc-encoding": "gzip" }, frame(gzipSync(Buffer.alloc(10_000_000)), 1))), "8");
  });

  it("answers an error to bytes that are no message", async () => {
    assert.equal(statusOf(await send({}, frame(Buffer.from([0xff, 0xff])))), "3");
    assert.equal(statusOf(await send({}, Buffer.from([7, 0, 0, 0, 0]))), "3");
    assert.equal(statusOf(await send({}, frame(hello).subarray(0, 7))), "3");
    assert.equal(statusOf(await send({ "content-type": "application/grpc+json" }, frame(Buffer.from("{")))), "3");
  });

  it("answers UNIMPLEMENTED to no message or two where there is one", async () => {
    assert.equal(statusOf(await send({}, undefined)), "12");
    assert.equal(statusOf(await send({}, Buffer.concat([frame(hello), frame(hello)]))), "12");
  });

  it("answers DEADLINE_EXCEEDED when the caller's time is over, or its own", async () => {
    const wait = frame(toBinary(EchoMessageSchema, create(EchoMessageSchema, { text: "wait" })));
    const asked = await send({ "grpc-timeout": "20m" }, wait);
    assert.deepEqual([statusOf(asked), asked.headers["grpc-status-details-bin"]], ["4", undefined]);
    assert.equal(statusOf(await send({ "grpc-timeout": "0m" }, frame(hello))), "4");
    const hasty = await startServer({ timeoutMs: 100 });
    const toHasty = connect(`http://${hasty.endpoint().host}`);
    assert.equal(statusOf(await send({ "grpc-timeout": "1H" }, wait, true, toHasty)), "4");
    const late = await send({}, wait, true, toHasty);
    assert.equal(statusOf(late), "4");
    const details = Buffer.from(String(late.headers["grpc-status-details-bin"]), "base64");
    const [info] = fromBinary(GrpcStatusSchema, details).details;
    assert.equal(anyUnpack(info!, ErrorInfoSchema)?.reason, "GATEWAY_TIMEOUT");
    // The body may be late as well.
    assert.equal(statusOf(await send({}, frame(hello), false, toHasty)), "4");
    toHasty.close();
  });

  it("answers INTERNAL to a grpc-timeout that is none", async () => {
    assert.equal(statusOf(await send({ "grpc-timeout": "soon" }, frame(hello))), "13");
  });

  it("answers RESOURCE_EXHAUSTED to a header list over the limit", async () => {
    assert.equal(statusOf(await send({ "x-long": "x".repeat(20_000) }, frame(hello))), "8");
    assert.equal(statusOf(await send({ "x-long": "x".repeat(10_000) }, frame(hello))), "0");
  });

  it("keeps binary metadata, with padding or without, and repeated keys", async () => {
    const answer = await send({ "x-echo-a-bin": ["AQ==", "Ag"], "x-trail-b": ["1", "2"] }, frame(hello));
    assert.equal(answer.headers["x-echo-a-bin"], "AQ, Ag");
    assert.equal(answer.trailers["x-trail-b"], "1, 2");
  });

  it("sends the status even when the handler set metadata that cannot be sent", async () => {
    const answer = await send({ "x-echo-a-bin": "not base64!" }, frame(hello));
    assert.equal(statusOf(answer), "13");
  });

  it("sends an error that comes first in its only headers, and with metadata in trailers of its own", async () => {
    const fail = frame(toBinary(EchoMessageSchema, create(EchoMessageSchema, { text: "fail" })));
    const bare = await send({}, fail);
    assert.equal(bare.headers["grpc-status"], "5");
    assert.equal(bare.headers["grpc-message"], "no book %E2%80%9C%C3%BC%E2%80%9D at 100%25");
    const dressed = await send({ "x-echo-a": "1" }, fail);
    assert.equal(dressed.headers["x-echo-a"], "1");
    assert.equal(dressed.headers["grpc-status"], undefined);
    assert.equal(dressed.trailers["grpc-status"], "5");
  });
});
