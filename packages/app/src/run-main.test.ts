import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { test } from "node:test";
import { describeFailure } from "./run-main.ts";

function systemError(fields: Record<string, unknown>): Error {
  return Object.assign(new Error(`${fields.syscall} ${fields.code}`), fields);
}

test("a port in use is one line that says what would work", async () => {
  const first = createServer().listen(0, "127.0.0.1");
  await once(first, "listening");
  const { port } = first.address() as { port: number };
  const second = createServer().listen(port, "127.0.0.1");
  const [error] = await once(second, "error");
  first.close();
  assert.equal(
    describeFailure(error),
    `port ${port} on 127.0.0.1 is in use by another process, or by another server of this process: choose another address, or stop the other one`,
  );
});

test("other errors of listening say what would work", () => {
  const listen = { syscall: "listen", address: "10.1.1.1", port: 80 };
  assert.match(
    describeFailure(systemError({ ...listen, code: "EACCES" })),
    /^this user may not open port 80 on 10\.1\.1\.1: choose a port from 1024 up/,
  );
  assert.match(
    describeFailure(systemError({ ...listen, code: "EADDRNOTAVAIL" })),
    /^port 80 on 10\.1\.1\.1: this machine does not have that address/,
  );
  assert.match(
    describeFailure(systemError({ syscall: "listen", code: "EADDRINUSE", address: "/run/a.sock", port: -1 })),
    /^socket \/run\/a\.sock is in use/,
  );
});

test("other errors of the system are one line", async () => {
  const missing = await readFile("/none/at/all").catch((error: unknown) => error);
  assert.equal(describeFailure(missing), "/none/at/all does not exist: create it or give another path");
  const refused = systemError({ syscall: "connect", code: "ECONNREFUSED" });
  assert.equal(describeFailure(refused), "connect ECONNREFUSED");
});

test("errors with a code of ours are their message, on one line", () => {
  const error = Object.assign(new Error("config a.yaml\n  is wrong"), { code: "CLEW_CONFIG_INVALID" });
  assert.equal(describeFailure(error), "config a.yaml is wrong");
});

test("a wrong option is told with the place in the program that gave it", () => {
  const error = Object.assign(new TypeError("option key is undefined"), { code: "CLEW_MIDDLEWARE_OPTION" });
  const ours = `    at optionError (${new URL("../../rpc/dist/index.js", import.meta.url)}:5:24)`;
  const others = "    at call (file:///srv/node_modules/express/index.js:1:2)\n    at node:internal/main:3:4";
  const program = `    at async file://${process.cwd()}/app/main.ts:20:5\n    at async run (file://${process.cwd()}/app/x.ts:1:1)`;
  error.stack = [`TypeError: ${error.message}`, ours, others, program].join("\n");
  assert.equal(describeFailure(error), "option key is undefined (app/main.ts:20:5)");
  error.stack = [`TypeError: ${error.message}`, ours, others].join("\n");
  assert.equal(describeFailure(error), "option key is undefined");
});

test("several expected failures are one line, the same one is told once", () => {
  const one = Object.assign(new Error("one"), { code: "CLEW_A" });
  const two = Object.assign(new Error("two"), { code: "CLEW_B" });
  assert.equal(describeFailure(new AggregateError([one, two, one], "both")), "one; two");
});

test("a defect is told with its stack, also beside expected failures", () => {
  assert.match(describeFailure(new TypeError("x is undefined")), /TypeError: x is undefined\n\s+at /);
  const expected = Object.assign(new Error("one"), { code: "CLEW_A" });
  assert.match(describeFailure(new AggregateError([expected, new Error("defect")], "both")), /defect\n\s+at /);
  assert.match(describeFailure(Object.assign(new Error("odd"), { code: "ODD" })), /odd\n\s+at /);
  assert.match(describeFailure(new AggregateError([], "none")), /none\n\s+at /);
  assert.equal(describeFailure("text"), "'text'");
  assert.equal(describeFailure(undefined), "undefined");
});
