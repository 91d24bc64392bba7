// Every codec through a real server and client, over HTTP/1.1.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { create, fromBinary } from "@bufbuild/protobuf";
import {
  type Codec,
  createServiceClient,
  ErrorStatusSchema,
  jsonCodec,
  protoCodec,
  ServiceError,
  service,
} from "@clew/rpc";
import { msgpackCodec } from "@clew/rpc/msgpack";
import { xmlCodec } from "@clew/rpc/xml";
import { yamlCodec } from "@clew/rpc/yaml";
import { HttpServer } from "@clew/transport";
import { formCodec, HttpClient } from "@clew/transport/http";
import { Echo } from "./gen/test/v1/test_pb.ts";
import { patientMs } from "./patient-ms.ts";

const codecs: readonly Codec[] = [jsonCodec, protoCodec, formCodec, xmlCodec, yamlCodec, msgpackCodec];

async function withServer<R>(use: (endpoint: URL) => Promise<R>): Promise<R> {
  const echo = service(Echo, {
    unary: (request) => {
      if (request.text === "fail") throw new ServiceError(409, "BUSY", "later", { metadata: { "a<b": "ü" } });
      if (request.text === "fail badly") throw new ServiceError(409, "BUSY", "\u0000");
      return request;
    },
    async *serverStream() {},
    clientStream: async () => ({}),
    async *bidiStream() {},
  });
  const server = new HttpServer({ address: "127.0.0.1:0", services: [echo], codecs, timeoutMs: patientMs });
  await server.start();
  try {
    return await use(server.endpoint());
  } finally {
    await server.stop(AbortSignal.abort());
  }
}

test("a client writes and reads in any codec, errors too", async () => {
  await withServer(async (endpoint) => {
    for (const codec of codecs) {
      const client = createServiceClient(Echo, new HttpClient({ endpoint, codec }), { timeoutMs: patientMs });
      try {
        const reply = await client.unary({ text: "<é> & 7", count: -5, payload: Uint8Array.of(0, 255) });
        assert.deepEqual([reply.text, reply.count, [...reply.payload]], ["<é> & 7", -5, [0, 255]], codec.name);
        await assert.rejects(
          client.unary({ text: "fail" }),
          { code: 409, reason: "BUSY", message: "later", metadata: { "a<b": "ü" } },
          codec.name,
        );
      } finally {
        await client[Symbol.asyncDispose]();
      }
    }
  });
});

test("other names of a media type mean the same, and a bad body is 400 CODEC that names the field", async () => {
  await withServer(async (endpoint) => {
    const url = new URL(`/${Echo.typeName}/Unary`, endpoint);
    const post = async (
      contentType: string,
      body: string,
      accept = contentType,
    ): Promise<[number, string | null, string]> => {
      const headers = { "content-type": contentType, accept };
      const reply = await fetch(url, { method: "POST", headers, body: Buffer.from(body, "latin1") });
      return [reply.status, reply.headers.get("content-type"), await reply.text()];
    };
    for (const [type, body] of [
      ["application/protojson", '{"count":7}'],
      ["text/xml", "<m><count>7</count></m>"],
      ["application/xml; charset=utf-8", "<m><count>7</count></m>"],
      ["application/x-yaml", "count: 7"],
      ["text/yaml", "count: 7"],
      ["application/x-msgpack", "\x81\xa5Count\x07"],
    ] as const) {
      const [status, contentType] = await post(type, body);
      assert.equal(status, 200, type);
      // What is no application/* is read, and answered in the server's first codec.
      const answered = type.startsWith("text/") ? "application/json" : type.split(";")[0];
      assert.equal(contentType, answered, type);
    }
    for (const [type, body] of [
      ["application/json", '{"count":"x"}'],
      ["application/xml", "<m><count>x</count></m>"],
      ["application/yaml", "count: x"],
    ] as const) {
      const [status, , text] = await post(type, body, "application/json");
      const { reason, message } = JSON.parse(text) as { reason: string; message: string };
      assert.deepEqual([status, reason], [400, "CODEC"], type);
      assert.match(message, /count/, type);
    }
  });
});

test("an error goes in the codec that the caller accepts, in JSON where it accepts none", async () => {
  await withServer(async (endpoint) => {
    const ask = async (path: string, text: string, accept: string | undefined): Promise<[string | null, Buffer]> => {
      const headers = { "content-type": "application/json", ...(accept !== undefined && { accept }) };
      const reply = await fetch(new URL(path, endpoint), { method: "POST", headers, body: JSON.stringify({ text }) });
      return [reply.headers.get("content-type"), Buffer.from(await reply.arrayBuffer())];
    };
    const unary = `/${Echo.typeName}/Unary`;
    const json = '{"code":409,"reason":"BUSY","message":"later","metadata":{"a<b":"ü"}}';
    for (const [accept, contentType, body] of [
      [undefined, "application/json", json],
      ["*/*", "application/json", json],
      ["text/html", "application/json", json],
      ["application/protojson", "application/protojson", json],
      ["application/yaml;q=0.5, application/json", "application/json", json],
      [
        "application/xml",
        "application/xml",
        "<Status><code>409</code><reason>BUSY</reason><message>later</message>" +
          "<metadata><key>a&lt;b</key><value>ü</value></metadata></Status>",
      ],
      [
        "text/html, application/yaml",
        "application/yaml",
        "code: 409\nreason: BUSY\nmessage: later\nmetadata:\n  a<b: ü\n",
      ],
    ] as const) {
      const [given, bytes] = await ask(unary, "fail", accept);
      assert.deepEqual([given, bytes.toString()], [contentType, body], accept);
    }
    const [type, proto] = await ask(unary, "fail", "application/x-protobuf");
    assert.equal(type, "application/x-protobuf");
    assert.deepEqual(fromBinary(ErrorStatusSchema, proto), create(ErrorStatusSchema, JSON.parse(json) as object));
    // XML has no character U+0000.
    const [fallback, badly] = await ask(unary, "fail badly", "application/xml");
    assert.deepEqual([fallback, JSON.parse(badly.toString()).message], ["application/json", "\u0000"]);
    const [lost, nowhere] = await ask("/nowhere", "", "application/xml");
    assert.deepEqual([lost, /<reason>NOT_FOUND<\/reason>/.test(nowhere.toString())], ["application/xml", true]);
  });
});

test("a reply that says it is an error in protobuf or XML, and is none, is told by its beginning", async () => {
  const broken = createServer((request, response) => {
    request.resume();
    response.writeHead(502, { "content-type": request.headers.accept }).end("<html>nginx");
  }).listen(0, "127.0.0.1");
  await once(broken, "listening");
  try {
    for (const codec of codecs) {
      const { port } = broken.address() as AddressInfo;
      const client = createServiceClient(Echo, new HttpClient({ endpoint: `http://127.0.0.1:${port}`, codec }), {
        timeoutMs: patientMs,
      });
      const told = { code: 502, reason: "", message: "<html>nginx" };
      await assert.rejects(client.unary({}), told, codec.name);
      await client[Symbol.asyncDispose]();
    }
  } finally {
    broken.close();
  }
});
