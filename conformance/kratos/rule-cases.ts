// The rules of google.api.http.
import { assertReply, type Case, callRules } from "./pair.ts";

interface RuleSample {
  readonly name: string;
  readonly method: string;
  readonly request: object;
  /** Over HTTP, where that is not the request. */
  readonly httpReply?: object;
}

/** A message in another. */
export const child = { name: "c", size: 3, child: { name: "d" } };

const ruleSamples: RuleSample[] = [
  { name: "get", method: "Get", request: { id: "7" } },
  {
    name: "get with a query",
    method: "Get",
    request: { id: "7", name: "a b&c=d+e/ü", userId: "u", tags: ["x", "y z"], child },
  },
  { name: "get with a space and ü in the path", method: "Get", request: { id: "a b ü" } },
  { name: "get with reserved characters in the path", method: "Get", request: { id: "a/b?c#d%2F" } },
  { name: "post, body *", method: "Create", request: { id: "7", name: "n", tags: ["x"], child } },
  { name: "put, body a field", method: "Update", request: { id: "7", child } },
  { name: "put, body a field, and the rest", method: "Update", request: { id: "7", name: "n", child } },
  { name: "delete", method: "Delete", request: { id: "7", name: "n" } },
  { name: "patch, body * and a variable", method: "Patch", request: { id: "7", name: "n", child } },
  { name: "nested variables", method: "Nested", request: { id: "7", child: { name: "c", child: { name: "d" } } } },
  {
    name: "response_body a message",
    method: "ReplyField",
    request: { id: "7", child: { name: "c", size: 3 } },
    httpReply: { child: { name: "c", size: 3 } },
  },
  {
    name: "response_body a list",
    method: "ReplyList",
    request: { id: "7", tags: ["x", "y"] },
    httpReply: { tags: ["x", "y"] },
  },
  { name: "a verb after the path", method: "Cancel", request: { id: "7", name: "n" } },
  { name: "a variable whose JSON name differs", method: "SnakeVariable", request: { userId: "7", name: "n" } },
  { name: "a variable with a pattern", method: "Pattern", request: { name: "shelves/3", id: "7" } },
];

export const ruleCases: Case[] = ruleSamples.map(({ name, method, request, httpReply = request }) => ({
  name: `rule: ${name}`,
  async run(pair) {
    assertReply(await callRules(pair, method, request), pair.protocol === "http" ? httpReply : request);
  },
}));
