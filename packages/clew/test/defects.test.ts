// What a handler throws by mistake is told to no caller; so a log has it, once, whatever the server is given.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

const program = (options: string): string => `
  import { createClient, logging, recovery, Server, service } from "clew";
  import { silentLogger } from "clew/log";
  import { MemoryServer } from "clew/testing";
  const { Greeter } = await import("../../rpc/test/gen/rpc_test_pb.ts");
  const fail = (call) => { throw new TypeError("a defect " + call.transport + " " + call.method.kind); };
  const greeter = service(Greeter, {
    sayHello: async (_request, call) => fail(call),
    sayAll: async (_requests, call) => fail(call),
    async *repeat(_request, call) { yield {}; fail(call); },
    async *chat(_requests, call) { fail(call); },
  });
  const server = new Server({ address: "127.0.0.1:0", services: [greeter], ${options} });
  await server.start();
  const [http, grpc] = server.endpoints();
  const ways = [
    { endpoint: http },
    { endpoint: grpc },
    { endpoint: http, protocol: "connect" },
    { server: new MemoryServer({ services: [greeter], ${options} }) },
  ];
  for (const way of ways) {
    const client = createClient(Greeter, way);
    const told = (error) => console.error(error.message);
    await client.sayHello({}).catch(told);
    try { for await (const _ of client.repeat({ count: 1 })); } catch (error) { told(error); }
    await client[Symbol.asyncDispose]();
  }
  await server.stop(AbortSignal.timeout(10_000));
`;

/** The lines that a server with these options writes, by what the handler threw. */
async function linesOf(options: string, env: NodeJS.ProcessEnv = {}): Promise<Map<string, Record<string, unknown>[]>> {
  const { LOG_LEVEL: _, ...inherited } = process.env;
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module", "--eval", program(options)],
    { cwd: import.meta.dirname, env: { ...inherited, ...env } },
  );
  assert.deepEqual(stderr.match(/.*defect.*/g), null, "no caller is told");
  assert.equal(stderr.match(/^unknown request error$/gm)?.length, 8, stderr);
  const lines = new Map<string, Record<string, unknown>[]>();
  for (const line of stdout.split("\n").filter((text) => text !== "")) {
    const defect = /a defect ([\w-]+ \w+)/.exec(line)?.[1] ?? line;
    lines.set(defect, [...(lines.get(defect) ?? []), JSON.parse(line) as Record<string, unknown>]);
  }
  return lines;
}

const defects = ["http", "grpc", "connect", "memory"].flatMap((transport) =>
  ["unary", "server_streaming"].map((kind) => `${transport} ${kind}`),
);

test("a server that is given nothing tells of a defect on standard output", async () => {
  const lines = await linesOf("");
  assert.deepEqual([...lines.keys()].sort(), [...defects].sort());
  for (const [defect, [line, ...others]] of lines) {
    assert.deepEqual(others, [], defect);
    const { level, name, msg, error } = line as { level: string; name: string; msg: string; error: Error };
    assert.deepEqual([level, name], ["error", "clew.server"]);
    assert.match(msg, /^\/.+\/(SayHello|Repeat) failed$/);
    assert.match(error.stack ?? "", /^TypeError: a defect .*\n +at /);
  }
});

test("who tells of it already is enough", async () => {
  for (const [middleware, said] of [
    ["recovery()", "handler failed"],
    ["logging()", "server request"],
  ]) {
    const lines = await linesOf(`middleware: [${middleware}]`);
    assert.deepEqual([...lines.keys()].sort(), [...defects].sort());
    for (const [defect, found] of lines) {
      assert.deepEqual(
        found.map(({ msg }) => msg),
        [said],
        `${middleware}: ${defect}`,
      );
    }
  }
});

test("LOG_LEVEL holds, and a silent logger is silent", async () => {
  assert.deepEqual(await linesOf("", { LOG_LEVEL: "silent" }), new Map());
  assert.deepEqual(await linesOf("logger: silentLogger"), new Map());
});
