// The example end to end, as `npm start` runs it, on ports of its own: real processes, a real browser.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { freePorts } from "../../../packages/transport/test/free-ports.ts";
import { launchChromium } from "../../../ui/test/chromium.ts";

const start = resolve(import.meta.dirname, "../src/start.ts");
const data = mkdtempSync(join(tmpdir(), "traces-"));
let demo: ChildProcess;
let output = "";
let user = "";
let ui = "";
let environment: NodeJS.ProcessEnv;

interface JaegerSpan {
  readonly spanID: string;
  readonly operationName: string;
  readonly references: readonly { readonly refType: string; readonly spanID: string }[];
  readonly tags: readonly { readonly key: string; readonly value: unknown }[];
  readonly processID: string;
}

interface JaegerTrace {
  readonly traceID: string;
  readonly spans: readonly JaegerSpan[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

async function until<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  const giveUpAtMs = performance.now() + 120_000;
  while (performance.now() < giveUpAtMs) {
    const found = await probe().catch(() => undefined);
    if (found !== undefined) return found;
    await sleep(100);
  }
  assert.fail(`${what} did not come about; the example printed:\n${output}`);
}

function startDemo(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", start, ...args], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  return child;
}

/** The processes that run a service of this example with this test's data. */
function serviceProcesses(name = ""): number[] {
  // It finds others as well, which may end meanwhile.
  const { stdout } = spawnSync("pgrep", ["-f", `examples/traces/src/${name}`], { encoding: "utf8" });
  return stdout
    .split("\n")
    .filter((pid) => pid !== "")
    .map(Number)
    .filter((pid) => spawnSync("cat", [`/proc/${pid}/environ`]).stdout.includes(data));
}

/** Asks the user service. The calls it makes have a second or two, which a busy machine may not have: then it is asked again. */
async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  return until(`an answer to ${path}`, async () => {
    const reply = await fetch(`${user}${path}`, init);
    if (reply.status !== 504) return reply;
    await reply.body?.cancel();
    return undefined;
  });
}

before(async () => {
  const [userPort, messagePort, profilePort, uiPort, otlpPort] = await freePorts(5);
  user = `http://127.0.0.1:${userPort}`;
  ui = `http://127.0.0.1:${uiPort}`;
  environment = {
    ...process.env,
    DEMO_USER_ADDRESS: `127.0.0.1:${userPort}`,
    DEMO_USER_ENDPOINT: user,
    DEMO_MESSAGE_ADDRESS: `127.0.0.1:${messagePort}`,
    DEMO_MESSAGE_ENDPOINT: `grpc://127.0.0.1:${messagePort}`,
    DEMO_MESSAGE_DATA: join(data, "messages.db"),
    DEMO_COLLECTOR_ADDRESS: `127.0.0.1:${uiPort}`,
    DEMO_COLLECTOR_OTLP_ADDRESS: `127.0.0.1:${otlpPort}`,
    DEMO_COLLECTOR_OTLP_ENDPOINT: `http://127.0.0.1:${otlpPort}`,
    DEMO_COLLECTOR_DATA: join(data, "traces.db"),
    FORCE_COLOR: "0",
  };
  // One service has its place from a file, the others from the environment.
  const config = join(data, "config.yaml");
  const place = `{ address: "127.0.0.1:${profilePort}", endpoint: "http://127.0.0.1:${profilePort}" }`;
  writeFileSync(config, `profile: ${place}\n`);
  demo = startDemo("--no-traffic", "--config", config);
  await until("the list of URLs", async () => (output.includes("Ctrl-C") ? true : undefined));
});

after(async () => {
  demo.kill("SIGKILL");
  for (const pid of serviceProcesses()) process.kill(pid, "SIGKILL");
  rmSync(data, { recursive: true, force: true });
});

async function jaeger(path: string): Promise<JaegerTrace[]> {
  const reply = await fetch(`${ui}${path}`);
  assert.equal(reply.status, 200);
  return ((await reply.json()) as { data: JaegerTrace[] }).data;
}

function serviceOf(trace: JaegerTrace, span: JaegerSpan): string {
  return trace.processes[span.processID]?.serviceName ?? "";
}

function find(trace: JaegerTrace, service: string, operation: string): JaegerSpan {
  const span = trace.spans.find((one) => serviceOf(trace, one) === service && one.operationName === operation);
  assert.ok(span, `${service} ${operation} is in ${JSON.stringify(trace.spans.map((one) => one.operationName))}`);
  return span;
}

function tag(span: JaegerSpan, key: string): unknown {
  return span.tags.find((one) => one.key === key)?.value;
}

test("it prints the URLs and one trace as a waterfall", () => {
  assert.ok(output.includes(ui), output);
  for (const name of [
    "/demo.v1.User/ListUserMessages",
    "/demo.v1.Message/ListMessages",
    "/demo.v1.Profile/GetProfile",
  ]) {
    assert.ok(output.includes(name), `${name} in\n${output}`);
  }
});

test("user greets with exactly the JSON of its contract", async () => {
  const reply = await fetch(`${user}/helloworld/kratos`);
  assert.equal(await reply.text(), '{"message":"Hello kratos"}');
  assert.equal(reply.headers.get("content-type"), "application/json");
});

test("both calls hang under the one server span, each with the server's span of the other process below", async () => {
  const reply = await ask("/v1/users/2/messages");
  assert.deepEqual(await reply.json(), { name: "Grace", messages: [{ id: "m3", text: "Found a moth in relay 70." }] });
  const trace = await until("a whole trace in Jaeger's JSON", async () =>
    (await jaeger("/api/traces?service=user&limit=20")).find(
      (one) => one.spans.length === 6 && one.spans.some((span) => tag(span, "url.path") === "/v1/users/2/messages"),
    ),
  );
  const root = find(trace, "user", "/demo.v1.User/ListUserMessages");
  const parents: [string, string, JaegerSpan, string][] = [];
  for (const [service, operation] of [
    ["message", "/demo.v1.Message/ListMessages"],
    ["profile", "/demo.v1.Profile/GetProfile"],
  ] as const) {
    const client = find(trace, "user", operation);
    parents.push(
      [service, operation, client, root.spanID],
      [service, operation, find(trace, service, operation), client.spanID],
    );
  }
  const query = find(trace, "message", "SELECT message");
  parents.push(["message", "SELECT message", query, find(trace, "message", "/demo.v1.Message/ListMessages").spanID]);
  assert.deepEqual(root.references, []);
  for (const [service, operation, span, parent] of parents) {
    assert.deepEqual(
      span.references.map(({ refType, spanID }) => [refType, spanID]),
      [["CHILD_OF", parent]],
      `${service} ${operation}`,
    );
  }
  const kinds = trace.spans
    .map((span) => `${serviceOf(trace, span)} ${span.operationName} ${tag(span, "span.kind")}`)
    .sort();
  assert.deepEqual(kinds, [
    "message /demo.v1.Message/ListMessages server",
    "message SELECT message client",
    "profile /demo.v1.Profile/GetProfile server",
    "user /demo.v1.Message/ListMessages client",
    "user /demo.v1.Profile/GetProfile client",
    "user /demo.v1.User/ListUserMessages server",
  ]);
});

test("a caller's traceparent keeps its trace id through all three services, and its baggage arrives at the last", async () => {
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  await ask("/v1/users/1/messages", {
    headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, baggage: "tenant=acme,plan=gold" },
  });
  const trace = await until("the trace by its id", async () =>
    (await jaeger(`/api/traces/${traceId}`)).find((one) => one.spans.length === 6),
  );
  const services = new Set(trace.spans.map((span) => serviceOf(trace, span)));
  assert.deepEqual([...services].sort(), ["message", "profile", "user"]);
  const root = find(trace, "user", "/demo.v1.User/ListUserMessages");
  assert.deepEqual(
    root.references.map(({ spanID }) => spanID),
    ["00f067aa0ba902b7"],
  );
  assert.equal(tag(find(trace, "message", "SELECT message"), "app.tenant"), "acme");
});

test("an unknown user is 404 USER_NOT_FOUND from end to end, and an error in the trace", async () => {
  const reply = await ask("/v1/users/9/messages");
  assert.equal(reply.status, 404);
  assert.deepEqual(await reply.json(), {
    code: 404,
    reason: "USER_NOT_FOUND",
    message: "no user 9",
    metadata: { user_id: "9" },
  });
  const trace = await until("the failed trace", async () =>
    (await jaeger(`/api/traces?service=user&tags=${encodeURIComponent('{"error":"true"}')}&limit=20`)).find((one) =>
      one.spans.some((span) => serviceOf(one, span) === "user" && tag(span, "error") === true),
    ),
  );
  // Who asked for what is not there has the error; whoever said so has done what it should.
  assert.equal(tag(find(trace, "user", "/demo.v1.Profile/GetProfile"), "error.type"), "USER_NOT_FOUND");
  const profile = find(trace, "profile", "/demo.v1.Profile/GetProfile");
  assert.deepEqual([tag(profile, "clew.reason"), tag(profile, "error")], ["USER_NOT_FOUND", undefined]);
});

test("a browser shows the list, and in a trace the rows of all three services", async () => {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(120_000);
    const problems: string[] = [];
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(String(error)));
    await page.goto(ui);
    const link = page.getByText("/v1/users/1/messages").first();
    await link.click();
    await page.waitForURL(/\/trace\/[0-9a-f]{32}/);
    const rows = page.locator('[role="treegrid"] [role="row"]');
    await rows.filter({ hasText: "Message/ListMessages" }).first().waitFor();
    const text = (await rows.allInnerTexts()).join("\n");
    for (const service of ["user", "message", "profile"]) assert.match(text, new RegExp(`\\b${service}\\b`));
    assert.deepEqual(problems, []);
  } finally {
    await browser.close();
  }
});

test("when the collector is killed the services answer as before; started again it has the old spans and takes new ones", async () => {
  const before = await jaeger("/api/traces?service=user&limit=100");
  const [pid] = serviceProcesses("collector.ts");
  assert.ok(pid);
  process.kill(pid, "SIGKILL");
  for (let i = 0; i < 20; i++) {
    const reply = await fetch(`${user}/helloworld/kratos`);
    assert.equal(await reply.text(), '{"message":"Hello kratos"}');
  }
  await until("the collector's return", async () => (await fetch(ui)).status);
  const stored = new Set((await jaeger("/api/traces?service=user&limit=1000")).map(({ traceID }) => traceID));
  for (const { traceID } of before) assert.ok(stored.has(traceID), `${traceID} is still there`);
  await ask("/v1/users/1/messages", {
    headers: { traceparent: `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01` },
  });
  await until("a new trace", async () =>
    (await jaeger(`/api/traces/${"ab".repeat(16)}`)).find((one) => one.spans.length === 6),
  );
});

test("an unknown option is one line that names it and what would work", async () => {
  const child = spawn(process.execPath, [start, "--fast"], { env: environment, stdio: ["ignore", "ignore", "pipe"] });
  const chunks = await child.stderr.toArray();
  assert.equal(
    Buffer.concat(chunks).toString(),
    "Unknown option '--fast'; known options: --no-traffic, --config FILE, --help\n",
  );
  if (child.exitCode === null) await once(child, "exit");
  assert.equal(child.exitCode, 1);
});

test("a configuration that is missing or wrong, and a port in use, are one line and exit code 1", async () => {
  for (const [args, extra, pattern] of [
    [["--config", "/nowhere.yaml"], {}, /^config \/nowhere\.yaml does not exist.*\n$/],
    [[], { DEMO_USER_ADRESS: ":1" }, /^.*adress.* is unknown; did you mean address\? known here: address, endpoint\n$/],
    [[], {}, /^collector: port \d+ on 127\.0\.0\.1 is in use by another process: .*\n$/],
  ] as const) {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", start, ...args], {
      env: { ...environment, ...extra },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const chunks = await child.stderr.toArray();
    assert.match(Buffer.concat(chunks).toString(), pattern);
    if (child.exitCode === null) await once(child, "exit");
    assert.equal(child.exitCode, 1);
  }
});

test("Ctrl-C ends everything within three seconds and leaves no process", async () => {
  assert.ok(serviceProcesses().length >= 5);
  // On a machine so busy that a process takes long to start and end, that is the measure.
  const beforeMs = performance.now();
  assert.equal(spawnSync(process.execPath, [start, "--help"]).status, 0);
  const limitMs = Math.max(3000, 3 * (performance.now() - beforeMs));
  const startedMs = performance.now();
  const exited = once(demo, "exit");
  demo.kill("SIGINT");
  const [code] = await exited;
  assert.equal(code, 0, output);
  assert.ok(performance.now() - startedMs < limitMs, "three seconds are the promise of the README");
  assert.deepEqual(serviceProcesses(), []);
});
