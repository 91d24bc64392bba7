// A collector that is given no logger tells of what fails, and leaves what it refuses to who sent it.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { withFolder } from "./running-collector.ts";

const program = `
  import { Collector } from "@clew/collector";
  let isBroken = false;
  const now = () => {
    if (isBroken) throw new TypeError("no clock");
    return Date.now();
  };
  const local = "127.0.0.1:0";
  const collector = new Collector({ address: local, otlpAddress: local, data: process.env.DATA, now });
  await collector.start();
  isBroken = true;
  const failed = await fetch(new URL("/api/traces?service=a&lookback=1h", collector.endpoint()));
  const refused = await fetch(new URL("/v1/traces", collector.otlpEndpoint()), { method: "POST", body: "no spans" });
  console.error(failed.status, refused.status);
  isBroken = false;
  await collector.stop(AbortSignal.timeout(10_000));
`;

interface Line {
  readonly level: string;
  readonly name: string;
  readonly msg: string;
  readonly error?: { readonly stack: string };
}

async function linesOf(level: Record<string, string>): Promise<Line[]> {
  const { LOG_LEVEL: _, ...inherited } = process.env;
  let lines: Line[] = [];
  await withFolder(async (folder) => {
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "--no-warnings", "--eval", program],
      { cwd: import.meta.dirname, env: { ...inherited, ...level, DATA: join(folder, "traces.db") } },
    );
    assert.equal(stderr, "500 415\n");
    lines = stdout
      .split("\n")
      .filter((text) => text !== "")
      .map((line) => JSON.parse(line) as Line);
  });
  return lines;
}

test("a collector that is given no logger tells of a defect on standard output", async () => {
  const [line, ...others] = await linesOf({});
  assert.deepEqual(others, []);
  assert.deepEqual([line?.level, line?.name, line?.msg], ["error", "clew.collector", "/api/traces failed"]);
  assert.match(line?.error?.stack ?? "", /^TypeError: no clock\n +at /);
});

test("LOG_LEVEL holds", async () => {
  assert.deepEqual(
    (await linesOf({ LOG_LEVEL: "warn" })).map(({ level, msg }) => [level, msg]),
    [
      ["error", "/api/traces failed"],
      ["warn", "OTLP request refused: the content type must be application/x-protobuf or application/json"],
    ],
  );
  assert.deepEqual(await linesOf({ LOG_LEVEL: "silent" }), []);
});
