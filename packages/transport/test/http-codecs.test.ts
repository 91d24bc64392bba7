// Every codec through a real server and client, over HTTP/1.1.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Codec, createServiceClient, jsonCodec, protoCodec, ServiceError, service } from "@clew/rpc";
import { msgpackCodec } from "@clew/rpc/msgpack";
import { xmlCodec } from "@clew/rpc/xml";
import { yamlCodec } from "@clew/rpc/yaml";
import { HttpServer } from "@clew/transport";
import { formCodec, HttpClient } from "@clew/transport/http";
import { Echo } from "./gen/test/v1/test_pb.ts";

const codecs: readonly Codec[] = [jsonCodec, protoCodec, formCodec, xmlCodec, yamlCodec, msgpackCodec];

async function withServer<R>(use: (endpoint: URL) => Promise<R>): Promise<R> {
  const echo = service(Echo, {
    unary: (request) => {
      if (request.text === "fail") throw new ServiceError(409, "BUSY", "later");
      return request;
    },
    async *serverStream() {},
    clientStream: async () => ({}),
    async *bidiStream() {},
  });
  const server = new HttpServer({ address: "127.0.0.1:0", services: [echo], codecs });
  await server.start();
  try {
    return await use(server.endpoint());
  } finally {
    await server.stop(AbortSignal.abort());
  }
}

test("a client writes and reads in any codec, and errors are JSON in each", async () => {
  await withServer(async (endpoint) => {
    for (const codec of codecs) {
      const client = createServiceClient(Echo, new HttpClient({ endpoint, codec }));
      try {
        const reply = await client.unary({ text: "<é> & 7", count: -5, payload: Uint8Array.of(0, 255) });
        assert.deepEqual([reply.text, reply.count, [...reply.payload]], ["<é> & 7", -5, [0, 255]], codec.name);
        await assert.rejects(client.unary({ text: "fail" }), { code: 409, reason: "BUSY" }, codec.name);
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
