import assert from "node:assert/strict";
import { test } from "node:test";
import { Context, run } from "@clew/context";
import { caller, createLogger, type Logger, type LoggerOptions, spanId, timestamp, traceId } from "@clew/log";
import { trace } from "@opentelemetry/api";

type Line = Record<string, unknown>;

function capture(options: LoggerOptions = {}): { logger: Logger; lines: Line[]; texts: string[] } {
  const lines: Line[] = [];
  const texts: string[] = [];
  const write = (line: string): void => {
    texts.push(line);
    lines.push(JSON.parse(line) as Line);
  };
  return { logger: createLogger({ level: "debug", pretty: false, ...options, destination: { write } }), lines, texts };
}

test("a function among a logger's fields is asked for each line that is written; one among a line's own never is", () => {
  let asked = 0;
  const count = (): number => ++asked;
  const { logger, lines } = capture({ fields: { count }, level: "info" });
  const child = logger.with({ child: () => "yes" });
  child.info("m");
  child.debug("not written", { more: count });
  child.info("m", { more: count, deep: { count } });
  assert.deepEqual([lines[0]!.count, lines[0]!.child], [1, "yes"]);
  assert.deepEqual([lines[1]!.count, lines[1]!.deep, asked], [2, {}, 2]);
  assert.equal("more" in lines[1]!, false);
});

test("a function that throws or finds nothing costs its own field only", () => {
  const { logger, lines } = capture({
    fields: {
      broken: () => {
        throw new Error("no");
      },
      nothing: () => undefined,
      fine: () => ({ deep: [1] }),
    },
  });
  logger.info("m");
  assert.equal(lines[0]!.broken, "[threw Error: no]");
  assert.equal("nothing" in lines[0]!, false);
  assert.deepEqual(lines[0]!.fine, { deep: [1] });
});

test("a child's field takes the place of a function of its name, and the other way round", () => {
  const { logger, texts, lines } = capture({ fields: { a: () => 1, b: 1 } });
  logger.with({ a: 2, b: () => 2 }).info("m");
  assert.deepEqual([lines[0]!.a, lines[0]!.b], [2, 2]);
  assert.equal(texts[0]!.match(/"a":/g)?.length, 1);
  assert.equal(texts[0]!.match(/"b":/g)?.length, 1);
});

test("caller is the file and line that logged, also through a wrapper that is to be skipped", () => {
  const { logger, lines } = capture({ fields: { caller: caller() } });
  logger.info("m");
  logger.with({ a: 1 }).warn("m");
  const own = /(^|\/)fields\.test\.ts:(\d+)$/;
  const [first, second] = lines.map((line) => own.exec(String(line.caller)));
  assert.equal(Number(second![2]) - Number(first![2]), 1);
  const skipping = capture({ fields: { caller: caller({ skip: /fields\.test/ }) } });
  skipping.logger.info("m");
  assert.doesNotMatch(String(skipping.lines[0]!.caller), own);
});

test("the time in another form, and the ids under other names", () => {
  const { logger, lines } = capture({
    fields: {
      iso: timestamp("iso"),
      unix: timestamp("unix"),
      ms: timestamp("unixms"),
      ns: timestamp("unixns"),
      year: timestamp((now) => now.getUTCFullYear()),
      "dd.trace_id": traceId(),
      "dd.span_id": spanId(),
    },
  });
  const span = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7", traceFlags: 1 };
  const before = Date.now();
  run(trace.setSpanContext(Context.root, span) as Context, () => logger.info("m"));
  logger.info("m");
  const [line, without] = lines;
  assert.ok(Date.parse(String(line!.iso)) >= before);
  assert.ok(Number(line!.unix) * 1000 >= before && Number(line!.ms) >= before);
  assert.match(String(line!.ns), /^\d{19}$/);
  assert.ok(Number(line!.year) >= 2026);
  assert.deepEqual([line!["dd.trace_id"], line!["dd.span_id"]], [span.traceId, span.spanId]);
  assert.equal("dd.trace_id" in without!, false);
});

test("keys are masked anywhere and paths where they are, with * for any key", () => {
  const { logger, lines } = capture({ redact: ["Token", "user.cards.*.number", "user.name", "a.b.c"] });
  logger.info("m", {
    user: { name: "ann", nick: "a", cards: [{ number: "4111", kind: "x" }, { number: "4222" }], token: "t" },
    name: "shown",
    number: "shown",
    a: { b: { c: { deep: "hidden" }, d: "shown" } },
    list: [{ TOKEN: "t" }],
    error: Object.assign(new Error("no"), { token: "t" }),
  });
  const line = lines[0]!;
  assert.deepEqual(line.user, {
    name: "***",
    nick: "a",
    cards: [{ number: "***", kind: "x" }, { number: "***" }],
    token: "***",
  });
  assert.deepEqual([line.name, line.number], ["shown", "shown"]);
  assert.deepEqual(line.a, { b: { c: "***", d: "shown" } });
  assert.deepEqual(line.list, [{ TOKEN: "***" }]);
  assert.equal((line.error as Line).token, "***");
});

test("what a function finds is masked too", () => {
  const { logger, lines } = capture({ fields: { password: () => "s3cret", user: () => ({ password: "s3cret" }) } });
  logger.info("m");
  assert.deepEqual([lines[0]!.password, lines[0]!.user], ["***", { password: "***" }]);
});

test("values are masked wherever they stand, in the message as well", () => {
  const { logger, lines } = capture({ redactValues: ["s3cret", /\b\d{4}-\d{4}\b/y, /Bearer \S+/gi] });
  logger.info("card 1234-5678 and 8765-4321", {
    a: "s3cret",
    b: "not s3cret at all",
    c: ["x 1111-2222", { header: "bearer abc" }],
    error: new Error("Bearer abc is wrong"),
  });
  const line = lines[0]!;
  assert.equal(line.msg, "card *** and ***");
  assert.deepEqual([line.a, line.b, line.c], ["***", "not s3cret at all", ["x ***", { header: "***" }]]);
  assert.equal((line.error as Line).message, "*** is wrong");
});

test("a filter lets lines through or not, by level, message and fields; one that throws lets them through", () => {
  const { logger, lines } = capture({
    filter: ({ level, message, fields }) => {
      if (message === "throw") throw new Error("no");
      return level === "error" || fields.path !== "/healthz";
    },
  });
  logger.info("call", { path: "/healthz" });
  logger.error("call", { path: "/healthz" });
  logger.with({ path: "/healthz" }).info("call");
  logger.info("call", { path: "/" });
  logger.info("throw", { path: "/healthz" });
  assert.deepEqual(
    lines.map((line) => [line.level, line.msg, line.path]),
    [
      ["error", "call", "/healthz"],
      ["info", "call", "/"],
      ["info", "throw", "/healthz"],
    ],
  );
});

test("a line is never much longer than its bound, whatever is logged, and stays JSON", () => {
  const { logger, texts, lines } = capture({ maxLineChars: 1000, fields: { bound: "b".repeat(400) } });
  const huge = "x".repeat(1_000_000);
  const wide = Object.fromEntries(Array.from({ length: 900 }, (_, index) => [`key${index}`, index]));
  const cases: [string, Record<string, unknown>][] = [
    [huge, { a: 1 }],
    ["m", { huge }],
    ["m", { list: Array.from({ length: 900 }, () => "0123456789") }],
    ["m", { wide }],
    ["m", { controls: "\u0001".repeat(10_000) }],
    ["m", { emoji: "😀".repeat(10_000) }],
    ["m", { a: huge, b: huge, c: [huge, { huge }] }],
    ["m", { [huge]: 1 }],
    ["m", wide],
  ];
  for (const [message, fields] of cases) logger.info(message, fields);
  assert.equal(lines.length, cases.length);
  for (const text of texts) assert.ok(text.length < 2000, `${text.length}: ${text.slice(0, 200)}`);
  assert.match(String(lines[0]!.msg), /x\[cut 999\d{3}\]$/);
  assert.match(String(lines[1]!.huge), /^x+\[cut \d+\]$/);
  assert.match(String(lines[5]!.emoji), /^(😀)+\[cut \d+\]$/u);
  assert.throws(() => createLogger({ maxLineChars: 10 }), { code: "CLEW_LOG_OPTION" });
});

test("every line goes to all writers, and one that fails does not keep the others from it", () => {
  const { logger, lines } = capture({
    also: [
      () => {
        throw new Error("no");
      },
      (level, message, fields, span) => void kept.push([level, message, fields.a, span?.traceId]),
    ],
  });
  const kept: unknown[][] = [];
  const span = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7", traceFlags: 1 };
  run(trace.setSpanContext(Context.root, span) as Context, () => logger.with({ a: 1 }).info("m"));
  assert.equal(lines.length, 1);
  assert.deepEqual(kept, [["info", "m", 1, span.traceId]]);
});
