import assert from "node:assert/strict";
import { test } from "node:test";
import { ServiceError } from "@clew/rpc";
import { encodeError, endFrame, parseError, readControl, toCloseReason } from "./control.ts";

const failure = new ServiceError(404, "BOOK_NOT_FOUND", "no book", { metadata: { shelf: "a b", id: "7" } });

test("the frames of Kratos 3, and one that says all", () => {
  assert.equal(endFrame, "\x1eend");
  assert.deepEqual(encodeError(failure), [
    "\x1eerror:error: code = 404 reason = BOOK_NOT_FOUND message = no book metadata = map[id:7 shelf:a b] cause = <nil>",
    '\x1estatus:{"code":404,"reason":"BOOK_NOT_FOUND","message":"no book","metadata":{"shelf":"a b","id":"7"}}',
  ]);
});

test("reads control frames; what is none is a message", () => {
  const [errorFrame, statusFrame] = encodeError(failure);
  assert.deepEqual(readControl("\x1eend"), { kind: "end" });
  assert.deepEqual(readControl(errorFrame), { kind: "error", text: errorFrame.slice(7) });
  const control = readControl(statusFrame);
  assert.deepEqual(control?.kind === "status" && control.error.toJSON(), failure.toJSON());
  for (const text of ["\x1e", "\x1eend ", "\x1estatus:", "\x1estatus:1"]) {
    assert.deepEqual(readControl(text), { kind: "unknown" });
  }
  for (const text of ["", "{}", "end", " \x1eend"]) assert.equal(readControl(text), undefined);
});

test("an error of Go Kratos is read from its text", () => {
  const [errorFrame] = encodeError(failure);
  assert.deepEqual(parseError(errorFrame.slice(7)).toJSON(), failure.toJSON());
  const go = 'error: code = 500 reason =  message = a\nb metadata = map[] cause = dial "x"';
  assert.deepEqual(parseError(go).toJSON(), { code: 500, reason: "", message: "a\nb", metadata: {} });
  assert.deepEqual(parseError("EOF").toJSON(), { code: 500, reason: "UNKNOWN", message: "EOF", metadata: {} });
});

test("an error whose text begins its metadata again and again is read in one go", () => {
  // So often that work which grows with the square would not end.
  const message = `a${" metadata = map[".repeat(100_000)}b`;
  const head = "error: code = 404 reason = R message = ";
  assert.equal(parseError(`${head}${message}`).reason, "UNKNOWN");
  const told = parseError(`${head}${message} metadata = map[k:v] cause = <nil>`);
  assert.deepEqual(told.toJSON(), { code: 404, reason: "R", message, metadata: { k: "v" } });
  const late = parseError(`${head}a] cause = b metadata = map[k:v] cause = <nil>`);
  assert.deepEqual([late.message, late.metadata], ["a] cause = b", { k: "v" }]);
});

test("the text of a close frame is at most 123 bytes and no half character", () => {
  assert.equal(toCloseReason("short"), "short");
  const cut = toCloseReason("ü".repeat(100));
  assert.ok(Buffer.byteLength(cut) <= 123);
  assert.match(cut, /^ü+$/);
});
