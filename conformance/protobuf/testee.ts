// The program that the runner asks: a message in one format, the same message in another, both through our compiled codecs.
// Requests and responses come and go over stdin and stdout, each behind its length in four bytes, little-endian.
import { readSync, writeSync } from "node:fs";
import { create, createRegistry, type DescMessage, type Message } from "@bufbuild/protobuf";
import {
  AnySchema,
  DurationSchema,
  FieldMaskSchema,
  file_google_protobuf_wrappers,
  ListValueSchema,
  StructSchema,
  TimestampSchema,
  ValueSchema,
} from "@bufbuild/protobuf/wkt";
import { createJsonCodec, type MessageCodec, protoCodec } from "@clew/rpc";
import {
  type ConformanceRequest,
  ConformanceRequestSchema,
  type ConformanceResponse,
  ConformanceResponseSchema,
  FailureSetSchema,
  TestCategory,
  WireFormat,
} from "./gen/conformance/conformance_pb.ts";
import { file_google_protobuf_test_messages_edition2023 } from "./gen/google/protobuf/test_messages_edition2023_pb.ts";
import { file_google_protobuf_test_messages_proto2_editions } from "./gen/google/protobuf/test_messages_proto2_editions_pb.ts";
import { file_google_protobuf_test_messages_proto2 } from "./gen/google/protobuf/test_messages_proto2_pb.ts";
import { file_google_protobuf_test_messages_proto3_editions } from "./gen/google/protobuf/test_messages_proto3_editions_pb.ts";
import { file_google_protobuf_test_messages_proto3 } from "./gen/google/protobuf/test_messages_proto3_pb.ts";

const types = createRegistry(
  file_google_protobuf_wrappers,
  file_google_protobuf_test_messages_edition2023,
  file_google_protobuf_test_messages_proto2,
  file_google_protobuf_test_messages_proto2_editions,
  file_google_protobuf_test_messages_proto3,
  file_google_protobuf_test_messages_proto3_editions,
  FailureSetSchema,
  AnySchema,
  DurationSchema,
  FieldMaskSchema,
  ListValueSchema,
  StructSchema,
  TimestampSchema,
  ValueSchema,
);

const jsonCodec = createJsonCodec({ types, emitZeroValues: false, rejectUnknownFields: true });
const lenientJsonCodec = createJsonCodec({ types, emitZeroValues: false });

type Result = ConformanceResponse["result"];

const requests = protoCodec.compile(ConformanceRequestSchema);
const responses = protoCodec.compile(ConformanceResponseSchema);
for (let bytes = readFrame(); bytes !== undefined; bytes = readFrame()) {
  writeFrame(responses.encode(create(ConformanceResponseSchema, { result: answer(requests.decode(bytes)) })));
}

function answer(request: ConformanceRequest): Result {
  const desc = types.getMessage(request.messageType);
  if (desc === undefined) return { case: "runtimeError", value: `there is no ${request.messageType}` };
  let message: Message;
  switch (request.payload.case) {
    case "protobufPayload": {
      const { value } = request.payload;
      const decoded = attempt(() => compile(protoCodec, desc).decode(value));
      if ("problem" in decoded) return { case: "parseError", value: decoded.problem };
      message = decoded.value;
      break;
    }
    case "jsonPayload": {
      const { value } = request.payload;
      const isLenient = request.testCategory === TestCategory.JSON_IGNORE_UNKNOWN_PARSING_TEST;
      const decoded = attempt(() => compile(isLenient ? lenientJsonCodec : jsonCodec, desc).decode(Buffer.from(value)));
      if ("problem" in decoded) return { case: "parseError", value: decoded.problem };
      message = decoded.value;
      break;
    }
    default:
      return { case: "skipped", value: `${request.payload.case} is not supported` };
  }
  switch (request.requestedOutputFormat) {
    case WireFormat.PROTOBUF: {
      const encoded = attempt(() => compile(protoCodec, desc).encode(message));
      if ("problem" in encoded) return { case: "serializeError", value: encoded.problem };
      return { case: "protobufPayload", value: encoded.value };
    }
    case WireFormat.JSON: {
      const encoded = attempt(() => compile(jsonCodec, desc).encodeText!(message));
      if ("problem" in encoded) return { case: "serializeError", value: encoded.problem };
      return { case: "jsonPayload", value: encoded.value };
    }
    default:
      return { case: "skipped", value: `output format ${request.requestedOutputFormat} is not supported` };
  }
}

function compile(codec: typeof protoCodec, desc: DescMessage): MessageCodec<Message> {
  return codec.compile(desc);
}

function attempt<T>(work: () => T): { value: T } | { problem: string } {
  try {
    return { value: work() };
  } catch (error) {
    return { problem: String(error) };
  }
}

function readFrame(): Uint8Array | undefined {
  const head = readBytes(4);
  return head && readBytes(head.readUInt32LE(0));
}

// Undefined when there is no more.
function readBytes(size: number): Buffer | undefined {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const count = readSync(0, bytes, at, size - at, null);
    if (count === 0) return undefined;
    at += count;
  }
  return bytes;
}

function writeFrame(bytes: Uint8Array): void {
  const frame = Buffer.allocUnsafe(4 + bytes.length);
  frame.writeUInt32LE(bytes.length, 0);
  frame.set(bytes, 4);
  for (let at = 0; at < frame.length; ) at += writeSync(1, frame, at);
}
