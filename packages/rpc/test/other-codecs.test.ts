// XML, YAML and MessagePack: what is written is read as the same message. What is of one of them stands in its own file.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  create,
  createRegistry,
  type DescMessage,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { AnySchema, DurationSchema, Int64ValueSchema } from "@bufbuild/protobuf/wkt";
import type { Codec, MessageCodec } from "@clew/rpc";
import { msgpackCodec } from "@clew/rpc/msgpack";
import { createXmlCodec } from "@clew/rpc/xml";
import { createYamlCodec } from "@clew/rpc/yaml";
import { TestAllTypesEdition2023Schema as Edition2023 } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_edition2023_pb.ts";
import * as proto2 from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto2_pb.ts";
import { TestAllTypesProto3Schema as Proto3 } from "../../../conformance/protobuf/gen/google/protobuf/test_messages_proto3_pb.ts";
import { RandomMessages } from "./random-message.ts";
import { testWithoutCodeGeneration } from "./without-code-generation.ts";

const Proto2 = proto2.TestAllTypesProto2Schema;
const types = createRegistry(DurationSchema, AnySchema, proto2.file_google_protobuf_test_messages_proto2);
const roots: readonly DescMessage[] = [Proto2, Proto3, Edition2023];
const messageCount = Number(process.env.CODEC_MESSAGES ?? 40);

testWithoutCodeGeneration(import.meta.filename);

function compile(codec: Codec, desc: DescMessage): MessageCodec<Message> {
  return codec.compile(desc);
}

/** A message without what no codec but protobuf's own carries, unknown fields, and for XML without text that it cannot hold. */
function plain<T>(value: T, isXml: boolean): T {
  if (typeof value === "string" && isXml) return value.replaceAll("\u0000", "?\r").replaceAll("\u001f", "\n") as T;
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const copy = Array.isArray(value) ? [] : Object.create(Object.getPrototypeOf(value) as object);
  for (const [name, inner] of Object.entries(value)) {
    if (name === "$unknown") continue;
    const entry = { value: plain<unknown>(inner, isXml), writable: true, enumerable: true, configurable: true };
    Object.defineProperty(copy, plain(name, isXml), entry);
  }
  return copy as T;
}

/** Bytes tell presence, -0 and NaN apart, where comparing messages would tell more than they mean. */
function bytesOf(desc: DescMessage, message: Message): Buffer {
  return Buffer.from(toBinary(desc, message));
}

const codecs: readonly [string, Codec][] = [
  ["xml", createXmlCodec({ types })],
  ["xml without zero values", createXmlCodec({ types, emitZeroValues: false, useProtoFieldNames: true })],
  ["yaml", createYamlCodec({ types })],
  ["yaml with numbers", createYamlCodec({ types, int64AsNumber: true, enumAsNumber: true, emitZeroValues: false })],
  ["msgpack", msgpackCodec],
];

for (const [name, codec] of codecs) {
  for (const desc of roots) {
    test(`${name}: random ${desc.typeName} come back as they were`, () => {
      const messages = new RandomMessages(20_251_122);
      const compiled = compile(codec, desc);
      for (let i = 0; i < messageCount; i++) {
        const message = plain(messages.next(desc), codec.name === "xml");
        const bytes = compiled.encode(message);
        if (compiled.encodeText !== undefined) {
          assert.equal(compiled.encodeText(message), Buffer.from(bytes).toString());
        }
        const decoded = compiled.decode(bytes);
        assert.deepEqual(bytesOf(desc, decoded), bytesOf(desc, message), `message ${i}: ${Buffer.from(bytes)}`);
      }
    });

    test(`${name}: damaged ${desc.typeName} are read or refused`, () => {
      const messages = new RandomMessages(7);
      const random = new RandomMessages(8);
      const compiled = compile(codec, desc);
      for (let i = 0; i < messageCount; i++) {
        const bytes = Buffer.from(compiled.encode(plain(messages.next(desc), codec.name === "xml")));
        random.damage(bytes);
        let message: Message;
        try {
          message = compiled.decode(bytes);
        } catch (error) {
          assert.ok(error instanceof Error, String(error));
          assert.match(error.message, /^cannot decode|recursion|invalid/, error.stack);
          continue;
        }
        assert.deepEqual(bytesOf(desc, compiled.decode(compiled.encode(message))), bytesOf(desc, message));
      }
    });
  }

  test(`${name}: nothing is the empty message, and what is nested too deep is refused`, () => {
    const compiled = codec.compile(Proto3);
    assert.deepEqual(compiled.decode(new Uint8Array(0)), create(Proto3));
    assert.deepEqual(codec.compile(Int64ValueSchema).decode(new Uint8Array(0)), create(Int64ValueSchema));
    const nest = (depth: number): Uint8Array => {
      let init: MessageInitShape<typeof Proto3> = {};
      for (let i = 1; i < depth; i++) init = { recursiveMessage: init };
      return compiled.encode(create(Proto3, init));
    };
    assert.ok(compiled.decode(nest(100)).recursiveMessage);
    assert.throws(() => compiled.decode(nest(101)), /depth|deep/);
  });
}
