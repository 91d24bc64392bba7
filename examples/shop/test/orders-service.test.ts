// The services alone, with the test kit: no socket, no process, no waiting.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { createClient, createLogger, type ServiceClient, validate } from "clew";
import { FailingRegistry, FakeClock, MemoryServer } from "clew/testing";
import { Orders, State, Stock } from "../src/gen/shop/v1/shop_pb.ts";
import { createOrders } from "../src/orders-service.ts";
import { createStock } from "../src/stock-service.ts";

let clock: FakeClock;
beforeEach(() => {
  clock = new FakeClock();
});
afterEach(() => clock[Symbol.dispose]());

function createShop(pieces = 10): ServiceClient<typeof Orders> {
  const stock = createClient(Stock, { server: new MemoryServer({ services: [createStock("a", pieces)] }) });
  const services = [createOrders(stock, 200)];
  return createClient(Orders, { server: new MemoryServer({ services, middleware: [validate()] }) });
}

test("an order is sent 200 ms after it was placed, and who watches it is told", async () => {
  const orders = createShop();
  const { name, total } = await orders.place({ item: "tea", count: 2 });
  assert.equal(total, 500n);
  const states: State[] = [];
  const watched = (async () => {
    for await (const { state } of orders.watch({ name })) states.push(state);
  })();
  await clock.advance(199);
  assert.deepEqual(states, [State.PLACED]);
  await clock.advance(1);
  await watched;
  assert.deepEqual(states, [State.PLACED, State.SENT]);
});

test("what is not there, not in stock or not a count is an error that says so", async () => {
  const orders = createShop(1);
  await assert.rejects(orders.get({ name: "orders/7" }), { code: 404, reason: "ORDER_NOT_FOUND" });
  await assert.rejects(orders.place({ item: "tea", count: 2 }), { code: 422, reason: "OUT_OF_STOCK" });
  await assert.rejects(orders.place({ item: "tea" }), { code: 400, reason: "VALIDATOR" });
});

test("while no node of stock is known the caller is told why", async () => {
  const registry = new FailingRegistry();
  registry.fail("watch", new Error("no leader"));
  const stock = createClient(Stock, {
    endpoint: "discovery:///stock",
    discovery: registry,
    readyTimeoutMs: 100,
    logger: createLogger({ level: "silent" }),
  });
  const services = [createOrders(stock)];
  const orders = createClient(Orders, { server: new MemoryServer({ services }) });
  await assert.rejects(clock.until(orders.place({ item: "tea", count: 1 })), {
    code: 503,
    reason: "NODE_NOT_FOUND",
    message: /no leader/,
  });
  await stock[Symbol.asyncDispose]();
});
