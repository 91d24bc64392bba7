import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Metadata } from "@clew/rpc";
import { appendMetadata, readMetadata } from "./metadata.ts";
import { readReplyHead } from "./reply-head.ts";
import { readRequestHead } from "./request-head.ts";

const append = (metadata: Metadata): string[] => {
  const headers: string[] = [];
  appendMetadata(headers, metadata);
  return headers;
};

const requestHeaders = [
  ":method",
  "POST",
  ":path",
  "/a/b",
  "te",
  "trailers",
  "content-type",
  "application/grpc",
  "x-a",
  "1",
  "grpc-timeout",
  "5m",
  "x-a",
  "2, 3",
  "grpc-timeout",
  "6m",
];

describe("readMetadata", () => {
  it("leaves out the protocol's own fields, and keeps repeated keys in order", () => {
    assert.deepEqual(
      [...readMetadata(requestHeaders)!],
      [
        ["x-a", "1"],
        ["x-a", "2, 3"],
      ],
    );
    assert.equal(readMetadata([":status", "200", "grpc-status", "0"]), undefined);
  });

  it("reads binary values with and without padding, repeated and joined by commas", () => {
    const metadata = readMetadata(["x-bin", "AQ==", "x-bin", "Ag,AwQ=, BQYH"]);
    assert.deepEqual(metadata?.getAll("x-bin"), ["AQ", "Ag", "AwQ", "BQYH"]);
  });

  // So many that work which grows with their square would not end.
  it("reads a binary value of nothing but commas, or of equals signs, in one go", () => {
    const many = 1_000_000;
    assert.equal(readMetadata(["x-bin", ",".repeat(many - 1)])?.getAll("x-bin").length, many);
    const value = `${"=".repeat(many)}A`;
    assert.equal(readMetadata(["x-bin", `${value}==`])?.get("x-bin"), value);
  });
});

describe("the head", () => {
  it("of a request has the protocol's own fields, each the first time", () => {
    assert.deepEqual(readRequestHead(requestHeaders), {
      verb: "POST",
      path: "/a/b",
      contentType: "application/grpc",
      encoding: undefined,
      acceptEncoding: undefined,
      timeout: "5m",
    });
    const encodings = readRequestHead(["grpc-encoding", "gzip", "grpc-accept-encoding", "gzip,identity"]);
    assert.equal(encodings.encoding, "gzip");
    assert.equal(encodings.acceptEncoding, "gzip,identity");
  });

  it("of a reply has status, message and details", () => {
    const fields = [":status", "200", "content-type", "application/grpc", "grpc-encoding", "gzip", "grpc-status", "5"];
    assert.deepEqual(readReplyHead([...fields, "grpc-message", "no", "grpc-status-details-bin", "AQ", "x-a", "1"]), {
      httpStatus: "200",
      contentType: "application/grpc",
      encoding: "gzip",
      status: "5",
      message: "no",
      details: "AQ",
    });
  });
});

describe("appendMetadata", () => {
  it("strips the blanks around a value", () => {
    assert.deepEqual(append(new Metadata({ "x-a": [" 1 ", "", " "] })), ["x-a", "1", "x-a", "", "x-a", ""]);
  });

  it("writes one field for each value, binary ones without padding", () => {
    const metadata = new Metadata([
      ["x-a", "1"],
      ["x-b-bin", "AQ=="],
      ["x-a", "2"],
    ]);
    assert.deepEqual(append(metadata), ["x-a", "1", "x-a", "2", "x-b-bin", "AQ"]);
  });

  it("leaves out what belongs to the protocol or to one hop", () => {
    const names = ["grpc-timeout", "te", "content-type", "connection", "host", "grpc-status", "user-agent", ":path"];
    assert.deepEqual(append(new Metadata(names.map((name) => [name, "x"] as const))), []);
  });

  it("refuses what HTTP/2 cannot carry", () => {
    for (const [name, value] of [
      ["x y", "1"],
      ["x-a", "ü"],
      ["x-a", "a\r\nb"],
      ["x-bin", "not base64!"],
      ["", "1"],
    ] as const) {
      assert.throws(
        () => append(new Metadata([[name, value]])),
        { code: 500, reason: "METADATA" },
        `${name}: ${value}`,
      );
    }
  });
});
