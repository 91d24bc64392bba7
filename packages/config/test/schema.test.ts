// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the placeholders of a configuration look like this
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ConfigOptions,
  createLayer,
  env,
  flags,
  loadConfig,
  parseDocument,
  protoSchema,
  type Source,
} from "@clew/config";
import * as v from "valibot";
import { z } from "zod";
import { BootstrapSchema } from "./gen/conf_pb.ts";

function text(name: string, content: string): Source {
  return { name, load: async () => parseDocument(name, content) };
}

async function load<T>(options: ConfigOptions<T>): Promise<T> {
  return (await loadConfig(options)).snapshot as T;
}

const conf = `
server:
  http: { network: tcp, addr: ":8000", timeout: 1s, keep_alive: true }
  max_connections: 100
  hosts: [a, b]
  route_timeouts: { "/slow": 1h30m }
data:
  dsn: "root:hunter2@tcp(db)/x"
  size: 9007199254740993
  level: LEVEL_FAST
  extra: { any: [1, { thing: true }] }
  since: "2026-01-02T03:04:05Z"
  redis: r
  replicas: [{ dsn: one }]
`;

test("a proto message: its JSON form, snake and camel case, durations as text, well-known types", async () => {
  const snapshot = await load({
    sources: [text("conf.yaml", conf.replace("9007199254740993", '"9007199254740993"'))],
    schema: protoSchema(BootstrapSchema),
  });
  const { http, routeTimeouts, maxConnections, hosts } = snapshot.server!;
  assert.deepEqual([http?.addr, http?.keepAlive, maxConnections, hosts], [":8000", true, 100, ["a", "b"]]);
  assert.deepEqual([http?.timeout?.seconds, routeTimeouts["/slow"]?.seconds], [1n, 5_400n]);
  assert.equal(snapshot.data?.size, 9007199254740993n);
  assert.equal(snapshot.data?.since?.seconds, 1767323045n);
  assert.deepEqual(snapshot.data?.cache, { case: "redis", value: "r" });
  assert.deepEqual(snapshot.data?.extra, { any: [1, { thing: true }] });
  assert.ok(Object.isFrozen(snapshot.server) && Object.isFrozen(http?.timeout) && Object.isFrozen(hosts));
});

test("a proto message: every form of a duration", async () => {
  const timeoutOf = async (timeout: string): Promise<number> => {
    const sources = [text("c.yaml", `server: { http: { timeout: ${timeout} } }`)];
    const { server } = await load({ sources, schema: protoSchema(BootstrapSchema) });
    return Number(server!.http!.timeout!.seconds) * 1_000 + server!.http!.timeout!.nanos / 1e6;
  };
  for (const [form, ms] of [
    ["1.5s", 1_500],
    ["200ms", 200],
    ["1h30m", 5_400_000],
    ["-1s", -1_000],
    ["0", 0],
  ] as const) {
    assert.equal(await timeoutOf(`"${form}"`), ms, form);
  }
  await assert.rejects(
    timeoutOf("5"),
    /c\.yaml:1:19: server\.http\.timeout "5" is not a duration; write it as 250ms, .* or 2d$/,
  );
  await assert.rejects(timeoutOf("soon"), /"soon" is not a duration/);
});

test("a proto message is strict: each bad key and value is an error with its line; a secret is not shown", async () => {
  const bad = `
server:
  http: { adr: x }
  max_connections: many
  hosts: a
data:
  dsn: 12345
  level: LEVEL_NONE
  replicas:
    - size: x
`;
  await assert.rejects(
    load({ sources: [text("c.yaml", bad)], schema: protoSchema(BootstrapSchema) }),
    (error: Error) => {
      const problems = error.message.split("; c.yaml:");
      assert.match(
        error.message,
        /^c\.yaml:3:11: server\.http\.adr is unknown; did you mean addr\? known here: network, addr, timeout, keepAlive/,
      );
      assert.match(problems[1]!, /^4:3: server\.max_connections .*uint32.*"many"/);
      assert.match(problems[2]!, /^5:3: server\.hosts must be a list, not "a"/);
      assert.match(problems[3]!, /^7:3: data\.dsn .*string/);
      assert.match(problems[4]!, /^8:3: data\.level .*LEVEL_NONE/);
      assert.match(problems[5]!, /^10:7: data\.replicas\[0\]\.size .*int64/);
      assert.ok(!error.message.includes("12345"), error.message);
      return true;
    },
  );
  const twice = text("c.yaml", "data: { redis: r, memory: true }");
  await assert.rejects(load({ sources: [twice], schema: protoSchema(BootstrapSchema) }), /oneof/);
  const both = text("c.yaml", "server: { max_connections: 1, maxConnections: 2 }");
  await assert.rejects(
    load({ sources: [both], schema: protoSchema(BootstrapSchema) }),
    /maxConnections is given twice/,
  );
});

test("environment variables and flags set what only the proto message knows", async () => {
  const variables = {
    SERVER_HTTP_ADDR: ":1",
    SERVER_HTTP_KEEP_ALIVE: "true",
    SERVER_HOSTS: "a,b",
    DATA_DSN: "0123",
    PATH: "/bin",
  };
  const args = ["--server.max-connections=7", "--data.replicas.0.dsn=x"];
  const sources = [env("", { variables }), flags({ args })];
  const { server, data } = await load({ sources, schema: protoSchema(BootstrapSchema) });
  assert.deepEqual([server?.http?.addr, server?.http?.keepAlive, server?.hosts], [":1", true, ["a", "b"]]);
  assert.deepEqual([server?.maxConnections, data?.dsn, data?.replicas[0]?.dsn], [7, "0123", "x"]);
});

test("text that a placeholder filled becomes what the schema wants, in every format", async () => {
  const schema = z.object({ port: z.number(), password: z.string(), on: z.boolean() });
  const variables = { PORT: "80", PW: "0123", ON: "true" };
  for (const [name, content] of [
    ["c.json", '{"port": "${PORT}", "password": "${PW}", "on": "${ON}"}'],
    ["c.yaml", "port: ${PORT}\npassword: ${PW}\non: ${ON}\n"],
    ["c.toml", 'port = "${PORT}"\npassword = "${PW}"\non = "${ON}"\n'],
  ] as const) {
    const sources = [text(name, content), env("", { variables })];
    assert.deepEqual(await load({ sources, schema }), { port: 80, password: "0123", on: true }, name);
  }
});

test("zod: typed, known beforehand by its JSON Schema, and strict though its objects are not", async () => {
  const schema = z.object({
    server: z.object({ address: z.string().default(":8000"), readTimeout: z.number().optional() }),
    tags: z.array(z.string()).default([]),
    labels: z.record(z.string(), z.number()).default({}),
  });
  const sources = [
    text("c.yaml", "labels: { any: 1 }"),
    env("", { variables: { SERVER_READ_TIMEOUT: "5", TAGS: "a,b" } }),
    flags({ args: ["--server.address=:1"] }),
  ];
  const snapshot = await load({ sources, schema });
  const address: string = snapshot.server.address;
  assert.equal(address, ":1");
  assert.deepEqual(snapshot, { server: { address: ":1", readTimeout: 5 }, tags: ["a", "b"], labels: { any: 1 } });

  const unknown = [text("c.yaml", "server:\n  adress: x\n")];
  await assert.rejects(load({ sources: unknown, schema }), {
    code: "CLEW_CONFIG_INVALID",
    message: "c.yaml:2:3: server.adress is unknown; did you mean address? known here: address, readTimeout",
  });
  assert.deepEqual((await load({ sources: unknown, schema, strict: false })).server, { address: ":8000" });
  const strict = z.strictObject({ server: z.strictObject({ address: z.string().optional() }) });
  await assert.rejects(
    load({ sources: unknown, schema: strict }),
    /^Error: c\.yaml:2:3: server\.adress is unknown; [^;]*$/,
  );
  const loose = z.object({ server: z.looseObject({}) });
  assert.deepEqual(await load({ sources: unknown, schema: loose }), { server: { adress: "x" } });
});

test("valibot, which does not tell its JSON Schema: what it leaves out without a word is an unknown key", async () => {
  const schema = v.object({ server: v.object({ address: v.optional(v.string(), ":8000"), port: v.number() }) });
  assert.deepEqual(await load({ sources: [text("c.yaml", "server: { port: 1 }")], schema }), {
    server: { address: ":8000", port: 1 },
  });
  const unknown = [text("c.yaml", "server: { port: 1, adress: x }")];
  await assert.rejects(
    load({ sources: unknown, schema }),
    /c\.yaml:1:20: server\.adress is unknown; did you mean address\?/,
  );
  assert.deepEqual(await load({ sources: unknown, schema, strict: false }), { server: { address: ":8000", port: 1 } });
});

test("no error shows a secret: by the name of its key, of a placeholder's variable, in a URL, or by the schema", async () => {
  const schema = v.object({ dbPassword: v.number(), url: v.number(), note: v.number(), plain: v.number() });
  const sources = [
    text("c.yaml", "dbPassword: hunter2\nurl: postgres://me:open-sesame@db/x\nnote: it is ${API_TOKEN}\nplain: seen\n"),
    env("", { variables: { API_TOKEN: "t0ken-value" } }),
  ];
  await assert.rejects(load({ sources, schema }), (error: Error) => {
    for (const secret of ["hunter2", "open-sesame", "t0ken-value"]) {
      assert.ok(!error.message.includes(secret) && !error.stack?.includes(secret), error.message);
    }
    assert.match(error.message, /"seen"/);
    return true;
  });
  const cut = text("c.json", '{"password": hunter2}');
  await assert.rejects(load({ sources: [cut] }), (error: Error) => {
    assert.ok(!`${error.message}${error.stack}`.includes("hunter2"), error.message);
    return true;
  });
});

test("a value of a program is a source like any other", async () => {
  const own: Source = { name: "own", load: async () => createLayer("own", { a: 1 }) };
  assert.deepEqual(await load({ sources: [own] }), { a: 1 });
});
