import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createLogger, type Logger } from "./logger.ts";
import { createPrettyWriter, isColored } from "./pretty.ts";

function capture(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const logger = createLogger({
    name: "user",
    level: "debug",
    pretty: true,
    destination: { write: (line) => lines.push(line) },
  });
  return { logger, lines };
}

test("lines for people are aligned: time, level, name, message, fields", () => {
  mock.timers.enable({ apis: ["Date"], now: new Date(2026, 0, 2, 3, 4, 5, 67) });
  try {
    const { logger, lines } = capture();
    logger.info("server listening", { endpoint: "http://127.0.0.1:8000" });
    logger.debug("call", { ms: 1.5, path: "a b", empty: "", list: [1] });
    logger.warn("alone");
    assert.deepEqual(lines, [
      "03:04:05.067 INFO  user  server listening                     endpoint=http://127.0.0.1:8000\n",
      '03:04:05.067 DEBUG user  call                                 ms=1.5 path="a b" empty="" list=[1]\n',
      "03:04:05.067 WARN  user  alone\n",
    ]);
  } finally {
    mock.timers.reset();
  }
});

test("an error stands below its line, with its stack, its errors and its causes", () => {
  const { logger, lines } = capture();
  const cause = new Error("connection lost");
  const error = Object.assign(new Error("no user 7", { cause }), {
    code: 404,
    reason: "USER_NOT_FOUND",
    metadata: { id: "7" },
  });
  logger.error("call failed", { error, operation: "/user.v1.User/Get" });
  const text = lines.join("");
  assert.match(text, /call failed +operation=\/user\.v1\.User\/Get\n {4}error: Error 404 USER_NOT_FOUND: no user 7\n/);
  assert.match(text, /\n {8}\{"metadata":\{"id":"7"\}\}\n {8}at /);
  assert.match(text, /\n {4}caused by: Error: connection lost\n {8}at /);
  logger.error("two", { error: new AggregateError([new Error("a"), "b"], "both", { cause: "text" }) });
  assert.match(lines[1]!, /\n {6}one of: Error: a\n/);
  assert.match(lines[1]!, /\n {6}one of: b\n/);
  assert.match(lines[1]!, /\n {4}caused by: text\n/);
});

test("control characters are shown and never sent to the terminal", () => {
  const { logger, lines } = capture();
  logger.info("a\x1b[2Jb\nc\x9bd\x7f", { "k\x1b": "v\x1b", error: new Error("e\x1b[1m\r") });
  const sent = lines.join("");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  assert.doesNotMatch(sent, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
  assert.match(sent, /a\\u001b\[2Jb\\nc\\u009bd\\u007f/);
});

test("the ids of the trace are shown, the span's is not", () => {
  const { logger, lines } = capture();
  logger.info("m", { trace_id: "4bf9", span_id: "00f0" });
  assert.match(lines[0]!, /trace_id=4bf9\n$/);
});

test("colours are written when asked for, and only then", () => {
  const lines: string[] = [];
  createPrettyWriter({ write: (line) => lines.push(line) }, true)("error", "m", { a: 1 }, undefined);
  createPrettyWriter({ write: (line) => lines.push(line) }, false)("error", "m", { a: 1 }, undefined);
  assert.ok(lines[0]!.includes("\x1b[31mERROR\x1b[0m"));
  assert.ok(!lines[1]!.includes("\x1b"));
});

test("a terminal is coloured unless NO_COLOR is set or it cannot", () => {
  assert.equal(isColored({ isTTY: true }, {}), true);
  assert.equal(isColored({ isTTY: true }, { NO_COLOR: "" }), true);
  assert.equal(isColored({ isTTY: true }, { NO_COLOR: "1" }), false);
  assert.equal(isColored({ isTTY: true }, { TERM: "dumb" }), false);
  assert.equal(isColored({}, {}), false);
});
