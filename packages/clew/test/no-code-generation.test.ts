// Where code may not be made from strings nothing is compiled, and all of it works: clients and servers of every transport, and the
// chain of three services with every middleware on.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

for (const file of ["../../transport/test/transports.test.ts", "./chain.test.ts"]) {
  test(`${file} without code generation`, async () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const args = ["--disallow-code-generation-from-strings", resolve(import.meta.dirname, file)];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env, maxBuffer: 64 * 1024 * 1024 });
    assert.match(stdout, /pass [1-9]\d/);
  });
}
