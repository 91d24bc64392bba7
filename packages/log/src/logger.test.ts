import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Context, run } from "@clew/context";
import { trace } from "@opentelemetry/api";
import { createLogger, type Logger, type LoggerOptions, silentLogger } from "./logger.ts";

/** A logger and the lines it wrote. */
function capture(options: LoggerOptions = {}): {
  logger: Logger;
  lines: string[];
  last: () => Record<string, unknown>;
} {
  const lines: string[] = [];
  const logger = createLogger({ level: "info", ...options, destination: { write: (line) => lines.push(line) } });
  return { logger, lines, last: () => JSON.parse(lines.at(-1)!) as Record<string, unknown> };
}

test("a line is one JSON object: level, time, name, fields, msg", () => {
  mock.timers.enable({ apis: ["Date"], now: Date.UTC(2026, 0, 2, 3, 4, 5, 678) });
  try {
    const { logger, lines } = capture({ name: "user", fields: { region: "eu" } });
    logger.info("100% of %s done", { count: 2, ok: true });
    assert.deepEqual(lines, [
      '{"level":"info","time":"2026-01-02T03:04:05.678Z","name":"user","region":"eu","count":2,"ok":true,"msg":"100% of %s done"}\n',
    ]);
  } finally {
    mock.timers.reset();
  }
});

test("each method writes its level as text", () => {
  const { logger, lines } = capture({ level: "debug" });
  logger.debug("m");
  logger.info("m");
  logger.warn("m");
  logger.error("m");
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { level: string }).level),
    ["debug", "info", "warn", "error"],
  );
});

test("a line has no newline but its last, whatever the message", () => {
  const { logger, lines } = capture();
  logger.info("one\ntwo\u2028", { text: "a\nb", "ke\ny": 1 });
  assert.equal(lines.length, 1);
  assert.equal(lines[0]!.indexOf("\n"), lines[0]!.length - 1);
  assert.equal((JSON.parse(lines[0]!) as { msg: string }).msg, "one\ntwo\u2028");
});

test("lines below the level are not written, and silent writes none", () => {
  const { logger, lines } = capture({ level: "warn" });
  logger.debug("m");
  logger.info("m");
  logger.warn("m");
  assert.equal(lines.length, 1);
  logger.level = "silent";
  logger.error("m");
  assert.equal(lines.length, 1);
});

test("the level can be set at run time; children follow until they are set themselves", () => {
  const { logger, lines } = capture();
  const child = logger.with({ a: 1 });
  const grandchild = child.with({ b: 2 });
  logger.level = "debug";
  assert.equal(grandchild.level, "debug");
  grandchild.debug("m");
  assert.equal(lines.length, 1);
  child.level = "error";
  assert.equal(logger.level, "debug");
  grandchild.warn("m");
  assert.equal(lines.length, 1);
  logger.info("m");
  assert.equal(lines.length, 2);
});

test("LOG_LEVEL is the default level, in any case; an option wins over it", () => {
  const before = process.env.LOG_LEVEL;
  try {
    process.env.LOG_LEVEL = "Warn";
    assert.equal(createLogger().level, "warn");
    assert.equal(createLogger({ level: "debug" }).level, "debug");
    process.env.LOG_LEVEL = "";
    assert.equal(createLogger().level, "info");
    process.env.LOG_LEVEL = "loud";
    assert.throws(() => createLogger(), {
      code: "CLEW_LOG_LEVEL",
      message: 'LOG_LEVEL is "loud"; it must be one of debug, info, warn, error, silent',
    });
  } finally {
    if (before === undefined) delete process.env.LOG_LEVEL;
    else process.env.LOG_LEVEL = before;
  }
});

test("an option that there is not, or of another kind, is refused by its name", () => {
  const cases: [unknown, string][] = [
    ["info", 'the options of createLogger are "info"; they must be an object with any of name, level, destination, '],
    [{ lvl: "info" }, "createLogger has no option lvl; its options are name, level, destination, "],
    [{ name: 5 }, "option name is 5; it must be a string"],
    [{ destination: "log.txt" }, 'option destination is "log.txt"; it must be a destination, which has write()'],
    [{ pretty: "yes" }, 'option pretty is "yes"; it must be true or false'],
    [{ fields: [1] }, "option fields is a list; it must be an object"],
    [{ redact: "password" }, 'option redact is "password"; it must be a list of keys and paths'],
    [{ redact: [5] }, "option redact[0] is 5; it must be a string"],
    [{ redactValues: [5] }, "option redactValues[0] is 5; it must be a string or a regular expression"],
    [{ filter: true }, "option filter is true; it must be a function"],
    [{ maxLineChars: "500" }, 'option maxLineChars is "500"; it must be a number from 100'],
    [{ maxLineChars: 10 }, "option maxLineChars is 10; it must be a number from 100"],
    [{ writer: {} }, "option writer is an object; it must be a function"],
    [{ also: [{}] }, "option also[0] is an object; it must be a function"],
  ];
  for (const [options, message] of cases) {
    assert.throws(
      () => createLogger(options as never),
      (error: Error & { code?: string }) => error.code === "CLEW_LOG_OPTION" && error.message.startsWith(message),
      message,
    );
  }
  createLogger({ name: undefined, pretty: undefined, also: undefined } as never);
});

test("a level that is none is refused, at the start and at run time", () => {
  assert.throws(() => createLogger({ level: "verbose" as "info" }), { code: "CLEW_LOG_LEVEL" });
  const { logger } = capture();
  assert.throws(() => {
    logger.level = "verbose" as "info";
  }, /level is "verbose"; it must be one of/);
  assert.equal(logger.level, "info");
});

test("with() adds fields; the line's own win, and no key is written twice", () => {
  const { logger, lines, last } = capture({ fields: { a: 0 } });
  const child = logger.with({ a: 1, b: 1 });
  child.info("m", { b: 2, c: 2 });
  const { time: _, ...rest } = last();
  assert.deepEqual(rest, { level: "info", a: 1, b: 2, c: 2, msg: "m" });
  assert.equal(lines[0]!.match(/"b":/g)?.length, 1);
  logger.info("m");
  assert.equal(last().a, 0);
  assert.equal(last().b, undefined);
});

test("fields cannot take the place of level, time and msg, nor break the line", () => {
  const { logger, last } = capture();
  logger.info("real", { level: "x", time: 1, msg: "fake", constructor: "c", toString: "t", __proto__: null });
  const line = last();
  assert.equal(line.level, "info");
  assert.equal(line.msg, "real");
  assert.equal(line.level_, "x");
  assert.equal(line.time_, 1);
  assert.equal(line.msg_, "fake");
  assert.equal(line.constructor_, "c");
  assert.equal(line.toString_, "t");
});

test("an error under any key is written with its code and cause", () => {
  const { logger, last } = capture();
  const error = Object.assign(new Error("no user", { cause: new Error("lost") }), {
    code: 404,
    reason: "USER_NOT_FOUND",
  });
  logger.error("call failed", { err: error, error });
  for (const key of ["err", "error"]) {
    const written = last()[key] as { code: number; reason: string; cause: { message: string } };
    assert.equal(written.code, 404);
    assert.equal(written.reason, "USER_NOT_FOUND");
    assert.equal(written.cause.message, "lost");
  }
});

test("nothing that is logged throws into the app", () => {
  const { logger, lines, last } = capture();
  const fields = {
    get bad(): string {
      throw new Error("no");
    },
    fine: 1,
  };
  logger.info("m", fields);
  assert.match(String(last().bad), /^\[threw/);
  assert.equal(last().fine, 1);
  logger.with(fields).info("m");
  assert.equal(last().fine, 1);
  logger.info(Symbol("s") as unknown as string);
  logger.info(undefined as unknown as string);
  logger.info("m", null as unknown as Record<string, unknown>);
  logger.info(
    "m",
    new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error("no");
        },
      },
    ),
  );
  assert.equal(lines.length, 6);
  const broken = createLogger({
    level: "info",
    destination: {
      write: () => {
        throw new Error("disk full");
      },
    },
  });
  broken.info("m");
});

test("keys are masked in fields, bound fields and below; the default masks credentials", () => {
  const { logger, lines } = capture({ fields: { Authorization: "s3cret" } });
  logger
    .with({ headers: { cookie: "s3cret", "Set-Cookie": ["s3cret"] } })
    .info("m", { password: "s3cret", user: "ann" });
  assert.doesNotMatch(lines[0]!, /s3cret/);
  assert.equal(lines[0]!.match(/"\*\*\*"/g)?.length, 4);
  const own = capture({ redact: ["Token"] });
  own.logger.info("m", { token: "s3cret", password: "shown" });
  assert.equal(own.last().token, "***");
  assert.equal(own.last().password, "shown");
});

const spanContext = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7", traceFlags: 1 };

test("a line written under a span has its ids, and others have none", () => {
  const { logger, last } = capture();
  const context = trace.setSpanContext(Context.root, spanContext) as Context;
  run(context, () => logger.info("m"));
  assert.equal(last().trace_id, spanContext.traceId);
  assert.equal(last().span_id, spanContext.spanId);
  logger.info("m");
  assert.equal("trace_id" in last(), false);
  const invalid = { ...spanContext, traceId: "0".repeat(32) };
  run(trace.setSpanContext(Context.root, invalid) as Context, () => logger.info("m"));
  assert.equal("trace_id" in last(), false);
});

test("the silent logger takes everything and stays silent", () => {
  silentLogger.level = "debug";
  assert.equal(silentLogger.level, "silent");
  silentLogger.error("m", { a: 1 });
  assert.equal(silentLogger.with({ a: 1 }), silentLogger);
});
