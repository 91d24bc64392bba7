import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, mock, test } from "node:test";
import { createLogger, type Logger, logLevelRoute, logLevels } from "@clew/log";

afterEach(() => {
  for (const name of Object.keys(logLevels.list().set)) logLevels.clear(name);
});

function capture(name?: string): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const destination = { write: (line: string) => lines.push((JSON.parse(line) as { msg: string }).msg) };
  return {
    logger: createLogger({ level: "info", pretty: false, destination, ...(name === undefined ? {} : { name }) }),
    lines,
  };
}

test("a level set by name counts for the loggers of that name and below, until it is cleared", () => {
  const { logger, lines } = capture("shop");
  const database = logger.with({ name: "shop.db" });
  const other = capture("shopping");
  const all = (message: string): void => {
    for (const one of [logger, database, other.logger]) one.debug(message);
  };
  logLevels.set("shop", "debug");
  all("one");
  assert.deepEqual([lines, other.lines], [["one", "one"], []]);
  logLevels.set("shop.db", "error");
  assert.deepEqual([logger.level, database.level, database.with({ a: 1 }).level], ["debug", "error", "error"]);
  logLevels.set("*", "silent");
  other.logger.error("two");
  assert.deepEqual(other.lines, []);
  for (const name of ["shop", "shop.db", "*"]) logLevels.clear(name);
  all("three");
  assert.deepEqual([logger.level, database.level, lines.length], ["info", "info", 2]);
});

test("what is set by name wins over what the code sets, and the code's is back afterwards", () => {
  const { logger } = capture("cart");
  logLevels.set("cart", "debug");
  logger.level = "error";
  assert.equal(logger.level, "debug");
  logLevels.clear("cart");
  assert.equal(logger.level, "error");
});

test("a level may be set for a time", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const { logger } = capture("timed");
    logLevels.set("timed", "debug", 1000);
    mock.timers.tick(999);
    assert.equal(logger.level, "debug");
    mock.timers.tick(1);
    assert.equal(logger.level, "info");
    logLevels.set("timed", "debug", 1000);
    logLevels.set("timed", "warn");
    mock.timers.tick(1000);
    assert.equal(logger.level, "warn", "the first one's end is not the second one's");
  } finally {
    mock.timers.reset();
  }
});

test("a level that is none is refused", () => {
  assert.throws(() => logLevels.set("shop", "loud" as "info"), { code: "CLEW_LOG_LEVEL" });
});

test("the list names what there is, and ten thousand names are not kept", () => {
  const { logger } = capture("listed");
  const child = logger.with({ name: "listed.child" });
  child.level = "warn";
  assert.deepEqual([logLevels.list().loggers.listed, logLevels.list().loggers["listed.child"]], ["info", "warn"]);
  const many = Array.from({ length: 10_000 }, (_, index) => logger.with({ name: `user ${index}` }));
  assert.ok(Object.keys(logLevels.list().loggers).length <= 1000);
  assert.equal(many.length, 10_000);
});

test("the route tells the levels and sets them", async (context) => {
  const { logger } = capture("routed");
  const route = logLevelRoute();
  assert.deepEqual([route.verb, route.path], ["*", "/log/level"]);
  const server = createServer((request, response) => void route.handle(request, response)).listen(0, "127.0.0.1");
  context.after(() => server.close());
  await once(server, "listening");
  const send = async (method: string, body?: string): Promise<[number, Record<string, unknown>]> => {
    const { port } = server.address() as AddressInfo;
    const init = { method, headers: { connection: "close" }, ...(body === undefined ? {} : { body }) };
    const response = await fetch(`http://127.0.0.1:${port}/`, init);
    return [response.status, (await response.json()) as Record<string, unknown>];
  };
  const [status, before] = await send("GET");
  assert.deepEqual([status, (before.loggers as Record<string, string>).routed, before.set], [200, "info", {}]);
  const [, after] = await send("PUT", '{"name": "routed", "level": "debug", "forMs": 60000}');
  assert.deepEqual([after.set, logger.level], [{ routed: "debug" }, "debug"]);
  assert.equal((await send("PUT", '{"name": "routed", "level": null}'))[0], 200);
  assert.equal(logger.level, "info");
  await send("PUT", '{"level": "ERROR"}');
  assert.equal(logger.level, "error");
  const wrong = [
    "",
    "x",
    "null",
    "[]",
    '{"level": "loud"}',
    '{"level": 1}',
    '{"name": "", "level": "info"}',
    '{"name": 1}',
    '{"level": "info", "forMs": -1}',
    `{"level": "info", "x": "${"y".repeat(5000)}"}`,
  ];
  for (const body of wrong) {
    const [code, error] = await send("PUT", body);
    assert.deepEqual([code, error.code, error.reason, typeof error.message], [400, 400, "LOG_LEVEL", "string"], body);
  }
  assert.equal((await send("POST", "{}"))[0], 405);
  assert.equal(logger.level, "error");
});
