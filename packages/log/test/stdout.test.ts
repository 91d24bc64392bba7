import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { test } from "node:test";

/** Runs a program that logs; its standard output is a pipe. */
async function runProgram(
  code: string,
  env: Record<string, string> = {},
): Promise<{ out: string; err: string; exit: number }> {
  const program = `import { createLogger } from "@clew/log";\n${code}`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: import.meta.dirname,
    env: { ...process.env, ...env },
  });
  const [out, err, [exit]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { out, err, exit: exit as number };
}

test("a piped standard output gets JSON, and every line is there when the process exits at once", async () => {
  const { out, exit } = await runProgram(`
    const a = createLogger({ name: "a" });
    const b = createLogger({ name: "b" });
    for (let n = 0; n < 500; n += 1) (n % 2 ? a : b).info("line", { n });
    process.exit(3);
  `);
  assert.equal(exit, 3);
  const lines = out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { name: string; n: number });
  assert.deepEqual(
    lines.map(({ n }) => n),
    Array.from({ length: 500 }, (_, n) => n),
  );
});

test("an exception that ends the process does not take lines with it", async () => {
  const { out, exit } = await runProgram(`createLogger().info("before"); throw new Error("defect");`);
  assert.equal(exit, 1);
  assert.match(out, /"msg":"before"/);
});

test("nobody reading standard output does not end the process", async () => {
  const program = `
    import { once } from "node:events";
    import { setTimeout as sleep } from "node:timers/promises";
    import { createLogger } from "@clew/log";
    const logger = createLogger();
    await once(process.stdin, "data");
    for (let n = 0; n < 20; n += 1) {
      logger.info("line");
      await sleep(1);
    }
    process.exitCode = 7;
    process.stdin.destroy();`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { cwd: import.meta.dirname });
  const err = text(child.stderr);
  child.stdout.destroy();
  await once(child.stdout, "close");
  child.stdin.end("go");
  const [exit] = await once(child, "close");
  assert.equal(await err, "");
  assert.equal(exit, 7);
});

test("LOG_LEVEL of the process is the level", async () => {
  const { out } = await runProgram(`createLogger().info("hidden"); createLogger().error("shown");`, {
    LOG_LEVEL: "error",
  });
  assert.doesNotMatch(out, /hidden/);
  assert.match(out, /shown/);
});

test("a flush writes everything at once: even a kill afterwards takes no line", async () => {
  const { out } = await runProgram(`
    import { flushLogs } from "@clew/log";
    const logger = createLogger();
    for (let n = 0; n < 2000; n += 1) logger.info("line", { n });
    flushLogs();
    process.kill(process.pid, "SIGKILL");
  `);
  assert.equal(out.trimEnd().split("\n").length, 2000);
});

test("a redirected console writes lines like any other", async () => {
  const { out } = await runProgram(`
    import { redirectConsole } from "@clew/log";
    redirectConsole(createLogger({ name: "app" }));
    console.log("from %s", "a library", new Error("broken"));
    console.error("wrong");
  `);
  const lines = out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    lines.map(({ level, name, msg }) => [level, name, msg]),
    [
      ["info", "app", "from a library broken"],
      ["error", "app", "wrong"],
    ],
  );
});
