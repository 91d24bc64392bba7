import assert from "node:assert/strict";
import { test } from "node:test";
import { createLogger, type Logger, pinoWriter, redirectConsole, toConsole, toPino } from "@clew/log";
import { pino } from "pino";

type Line = Record<string, unknown>;

function capture(): { logger: Logger; lines: Line[]; brief: () => unknown[][] } {
  const lines: Line[] = [];
  const logger = createLogger({
    level: "debug",
    pretty: false,
    destination: { write: (line) => lines.push(JSON.parse(line) as Line) },
  });
  return { logger, lines, brief: () => lines.map(({ level, msg }) => [level, msg]) };
}

test("a pino instance writes the lines, with its own ways", () => {
  const lines: Line[] = [];
  const instance = pino(
    { level: "debug", base: { app: "shop" }, messageKey: "message" },
    { write: (line: string) => void lines.push(JSON.parse(line) as Line) },
  );
  const logger = createLogger({ level: "info", writer: pinoWriter(instance) });
  logger.with({ a: 1 }).warn("100% of %s", { password: "s3cret" });
  logger.debug("not written");
  const { time, ...line } = lines[0]!;
  assert.deepEqual(line, { level: 40, app: "shop", a: 1, password: "***", message: "100% of %s" });
  assert.equal(typeof time, "number");
  assert.equal(lines.length, 1);
});

test("as pino's, a logger takes both of its forms, errors, children and levels", () => {
  const { logger, lines, brief } = capture();
  const library = toPino(logger);
  library.trace("a %s %d", "b", 1);
  library.info({ id: 7 }, "found %s", "it");
  library.fatal(new Error("broken"));
  library.error(new Error("broken"), "while %s", "reading");
  library.warn({ only: "fields" });
  library.silent("nothing");
  library.info(7);
  assert.deepEqual(brief(), [
    ["debug", "a b 1"],
    ["info", "found it"],
    ["error", "broken"],
    ["error", "while reading"],
    ["warn", ""],
    ["info", ""],
  ]);
  assert.equal(lines[1]!.id, 7);
  assert.equal((lines[3]!.err as Line).message, "broken");
  assert.equal(lines[5]!.value, 7);
  const child = library.child({ module: "x" }).child({ part: "y" });
  child.info("m");
  assert.deepEqual([lines[6]!.module, lines[6]!.part], ["x", "y"]);
  assert.deepEqual(child.bindings(), { module: "x", part: "y" });
  library.level = "fatal";
  assert.equal(logger.level, "error");
  assert.deepEqual(
    ["trace", "info", "error", "fatal", "strange"].map((level) => library.isLevelEnabled(level)),
    [false, false, true, true, false],
  );
  let isFlushed = false;
  library.flush(() => {
    isFlushed = true;
  });
  assert.equal(isFlushed, true);
});

test("as a console, a logger takes formats, errors and tables", () => {
  const { logger, lines, brief } = capture();
  const console = toConsole(logger);
  console.log("%s is %d", "it", 7, { more: true });
  console.debug("d");
  console.info("i");
  console.warn("w");
  console.error("failed:", new Error("broken"));
  console.trace("t");
  console.table([{ a: 1 }]);
  console.count("calls");
  console.assert(false, "asserted");
  assert.deepEqual(brief().slice(0, 6), [
    ["info", "it is 7 { more: true }"],
    ["debug", "d"],
    ["info", "i"],
    ["warn", "w"],
    ["error", "failed: broken"],
    ["debug", "t"],
  ]);
  assert.equal((lines[4]!.error as Line).message, "broken");
  const rest = lines.slice(6).map(({ msg }) => String(msg));
  assert.match(rest[0]!, /│ a │/);
  assert.equal(rest[1], "calls: 1");
  assert.match(rest[2]!, /asserted/);
});

test("the global console can be sent to a logger, and is given back", () => {
  const { logger, brief } = capture();
  const { log, error } = globalThis.console;
  const giveBack = redirectConsole(logger);
  try {
    console.log("from a library");
    console.error("from another");
  } finally {
    giveBack();
  }
  assert.deepEqual(brief(), [
    ["info", "from a library"],
    ["error", "from another"],
  ]);
  assert.equal(globalThis.console.log, log);
  assert.equal(globalThis.console.error, error);
});
