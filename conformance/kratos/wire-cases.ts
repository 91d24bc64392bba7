// Requests that no client sends: the wire itself, asked of one server.
import assert from "node:assert/strict";
import type { Case, Peer } from "./pair.ts";

interface Wire {
  readonly name: string;
  readonly verb?: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly status: number;
  /** Of an error. */
  readonly reason?: string;
  /** Of the reply; checked field by field. */
  readonly reply?: Record<string, unknown>;
}

const json = { "content-type": "application/json" };
const form = { "content-type": "application/x-www-form-urlencoded" };

const wires: Wire[] = [
  { name: "an unknown path", path: "/nope", status: 404, reason: "NOT_FOUND" },
  {
    name: "another verb",
    verb: "PUT",
    path: "/v1/items",
    headers: json,
    body: "{}",
    status: 405,
    reason: "METHOD_NOT_ALLOWED",
  },
  {
    name: "additional_bindings",
    path: "/v1/owners/ann/items/7",
    status: 200,
    reply: { id: "7" },
  },
  {
    name: "a body that is no JSON",
    verb: "POST",
    path: "/v1/items",
    headers: json,
    body: "{",
    status: 400,
    reason: "CODEC",
  },
  {
    name: "a body with a wrong type",
    verb: "POST",
    path: "/v1/items",
    headers: json,
    body: '{"id":7}',
    status: 400,
    reason: "CODEC",
  },
  {
    name: "a body that is no message",
    verb: "POST",
    path: "/v1/items",
    headers: json,
    body: "[]",
    status: 400,
    reason: "CODEC",
  },
  {
    name: "an unknown field in a body is passed over",
    verb: "POST",
    path: "/v1/items",
    headers: json,
    body: '{"id":"7","nope":{"a":[1]}}',
    status: 200,
    reply: { id: "7" },
  },
  {
    name: "the proto name of a field in a body",
    verb: "POST",
    path: "/v1/items",
    headers: json,
    body: '{"user_id":"u"}',
    status: 200,
    reply: { userId: "u" },
  },
  {
    name: "a binary body that is none",
    verb: "POST",
    path: "/v1/items",
    headers: { "content-type": "application/proto" },
    body: Uint8Array.of(255, 255),
    status: 400,
    reason: "CODEC",
  },
  {
    name: "a content type that nobody knows",
    verb: "POST",
    path: "/v1/items",
    headers: { "content-type": "application/nope" },
    body: "{}",
    status: 400,
    reason: "CODEC",
  },
  {
    name: "no body",
    verb: "POST",
    path: "/v1/items",
    headers: json,
    status: 200,
    reply: { id: "", tags: [] },
  },
  {
    name: "a charset",
    verb: "POST",
    path: "/v1/items",
    headers: { "content-type": "application/json; charset=utf-8" },
    body: '{"id":"7"}',
    status: 200,
    reply: { id: "7" },
  },
  {
    name: "an accept that is a list",
    path: "/v1/items/7",
    headers: { accept: "text/html, application/json, */*;q=0.1" },
    status: 200,
    reply: { id: "7" },
  },
  {
    name: "zero values are written",
    path: "/v1/types",
    status: 200,
    reply: {
      boolValue: false,
      int64Value: "0",
      stringValue: "",
      bytesValue: "",
      kind: "KIND_UNSPECIFIED",
      int64List: [],
      textMap: {},
    },
  },
  {
    name: "query: the proto name",
    path: "/v1/types?int32_value=5&child.name=x",
    status: 200,
    reply: { int32Value: 5 },
  },
  { name: "query: an enum by its number", path: "/v1/types?kind=2", status: 200, reply: { kind: "KIND_LARGE" } },
  {
    name: "query: a list with []",
    path: "/v1/types?stringList[]=a&stringList[]=b",
    status: 200,
    reply: { stringList: ["a", "b"] },
  },
  {
    name: "query: a map by brackets and by dots",
    path: "/v1/types?textMap[a]=1&text_map.b=2",
    status: 200,
    reply: { textMap: { a: "1", b: "2" } },
  },
  { name: "query: 1, T and True are true", path: "/v1/types?boolValue=T", status: 200, reply: { boolValue: true } },
  {
    name: "query: an empty number is passed over",
    path: "/v1/types?int32Value=&stringValue=x",
    status: 200,
    reply: { int32Value: 0, stringValue: "x" },
  },
  { name: "query: an unknown key is passed over", path: "/v1/types?nope=1&child.nope=2", status: 200 },
  {
    name: "query: a duration as Go writes it",
    path: "/v1/types?duration=1m0.5s",
    status: 200,
    reply: { duration: "60.500s" },
  },
  {
    name: "query: a field mask",
    path: "/v1/types?mask=intValue,child.name",
    status: 200,
    reply: { mask: "intValue,child.name" },
  },
  { name: "query: not a number", path: "/v1/types?int64Value=x", status: 400, reason: "CODEC" },
  { name: "query: out of range", path: "/v1/types?int32Value=2147483648", status: 400, reason: "CODEC" },
  { name: "query: a scalar twice", path: "/v1/types?int32Value=1&int32Value=2", status: 400, reason: "CODEC" },
  { name: "query: an enum that nobody knows", path: "/v1/types?kind=NOPE", status: 400, reason: "CODEC" },
  { name: "query: not a time", path: "/v1/types?time=yesterday", status: 400, reason: "CODEC" },
  { name: "query: two of a oneof", path: "/v1/types?choiceText=a&choiceNumber=1", status: 400, reason: "CODEC" },
  { name: "query: a message that is no text", path: "/v1/types?child=x", status: 400, reason: "CODEC" },
  {
    name: "form: a body",
    verb: "POST",
    path: "/v1/types",
    headers: form,
    body: "int64Value=5&stringList=a&stringList=b&child.name=x+y&kind=KIND_SMALL",
    status: 200,
    reply: { int64Value: "5", stringList: ["a", "b"], kind: "KIND_SMALL" },
  },
  {
    name: "form: a bad body",
    verb: "POST",
    path: "/v1/types",
    headers: form,
    body: "int64Value=x",
    status: 400,
    reason: "CODEC",
  },
];

const errorShape = ["code", "message", "metadata", "reason"];

export const wireCases: readonly Case<{ server: Peer }>[] = wires.map((wire) => ({
  name: wire.name,
  async run({ server }) {
    const { verb = "GET", path, headers = {}, body } = wire;
    const response = await fetch(`${server.endpoints.http}${path}`, {
      method: verb,
      headers,
      ...(body !== undefined && { body }),
    });
    const text = await response.text();
    assert.equal(response.status, wire.status, text);
    assert.equal(response.headers.get("content-type"), "application/json");
    const reply = JSON.parse(text) as Record<string, unknown>;
    if (wire.reason !== undefined) {
      assert.deepEqual(Object.keys(reply).sort(), errorShape);
      assert.equal(reply.reason, wire.reason, text);
      assert.equal(reply.code, wire.status);
    }
    for (const [name, value] of Object.entries(wire.reply ?? {})) {
      assert.deepEqual(reply[name], value, `${name}: ${text}`);
    }
  },
}));
