import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

/** Whether this process is the child in which code from strings is disallowed. */
export const isInterpreted: boolean = process.execArgv.includes("--disallow-code-generation-from-strings");

/** Runs the tests of this file once more, in a child process where code from strings is disallowed. */
export function testWithoutCodeGeneration(file: string): void {
  if (isInterpreted) return;
  test("without code generation all of this holds as well", () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const args = ["--disallow-code-generation-from-strings", file];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8", env });
    assert.equal(status, 0, stdout);
    assert.match(stdout, /pass [1-9]/);
  });
}
