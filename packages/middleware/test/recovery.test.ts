import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

test("without a logger recovery writes what was thrown to standard output: nobody else may tell of it", async () => {
  const program = `
    import { recovery } from "@clew/middleware";
    const answer = recovery()(async () => { throw new TypeError("price is undefined"); });
    await answer({ operation: "/shop.Orders/Place" }).catch((error) => console.error(error.message));
  `;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: import.meta.dirname,
    env: { ...process.env, LOG_LEVEL: "error" },
  });
  assert.equal(stderr, "unknown request error\n");
  const { level, operation, error } = JSON.parse(stdout) as { level: string; operation: string; error: Error };
  assert.deepEqual([level, operation, error.message], ["error", "/shop.Orders/Place", "price is undefined"]);
  assert.match(error.stack ?? "", /TypeError: price is undefined\n/);
});
