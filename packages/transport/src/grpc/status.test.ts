import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack, DurationSchema } from "@bufbuild/protobuf/wkt";
import {
  BadRequestSchema,
  badRequest,
  ErrorDetail,
  ErrorInfoSchema,
  GrpcStatusSchema,
  Metadata,
  ServiceError,
} from "@clew/rpc";
import { readReplyHead } from "./reply-head.ts";
import { decodeMessage, decodeStatus, encodeMessage, encodeStatus, fromForeignReply, fromReset } from "./status.ts";

const toFields = (list: string[]): Record<string, string> =>
  Object.fromEntries(Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i]!, list[2 * i + 1]!]));

describe("a status", () => {
  it("has the bytes that Kratos writes: a google.rpc.Status with one ErrorInfo", () => {
    const fields = toFields(encodeStatus(new ServiceError(404, "GONE", "no ann", { metadata: { a: "b" } })));
    assert.equal(fields["grpc-status"], "5");
    assert.equal(fields["grpc-message"], "no ann");
    // Status{1: 5, 2: "no ann", 3: Any{1: type url, 2: ErrorInfo{1: "GONE", 3: {1: "a", 2: "b"}}}}, written out by hand.
    const info = Buffer.from("\x0a\x04GONE\x1a\x06\x0a\x01a\x12\x01b");
    const typeUrl = "type.googleapis.com/google.rpc.ErrorInfo";
    const any = Buffer.concat([
      Buffer.from([10, typeUrl.length]),
      Buffer.from(typeUrl),
      Buffer.from([18, info.length]),
      info,
    ]);
    const status = Buffer.concat([Buffer.from("\x08\x05\x12\x06no ann"), Buffer.from([26, any.length]), any]);
    assert.equal(Buffer.from(fields["grpc-status-details-bin"]!, "base64").toString("hex"), status.toString("hex"));
    assert.ok(!fields["grpc-status-details-bin"]!.includes("="));
  });

  it("comes back as the same error, also with a code that gRPC does not have", () => {
    for (const code of [400, 401, 402, 403, 404, 405, 409, 412, 418, 422, 429, 499, 500, 501, 503, 504, 599]) {
      const error = new ServiceError(code, "WHY", "100% ü\n", { metadata: { key: "höher", other: "" } });
      assert.deepEqual(decodeStatus(readReplyHead(encodeStatus(error)))?.toJSON(), error.toJSON());
    }
  });

  it("has no details when there is nothing in them", () => {
    assert.deepEqual(encodeStatus(new ServiceError(404, "", "gone")), ["grpc-status", "5", "grpc-message", "gone"]);
  });

  it("is overruled by trailers that carry one, unless they say OK or nonsense", () => {
    const error = new ServiceError(409, "TAKEN", "taken");
    const trailers = new Metadata({ "grpc-status": "6", "grpc-status-details-bin": "CAY" });
    const fields = toFields(encodeStatus(error, trailers));
    assert.equal(fields["grpc-status"], "6");
    assert.equal(fields["grpc-status-details-bin"], "CAY");
    const nonsense = new Metadata({ "grpc-status": "0", "grpc-status-details-bin": "not base64!" });
    assert.deepEqual(encodeStatus(error, nonsense), encodeStatus(error));
  });

  it("carries the error's own details behind those of Kratos, also of a type that is not known here", () => {
    const details = [badRequest({ name: "is taken" }), ErrorDetail.of(DurationSchema, { seconds: 5n })];
    for (const code of [400, 422]) {
      const error = new ServiceError(code, "WHY", "bad", { details });
      const head = readReplyHead(encodeStatus(error));
      const read = decodeStatus(head);
      assert.deepEqual([read?.code, read?.reason, read?.details.length], [code, "WHY", 2]);
      assert.equal(read?.detail(BadRequestSchema)?.fieldViolations[0]?.description, "is taken");
      assert.equal(read?.detail(DurationSchema)?.seconds, 5n);
      const status = fromBinary(GrpcStatusSchema, Buffer.from(head.details!, "base64"));
      assert.equal(status.details[0]?.typeUrl, "type.googleapis.com/google.rpc.ErrorInfo");
    }
    const bare = new ServiceError(404, "", "gone", { details });
    assert.equal(decodeStatus(readReplyHead(encodeStatus(bare)))?.details.length, 2);
  });

  it("keeps to grpc-status where the details leave the code out", () => {
    const info = anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason: "WHY" }));
    const details = Buffer.from(toBinary(GrpcStatusSchema, create(GrpcStatusSchema, { details: [info] })));
    const head = readReplyHead(["grpc-status", "5", "grpc-message", "gone"]);
    const read = decodeStatus({ ...head, details: details.toString("base64") });
    assert.deepEqual([read?.code, read?.reason, read?.message], [404, "WHY", "gone"]);
  });

  it("never says OK for an error", () => {
    assert.equal(toFields(encodeStatus(new ServiceError(200, "", "odd")))["grpc-status"], "2");
  });

  it("is no error when it is 0", () => {
    assert.equal(decodeStatus(readReplyHead(["grpc-status", "0", "grpc-message", "fine"])), undefined);
  });

  it("is read without details, with details that are none, and with details of another status", () => {
    const plain = { code: 503, reason: "", message: "a b", metadata: {} };
    const head = readReplyHead(["grpc-status", "14", "grpc-message", "a%20b"]);
    assert.deepEqual(decodeStatus(head)?.toJSON(), plain);
    assert.deepEqual(decodeStatus({ ...head, details: "//////" })?.toJSON(), plain);
    const other = readReplyHead(encodeStatus(new ServiceError(404, "X", "y"))).details;
    assert.deepEqual(decodeStatus({ ...head, details: other })?.toJSON(), plain);
  });

  it("that gRPC does not know is UNKNOWN", () => {
    for (const text of ["42", "", "-1", "abc"])
      assert.equal(decodeStatus(readReplyHead(["grpc-status", text]))?.code, 500, text);
  });
});

describe("grpc-message", () => {
  it("is percent-encoded UTF-8", () => {
    assert.equal(encodeMessage("plain ~ text"), "plain ~ text");
    assert.equal(encodeMessage("100%\tü\r\n"), "100%25%09%C3%BC%0D%0A");
    assert.equal(encodeMessage(" a b  "), "%20a b %20");
    for (const text of ["100%\tü\r\n", "𝒳 %41", "", " ", "  a "])
      assert.equal(decodeMessage(encodeMessage(text)), text);
  });

  it("is read as it stands where its encoding is broken", () => {
    assert.equal(decodeMessage("50% off %zz %2"), "50% off %zz %2");
  });
});

it("maps HTTP statuses and resets as gRPC's documents do", () => {
  assert.deepEqual(
    ["400", "401", "403", "404", "429", "502", "503", "504", "302"].map((http) => {
      const { error, status } = fromForeignReply({ status: http, contentType: "" });
      return `${error.code} ${status}`;
    }),
    ["500 13", "401 16", "403 7", "501 12", "503 14", "503 14", "503 14", "503 14", "500 2"],
  );
  assert.deepEqual(
    [0, 2, 7, 8, 11, 12].map((code) => fromReset("/a/b", code, undefined).code),
    [500, 500, 503, 499, 429, 403],
  );
  assert.equal(fromReset("/a/b", 8, new Error("ECONNRESET")).code, 503);
});
