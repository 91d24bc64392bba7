import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Metadata } from "@clew/rpc";
import { appendMetadata, readFields } from "./metadata.ts";

const append = (metadata: Metadata): string[] => {
  const headers: string[] = [];
  appendMetadata(headers, metadata);
  return headers;
};

describe("readFields", () => {
  it("sorts the protocol's own fields from metadata, and keeps repeated keys in order", () => {
    const { own, metadata } = readFields([
      ":path",
      "/a/b",
      "te",
      "trailers",
      "x-a",
      "1",
      "grpc-timeout",
      "5m",
      "x-a",
      "2, 3",
    ]);
    assert.equal(own[":path"], "/a/b");
    assert.equal(own["grpc-timeout"], "5m");
    assert.deepEqual(
      [...metadata],
      [
        ["x-a", "1"],
        ["x-a", "2, 3"],
      ],
    );
  });

  it("reads binary values with and without padding, repeated and joined by commas", () => {
    const { metadata } = readFields(["x-bin", "AQ==", "x-bin", "Ag,AwQ=, BQYH"]);
    assert.deepEqual(metadata.getAll("x-bin"), ["AQ", "Ag", "AwQ", "BQYH"]);
  });
});

describe("appendMetadata", () => {
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
