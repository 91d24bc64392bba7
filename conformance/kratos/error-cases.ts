// Errors, and tokens that are taken or refused.
import assert from "node:assert/strict";
import { assertFailure, assertReply, type Case, callBehaviour, type Pair } from "./pair.ts";

const tableCodes = [400, 401, 403, 404, 409, 412, 429, 499, 500, 501, 503, 504];
const otherCodes = [402, 405, 410, 415, 418, 422, 451, 502];

/** What of a code arrives over gRPC where Kratos is one of the two: its table, there and back. */
function codeOverGrpc({ client, server }: Pair, code: number): number {
  if (client.name === "clew" && server.name === "clew") return code;
  if (code === 412) return server.name === "kratos" ? 500 : 400;
  return tableCodes.includes(code) ? code : 500;
}

const codeCases: Case[] = [...tableCodes, ...otherCodes].map((code) => ({
  name: `error: ${code}`,
  async run(pair) {
    const told = { reason: "USER_NOT_FOUND", message: "no user ü % \n", metadata: { user: "ann", ключ: "значение" } };
    const failure = assertFailure(
      await callBehaviour(pair, "Fail", { code, ...told }),
      pair.protocol === "http" ? code : codeOverGrpc(pair, code),
      told.reason,
    );
    assert.equal(failure.message, told.message);
    assert.deepEqual(failure.metadata, told.metadata);
  },
}));

const edgeCases: Case[] = [
  {
    name: "error: no reason, message or metadata",
    async run(pair) {
      const failure = assertFailure(await callBehaviour(pair, "Fail", { code: 404 }), 404, "");
      assert.equal(failure.message, "");
      assert.deepEqual(failure.metadata ?? {}, {});
    },
  },
  {
    name: "error: a message with blanks at its ends",
    async run(pair) {
      const failure = assertFailure(await callBehaviour(pair, "Fail", { code: 404, message: " no user  " }), 404);
      assert.equal(failure.message, " no user  ");
    },
  },
  {
    name: "error: a handler breaks",
    async run(pair) {
      const failure = assertFailure(await callBehaviour(pair, "Panic", {}), 500, "UNKNOWN");
      assert.equal(failure.message, "unknown request error");
    },
  },
  {
    name: "error: 400 VALIDATOR",
    run: async (pair) => void assertFailure(await callBehaviour(pair, "Validated", { name: "ab" }), 400, "VALIDATOR"),
  },
  {
    name: "error: a valid request passes",
    run: async (pair) => assertReply(await callBehaviour(pair, "Validated", { name: "abc" }), {}),
  },
  {
    name: "error: 429 RATELIMIT",
    async run(pair) {
      const failure = assertFailure(await callBehaviour(pair, "Limited", {}), 429, "RATELIMIT");
      assert.equal(failure.message, "service unavailable due to rate limit exceeded");
    },
  },
  {
    name: "error: 503 CIRCUITBREAKER",
    async run(pair) {
      const fail = { code: 503, reason: "DOWN" };
      const failure = assertFailure(await callBehaviour(pair, "Fail", fail, { breaker: 1000 }), 503, "CIRCUITBREAKER");
      assert.equal(failure.message, "request failed due to circuit breaker triggered");
    },
  },
];

export const errorCases: readonly Case[] = [...codeCases, ...edgeCases];

export const tokenCases: Case[] = [
  {
    name: "jwt: a token of the other side is taken",
    run: async (pair) =>
      assertReply(await callBehaviour(pair, "Guarded", {}, { secret: "interop", subject: "ann" }), { subject: "ann" }),
  },
  {
    name: "jwt: none is 401",
    async run(pair) {
      const failure = assertFailure(await callBehaviour(pair, "Guarded", {}), 401, "UNAUTHORIZED");
      assert.equal(failure.message, "JWT token is missing");
    },
  },
  {
    name: "jwt: another secret is 401",
    async run(pair) {
      const wrong = { secret: "another", subject: "ann" };
      assertFailure(await callBehaviour(pair, "Guarded", {}, wrong), 401, "UNAUTHORIZED");
    },
  },
];
