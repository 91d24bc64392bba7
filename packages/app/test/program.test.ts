import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";

/** A running program.ts. It is killed when it takes longer than any test should. */
class Program {
  readonly #child: ChildProcessWithoutNullStreams;
  out = "";
  err = "";
  readonly ended: Promise<{ exit: number | null; signal: NodeJS.Signals | null }>;

  constructor(port: number, what = "plain") {
    this.#child = spawn(process.execPath, [join(import.meta.dirname, "program.ts"), String(port), what], {
      timeout: 110_000,
    });
    this.#child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      this.out += chunk;
    });
    this.#child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      this.err += chunk;
    });
    this.ended = once(this.#child, "close").then(([exit, signal]) => ({ exit, signal }));
  }

  /** Waits until standard output matches. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.out);
      if (match !== null) return match;
      const ended = await Promise.race([once(this.#child.stdout, "data"), this.ended]);
      if (!Array.isArray(ended) && !pattern.test(this.out))
        throw new Error(`ended without ${pattern}: ${this.out}${this.err}`);
    }
  }

  async endpoint(): Promise<string> {
    return (await this.says(/"endpoint":"([^"]+)"[^\n]*"msg":"server listening"/))[1]!;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

test("a port in use: exit code 1 and exactly one line on standard error", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const program = new Program(port);
  assert.deepEqual(await program.ended, { exit: 1, signal: null });
  assert.equal(
    program.err,
    `port ${port} on 127.0.0.1 is in use by another process, or by another server of this process: choose another address, or stop the other one\n`,
  );
  other.close();
});

test("runMain without a function is exit code 1, and one line says what it takes", async () => {
  const code = 'import { App, runMain } from "@clew/app"; await runMain(new App({}));';
  const options = { cwd: import.meta.dirname, timeout: 110_000 };
  const child = spawn(process.execPath, ["--input-type=module", "--eval", code], options);
  let told = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    told += chunk;
  });
  assert.deepEqual(await once(child, "close"), [1, null]);
  assert.match(
    told,
    /^runMain\(\) was called with an object; it needs a function, as in `runMain\(\(\) => app\.run\(\)\)`[^\n]*\n$/,
  );
});

test("of two servers on one port the one that started is stopped, and the line is one", async () => {
  const free = createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  const program = new Program(port, "twice");
  assert.deepEqual(await program.ended, { exit: 1, signal: null });
  assert.match(program.err, /^port \d+ on 127\.0\.0\.1 is in use[^\n]*\n$/);
  assert.match(program.out, /server stopped\n[\s\S]*after stop\n/);
  assert.doesNotMatch(program.out, /after start/);
});

test("SIGTERM drains an open request, and the exit code is 0", async () => {
  const program = new Program(0);
  const endpoint = await program.endpoint();
  const response = await fetch(`${endpoint}/slow`);
  program.kill("SIGTERM");
  assert.equal(await response.text(), "begun done");
  assert.deepEqual(await program.ended, { exit: 0, signal: null });
  // Lines of the logger are written without waiting for them: they may come after what console.log wrote later.
  assert.match(program.out, /"signal":"SIGTERM","msg":"stopping"/);
  assert.match(program.out, /server stopped\n[\s\S]*after stop\n/);
  assert.match(program.out, /"msg":"stopped"/);
  assert.equal(program.err, "");
});

test("SIGINT and SIGQUIT stop as well", async () => {
  for (const signal of ["SIGINT", "SIGQUIT"] as const) {
    const program = new Program(0);
    await program.says(/after start/);
    program.kill(signal);
    assert.deepEqual(await program.ended, { exit: 0, signal: null });
  }
});

test("a second SIGINT forces the exit while a request is still open", async () => {
  const program = new Program(0, "hang");
  const response = await fetch(`${await program.endpoint()}/slow`);
  program.kill("SIGINT");
  await program.says(/"msg":"stopping"/);
  // Repeats within a moment count as one, so this goes on until one is taken as the second.
  const again = setInterval(() => program.kill("SIGINT"), 20);
  assert.deepEqual(await program.ended, { exit: 1, signal: null });
  clearInterval(again);
  await assert.rejects(response.text());
  assert.match(program.out, /second signal: exiting at once/);
  assert.doesNotMatch(program.out, /after stop/);
});

test("SIGTERM during the start rolls back: the server is stopped, afterStart does not run, the exit code is 0", async () => {
  const program = new Program(0, "slow-start");
  await program.says(/starting/);
  program.kill("SIGTERM");
  assert.deepEqual(await program.ended, { exit: 0, signal: null });
  assert.match(program.out, /server stopped\n[\s\S]*after stop\n/);
  assert.doesNotMatch(program.out, /after start/);
});

test("an app without servers lives until it is told to stop", async () => {
  const program = new Program(0, "no-servers");
  await program.says(/after start/);
  program.kill("SIGTERM");
  assert.deepEqual(await program.ended, { exit: 0, signal: null });
});

test("a defect is told with its stack", async () => {
  const program = new Program(0, "defect");
  assert.deepEqual(await program.ended, { exit: 1, signal: null });
  assert.match(program.err, /^TypeError: a defect\n\s+at /);
});
