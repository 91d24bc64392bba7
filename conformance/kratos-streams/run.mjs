// Streams between Clew and a peer in Go that frames them as Go Kratos 3 does, both ways.
//
//     node conformance/kratos-streams/run.mjs
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { ServiceError } from "@clew/rpc";
import { createClient, HttpServer } from "@clew/transport";
import { Topics } from "../../packages/transport/test/gen/test/v1/topics_pb.ts";
import { noTopic, topics } from "../../packages/transport/test/topics.ts";
import { installJudges } from "../../scripts/install-judges.mjs";

const peer = installJudges("kratos-streams-peer")["kratos-streams-peer"];
const execute = promisify(execFile);
const server = new HttpServer({ address: "127.0.0.1:0", services: [topics()] });
await server.start();
const child = spawn(peer, ["serve"], { stdio: ["pipe", "pipe", "inherit"] });
const [endpoint] = await once(createInterface({ input: child.stdout }), "line");
const client = createClient(Topics, { endpoint });

/** What the peer prints that a call brought, line by line. */
async function ask(command, target, ...messages) {
  const url = new URL(target, server.endpoint()).href;
  const { stdout } = await execute(peer, [command, command === "talk" ? url.replace("http", "ws") : url, ...messages]);
  return stdout.trim().split("\n");
}

async function texts(replies) {
  const all = [];
  try {
    for await (const { text } of replies) all.push(text);
  } catch (error) {
    assert.ok(error instanceof ServiceError, String(error));
    all.push(JSON.stringify(error));
  }
  return all;
}

async function* lines(...all) {
  for (const text of all) yield { topic: "t", note: { text } };
}

const goError = "error: code = 404 reason = NO_TOPIC message = no topic metadata = map[topic:a b] cause = <nil>";
const cases = {
  async "go>clew: events, and the end"() {
    assert.deepEqual(await ask("watch", "/v1/topics/t/notes?count=2&text=a%0Ab"), [
      "200 text/event-stream",
      'message {"text":"a\\nb","number":"0","topic":"t"}',
      'message {"text":"a\\nb","number":"1","topic":"t"}',
    ]);
  },
  async "go>clew: an error after events, and before any"() {
    assert.deepEqual(await ask("watch", "/v1/topics/t/notes?count=1&text=fail"), [
      "200 text/event-stream",
      'message {"text":"fail","number":"0","topic":"t"}',
      `error ${JSON.stringify(noTopic())}`,
    ]);
    assert.deepEqual(await ask("watch", "/v1/topics/t/notes?text=fail"), ["404 application/protojson"]);
  },
  async "go>clew: messages both ways, half close, and one reply"() {
    const chat = await ask("talk", "/v1/topics/t/chat", '{"note":{"text":"1"}}', '{"note":{"text":"2"}}');
    const reply = (text) => `message {"text":"${text}","number":"0","topic":"t"}`;
    assert.deepEqual(chat, [reply("1"), reply("2"), "eof"]);
    const upload = await ask("talk", "/v1/topics/t/upload?author=me", '{"text":"1"}');
    assert.deepEqual(upload, ['message {"notes":["t/me: 1"]}', "eof"]);
  },
  async "go>clew: the error of a WebSocket"() {
    assert.deepEqual(await ask("talk", "/v1/topics/t/chat", '{"note":{"text":"fail"}}'), [`error ${goError}`]);
    const [refused = ""] = await ask("talk", "/v1/nowhere");
    assert.match(refused, /^refused \{"code":404,"reason":"NOT_FOUND"/);
  },
  async "clew>go: events, and what Kratos is told to write"() {
    const accept = "text/event-stream, application/protojson";
    assert.deepEqual(await texts(client.watch({ topic: "a/ü" })), ["1", "a/ü", accept]);
  },
  async "clew>go: an error after events, and before any"() {
    const error = JSON.stringify(noTopic());
    assert.equal((await texts(client.watch({ topic: "t", text: "fail" }))).at(-1), error);
    assert.deepEqual(await texts(client.watch({ topic: "none" })), [error]);
  },
  async "clew>go: messages both ways, half close"() {
    assert.deepEqual(await texts(client.chat(lines("1", "2"))), ["1", "2"]);
    assert.deepEqual(await texts(client.chat(lines())).then((all) => all.length), 1); // its path needs a message
  },
  async "clew>go: the error of a WebSocket"() {
    assert.deepEqual(await texts(client.chat(lines("1", "fail"))), ["1", JSON.stringify(noTopic())]);
  },
};

let failed = 0;
for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    console.log(`ok    ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAIL  ${name}\n${error instanceof Error ? error.message : String(error)}`);
  }
}
child.stdin.end();
await client[Symbol.asyncDispose]();
await server.stop(AbortSignal.timeout(1000));
console.log(`${Object.keys(cases).length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
