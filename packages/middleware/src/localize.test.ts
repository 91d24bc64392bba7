import assert from "node:assert/strict";
import { test } from "node:test";
import { LocalizedMessageSchema, localized, ServiceError } from "@clew/rpc";
import { answer, fail, hello, invoke } from "../test/invoke.ts";
import { TestCall } from "../test/test-call.ts";
import { localize } from "./localize.ts";

const messages = {
  de: { USER_NOT_FOUND: "Niemand heißt {user}; {other} bleibt." },
  "de-CH": { USER_NOT_FOUND: "Niemand heisst {user}." },
  en: { USER_NOT_FOUND: "Nobody is called {user}." },
};
const error = new ServiceError(404, "USER_NOT_FOUND", "no user ann", { metadata: { user: "ann" } });

async function told(header: string | undefined, thrown: unknown = error, fallback?: string): Promise<unknown> {
  const call = new TestCall("server", header === undefined ? {} : { "accept-language": header });
  const middleware = localize({ messages, ...(fallback !== undefined && { fallback }) });
  return invoke(middleware, fail(thrown), call).then(
    () => assert.fail("it did not fail"),
    (given: unknown) => given,
  );
}

test("an error tells people what happened in the language they like best", async () => {
  for (const [header, text] of [
    ["de", "Niemand heißt ann; {other} bleibt."],
    ["de-CH, en;q=0.9", "Niemand heisst ann."],
    ["de-AT-1996, en;q=0.5", "Niemand heißt ann; {other} bleibt."],
    ["fr, DE-ch;q=0.3, en; q=0.8", "Nobody is called ann."],
    ["en;q=0, de;q=0.1", "Niemand heißt ann; {other} bleibt."],
  ] as const) {
    const given = (await told(header)) as ServiceError;
    assert.equal(given.detail(LocalizedMessageSchema)?.message, text, header);
    assert.deepEqual([given.code, given.reason, given.message], [404, "USER_NOT_FOUND", "no user ann"]);
  }
});

test("without a language that is known the fallback is told, or nothing", async () => {
  for (const header of [undefined, "", "fr", "*", ";;q=x,,", "__proto__"]) {
    assert.equal(await told(header), error, header);
    const given = (await told(header, error, "en")) as ServiceError;
    assert.equal(given.detail(LocalizedMessageSchema)?.locale, "en", header);
  }
  assert.throws(() => localize({ messages, fallback: "fr" }), { code: "CLEW_MIDDLEWARE_OPTION" });
});

test("a range without end is none, and costs nothing", async () => {
  // So many parts that work which grows with their square would not end.
  const given = (await told(`de-${"a-".repeat(1_000_000)}b, en`)) as ServiceError;
  assert.equal(given.detail(LocalizedMessageSchema)?.locale, "en");
});

test("what has a message already, no text, or is no ServiceError stays itself", async () => {
  const own = error.withDetails(localized("fr", "Personne"));
  const other = new ServiceError(404, "toString", "?");
  for (const thrown of [own, other, new TypeError("x"), null]) assert.equal(await told("de", thrown), thrown);
  assert.equal(await invoke(localize({ messages }), answer, new TestCall("server")), hello);
});
