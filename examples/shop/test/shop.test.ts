// The shop as its users run it: two nodes of stock and the front, each a process of its own.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, errorsOf, metadata, type ServiceClient } from "clew";
import { jwtClient } from "clew/middleware";
import { FileRegistry } from "clew/registry";
import { ErrorReasonSchema, Orders, State } from "../src/gen/shop/v1/shop_pb.ts";

const { ORDER_NOT_FOUND, OUT_OF_STOCK } = errorsOf(ErrorReasonSchema);
const folder = mkdtempSync(join(tmpdir(), "shop-"));
const configFile = join(folder, "config.yaml");
const registry = new FileRegistry({ folder: join(folder, "registry") });
const key = "the key of this test, of 32 bytes or more";
const card = "4111-1111";
const patientMs = 60_000;
const processes: ChildProcess[] = [];
let output = "";
let url = "";
let grpc = "";

function writeConfig(level: string): void {
  // No machine is too busy for these times.
  const orders = { address: "127.0.0.1:0", key: "$" + "{SHOP_KEY}", timeout: "60s", takeTimeout: "20s" };
  const config = { orders, registry: join(folder, "registry"), log: { level } };
  writeFileSync(configFile, JSON.stringify(config));
}

function start(program: string): ChildProcess {
  const child = spawn(process.execPath, [resolve(import.meta.dirname, `../src/${program}.ts`)], {
    env: { ...process.env, SHOP_CONFIG: configFile, SHOP_KEY: key },
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  return child;
}

async function until<T>(what: string, probe: () => Promise<T | undefined | false>): Promise<T> {
  const giveUpAtMs = performance.now() + 120_000;
  while (performance.now() < giveUpAtMs) {
    const found = await probe().catch(() => undefined);
    if (found !== undefined && found !== false) return found;
    await sleep(50);
  }
  assert.fail(`${what} did not come about; the shop printed:\n${output}`);
}

async function withClient(
  options: { endpoint?: string; protocol?: "http" | "connect" | "grpc-web" },
  use: (orders: ServiceClient<typeof Orders>) => Promise<void>,
): Promise<void> {
  const middleware = [metadata(), jwtClient({ key, claims: { sub: "ann" } })];
  const orders = createClient(Orders, { endpoint: url, middleware, timeoutMs: patientMs, ...options });
  try {
    await use(orders);
  } finally {
    await orders[Symbol.asyncDispose]();
  }
}

before(async () => {
  writeConfig("info");
  processes.push(start("stock"), start("stock"));
  await until("two nodes of stock", async () => (await registry.list("stock")).length === 2);
  processes.push(start("orders"));
  const orders = await until("registration", async () => (await registry.list("orders"))[0]);
  url = orders.endpoints.find((endpoint) => endpoint.startsWith("http"))!;
  grpc = orders.endpoints.find((endpoint) => endpoint.startsWith("grpc"))!;
});

after(async () => {
  for (const child of processes) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }
  rmSync(folder, { recursive: true, force: true });
});

for (const protocol of ["http", "connect", "grpc-web", "grpc"] as const) {
  test(`orders are placed, looked at and refused over ${protocol}`, async () => {
    await withClient(protocol === "grpc" ? { endpoint: grpc } : { protocol }, async (orders) => {
      const order = await orders.place({ item: "tea", count: 2, card });
      assert.deepEqual([order.customer, order.total], ["ann", 500n]);
      assert.match(order.shelf, /^shelf-\d+$/);
      assert.equal((await orders.get({ name: order.name })).item, "tea");
      const states: State[] = [];
      for await (const { state } of orders.watch({ name: order.name })) states.push(state);
      assert.equal(states.at(-1), State.SENT);
      await assert.rejects(orders.get({ name: "orders/none" }), (error) => ORDER_NOT_FOUND.is(error));
      await assert.rejects(orders.place({ item: "tea", count: 0 }), { code: 400, reason: "VALIDATOR" });
    });
  });
}

test("a customer finds the shop, and sees the order from placed to sent", async () => {
  const customer = start("customer");
  let printed = "";
  customer.stdout?.on("data", (chunk) => (printed += chunk));
  assert.deepEqual(await once(customer, "close"), [0, null], output);
  const seen = printed
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual([seen[0].customer, seen[0].total, seen.at(-1).state], ["ann", "500", "SENT"]);
});

test("nobody places an order without a token, and anybody may look", async () => {
  const json = { "content-type": "application/json" };
  const refused = await fetch(`${url}/v1/orders`, { method: "POST", headers: json, body: '{"item":"tea","count":1}' });
  assert.deepEqual([refused.status, ((await refused.json()) as { reason: string }).reason], [401, "UNAUTHORIZED"]);
  assert.equal((await fetch(`${url}/v1/orders/none`)).status, 404);
});

test("an error of stock, two calls away, keeps its code and knows the first caller's tenant", async () => {
  await withClient({}, async (orders) => {
    const drained = async (): Promise<void> => {
      for (let count = 0; count < 25; count++) {
        const headers = { metadata: { "x-md-global-tenant": "north" } };
        await orders.place({ item: "last tea", count: 100 }, headers);
      }
    };
    // Two nodes have a thousand pieces each.
    await assert.rejects(drained(), (error) => {
      assert.ok(OUT_OF_STOCK.is(error));
      assert.deepEqual([error.code, error.metadata.tenant, error.metadata.item], [422, "north", "last tea"]);
      return true;
    });
  });
});

test("the lines of a call carry the caller's trace id, in both programs", async () => {
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const metadata = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
  await withClient({}, async (orders) => {
    // Stock logs one call in ten that end well, and every other: here the last, when there are no two thousand pieces more.
    const drained = async (): Promise<void> => {
      for (let count = 0; count < 25; count++) await orders.place({ item: "green tea", count: 100 }, { metadata });
    };
    await assert.rejects(drained(), (error) => OUT_OF_STOCK.is(error));
  });
  const names = (): Set<unknown> => {
    const lines = output.split("\n").filter((line) => line.includes(traceId) && line.endsWith("}"));
    return new Set(lines.map((line) => JSON.parse(line).name));
  };
  await until("a line of each", async () => names().has("orders") && names().has("stock"));
});

test("a WebSocket places one order after the other; a browser's form brings a file; every codec is spoken", async () => {
  await withClient({}, async (orders) => {
    const names: string[] = [];
    async function* requests() {
      yield { item: "cup", count: 1, card };
      yield { item: "pot", count: 1, card };
    }
    for await (const { name } of orders.placeAll(requests())) names.push(name);
    assert.equal(new Set(names).size, 2);

    const form = new FormData();
    form.set("file", new Blob(["gift"], { type: "text/markdown" }), "card.md");
    const file = await fetch(`${url}/v1/${names[0]}/file`, { method: "POST", body: form });
    assert.deepEqual([file.headers.get("content-type"), await file.text()], ["text/markdown", "gift"]);

    for (const [type, what] of [
      ["json", /"total":250[,}]/],
      ["yaml", /^item: cup$/m],
      ["xml", /<item>cup<\/item>/],
      ["msgpack", /Item.cup/],
    ] as const) {
      const reply = await fetch(`${url}/v1/${names[0]}`, { headers: { accept: `application/${type}` } });
      assert.equal(reply.headers.get("content-type"), `application/${type}`);
      assert.match(await reply.text(), what);
    }
    const events = await fetch(`${url}/v1/${names[0]}:watch`);
    assert.equal(events.headers.get("content-type"), "text/event-stream");
    assert.match(await events.text(), /^retry: 1000\n/m);
  });
});

test("what operators and developers ask for", async () => {
  assert.equal((await fetch(`${url}/readyz`)).status, 200);
  assert.match(await (await fetch(`${url}/metrics`)).text(), /^http_server_request_duration_seconds_count\{/m);
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: Record<string, unknown> };
  assert.ok("/v1/orders" in document.paths);
  assert.match(await (await fetch(`${url}/openapi/`)).text(), /<html/);
  const preflight = { origin: "https://app.example", "access-control-request-method": "POST" };
  assert.equal((await fetch(`${url}/v1/orders`, { method: "OPTIONS", headers: preflight })).status, 204);
});

test("a level of the file holds at once; a wrong one is told, and the last good one stays", async () => {
  const level = async (): Promise<string | undefined> => {
    const { loggers } = (await (await fetch(`${url}/admin/log-level`)).json()) as { loggers: Record<string, string> };
    return loggers.orders;
  };
  assert.equal(await level(), "info");
  writeConfig("loud");
  await until("a complaint", async () => /log\.level/.test(output));
  assert.equal(await level(), "info");
  writeConfig("debug");
  await until("the level", async () => (await level()) === "debug");
});

test("a node that is killed costs no order, and no line has a card in it", async () => {
  const [victim] = processes;
  await withClient({}, async (orders) => {
    await orders.place({ item: "jar", count: 1, card });
    victim!.kill("SIGKILL");
    const placed = Array.from({ length: 20 }, () => orders.place({ item: "jar", count: 1, card }));
    for (const one of await Promise.all(placed)) assert.equal(one.total, 250n);
  });
  await until("the lines", async () => /"operation":"\/shop\.v1\.Orders\/Place"/.test(output));
  assert.ok(!output.includes(card));
});

test("a signal ends each in order, and nobody is registered any more", async () => {
  for (const child of processes.slice(1)) {
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await exited, [0, null], output);
  }
  assert.deepEqual([await registry.list("orders"), await registry.list("stock")], [[], []]);
  assert.equal(readFileSync(configFile, "utf8").includes(key), false);
});
