import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

/** Runs a program with a reading thread; rejects when it does not end by itself. */
async function runProgram(program: string): Promise<string> {
  const file = JSON.stringify(new URL("./thread.ts", import.meta.url));
  const code = `import { Thread } from ${file}; const thread = new Thread("reader-thread", () => {}); ${program}`;
  const args = ["--disable-warning=ExperimentalWarning", "--input-type=module-typescript", "--eval", code];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
  return stdout.trim();
}

test("a thread that nobody asks, and one that has answered, keep no process alive", async () => {
  assert.equal(await runProgram('console.log("idle");'), "idle");
  const asks = 'await thread.call("nothing", []).catch(() => {}); console.log("answered");';
  assert.equal(await runProgram(asks), "answered");
});

test("one that is asked does, until it has answered", async () => {
  const asks = 'thread.call("nothing", []).catch((error) => console.log(error instanceof Error));';
  assert.equal(await runProgram(asks), "true");
});
