// The middlewares between a real server and a real client, over HTTP/JSON and gRPC alike.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import type { DescService } from "@bufbuild/protobuf";
import { createLogger } from "@clew/log";
import {
  circuitBreaker,
  currentClaims,
  jwt,
  jwtClient,
  logging,
  rateLimit,
  retry,
  selector,
  timeout,
  tokenBucket,
  validate,
} from "@clew/middleware";
import {
  type Call,
  createServiceClient,
  type Implementation,
  type Middleware,
  type ServiceClient,
  ServiceError,
  service,
} from "@clew/rpc";
import { GrpcClient, GrpcServer, HttpClient, HttpServer } from "@clew/transport";
import { Accounts } from "./gen/middleware_test_pb.ts";

/** How long a call may take where its test does not say: no busy machine ends one by that. */
const patientMs = 60_000;
const transports = ["http", "grpc"] as const;
type Transport = (typeof transports)[number];

const never = () => new Promise<never>(() => {});
const person = { name: "ann", email: "ann@example.com", age: 30n };

interface Setup {
  transport: Transport;
  server?: readonly Middleware[];
  client?: readonly Middleware[];
  implementation?: Partial<Implementation<typeof Accounts>>;
}

/** Runs `work` with a client of Accounts that a server of the same transport serves, and ends both. */
async function withAccounts(
  { transport, server: middleware = [], client = [], implementation = {} }: Setup,
  work: (accounts: ServiceClient<typeof Accounts>) => Promise<void>,
): Promise<void> {
  const answer = async () => ({});
  const services = [
    service(Accounts, { signUp: answer, import: answer, find: answer, move: answer, break: answer, ...implementation }),
  ];
  const options = { address: "127.0.0.1:0", middleware, services, timeoutMs: patientMs };
  const server = transport === "http" ? new HttpServer(options) : new GrpcServer(options);
  await server.start();
  const accounts = createAccounts(transport, server.endpoint().host, client);
  try {
    await work(accounts);
  } finally {
    await accounts[Symbol.asyncDispose]();
    await server.stop(AbortSignal.timeout(0));
  }
}

function createAccounts(
  transport: Transport,
  host: string,
  middleware: readonly Middleware[],
): ServiceClient<typeof Accounts> {
  const client =
    transport === "http"
      ? new HttpClient({ endpoint: `http://${host}` })
      : new GrpcClient({ endpoint: `grpc://${host}` });
  return createServiceClient(Accounts as DescService as typeof Accounts, client, { middleware, timeoutMs: patientMs });
}

/** Counts the calls that pass. */
function createCounter() {
  const counter = { calls: 0 };
  const middleware: Middleware = (next) => (call) => {
    counter.calls++;
    return next(call);
  };
  return { counter, middleware };
}

for (const transport of transports) {
  test(`${transport}: a handler that takes too long is 504 for the caller and for the log, and its signal aborts`, async () => {
    const lines: Record<string, unknown>[] = [];
    const logger = createLogger({ destination: { write: (line) => lines.push(JSON.parse(line)) }, pretty: false });
    const aborted = Promise.withResolvers<unknown>();
    const find = (_: unknown, call: Call): Promise<never> => {
      call.signal.addEventListener("abort", () => aborted.resolve(call.signal.reason));
      return never();
    };
    const server = [logging({ logger }), timeout({ timeoutMs: 20 })];
    await withAccounts({ transport, server, implementation: { find } }, async (accounts) => {
      await assert.rejects(accounts.find({}), { code: 504, reason: "GATEWAY_TIMEOUT" });
      assert.equal(((await aborted.promise) as ServiceError).code, 504);
      assert.deepEqual([lines[0]?.code, lines[0]?.reason], [504, "GATEWAY_TIMEOUT"]);
    });
  });

  test(`${transport}: a broken rule arrives as 400 VALIDATOR with the fields`, async () => {
    await withAccounts({ transport, server: [validate()] }, async (accounts) => {
      await accounts.signUp(person);
      await assert.rejects(accounts.signUp({ ...person, age: 7n, name: "x" }), (thrown: ServiceError) => {
        assert.deepEqual([thrown.code, thrown.reason], [400, "VALIDATOR"]);
        assert.deepEqual(Object.keys(thrown.metadata).sort(), ["age", "name"]);
        assert.match(thrown.message, /^(age|name): /);
        return true;
      });
    });
  });

  test(`${transport}: a key that asks too often is told when to come back`, async () => {
    const server = [tokenBucket({ rate: 0.1, burst: 1 }), rateLimit()];
    const told: (string | undefined)[] = [];
    const look: Middleware = (next) => async (call) => {
      try {
        return await next(call);
      } finally {
        told.push(call.replyMetadata.get("retry-after") ?? call.replyTrailers.get("retry-after"));
      }
    };
    await withAccounts({ transport, server, client: [look] }, async (accounts) => {
      await accounts.find({});
      const metadata = { "retry-after": "10" };
      await assert.rejects(accounts.find({}), { code: 429, reason: "RATELIMIT", metadata });
      assert.deepEqual(told, [undefined, "10"]);
    });
  });

  test(`${transport}: a token is signed, checked and read; without one the door is shut where it should be`, async () => {
    const key = "a secret of at least thirty-two bytes";
    const server = [selector(jwt({ key })).match((operation) => !operation.endsWith("/Find"))];
    let subject: string | undefined;
    const move = () => {
      subject = currentClaims()?.sub;
      return {};
    };
    const client = [selector(jwtClient({ key, claims: { sub: "orders" } })).path("/middleware.test.Accounts/Move")];
    await withAccounts({ transport, server, client, implementation: { move } }, async (accounts) => {
      await accounts.find({});
      await assert.rejects(accounts.signUp(person), {
        code: 401,
        reason: "UNAUTHORIZED",
        message: "JWT token is missing",
      });
      await accounts.move({});
      assert.equal(subject, "orders");
    });
  });

  test(`${transport}: a try that takes too long is left, and the next one answered`, async () => {
    const { counter, middleware } = createCounter();
    let isAnswered = false;
    // A try may be over before it has arrived: the one that is answered is later than one that was not.
    const find = () => {
      if (counter.calls === 1) return never();
      isAnswered = true;
      return {};
    };
    const client = [retry({ perTryTimeoutMs: 50, backoffMs: 0, attempts: 100 }), middleware];
    await withAccounts({ transport, client, implementation: { find } }, async (accounts) => {
      await accounts.find({});
      assert.ok(isAnswered);
      assert.ok(counter.calls > 1);
    });
  });

  test(`${transport}: what the server answers with 503 is tried again only where it is idempotent`, async () => {
    const tries = { signUp: 0, find: 0, move: 0 };
    const failing = (name: keyof typeof tries) => () => {
      if (++tries[name] < 3) throw new ServiceError(503, "DRAINING", "going away");
      return {};
    };
    const implementation = { signUp: failing("signUp"), find: failing("find"), move: failing("move") };
    await withAccounts({ transport, client: [retry({ backoffMs: 0 })], implementation }, async (accounts) => {
      await assert.rejects(accounts.signUp(person), { reason: "DRAINING" });
      await accounts.find({});
      await accounts.move({});
      assert.deepEqual(tries, { signUp: 1, find: 3, move: 3 });
    });
  });

  test(`${transport}: nobody listens: any call is tried again, until the breaker opens`, async () => {
    const { counter, middleware } = createCounter();
    // Closed again at once: a port that was free a moment ago.
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    const breaker = circuitBreaker({ minRequests: 4, random: () => 0 });
    const accounts = createAccounts(transport, `127.0.0.1:${port}`, [retry({ backoffMs: 0 }), breaker, middleware]);
    try {
      await assert.rejects(accounts.signUp(person), { code: 503, reason: "UNAVAILABLE" });
      assert.equal(counter.calls, 3);
      await assert.rejects(accounts.signUp(person), { code: 503, reason: "CIRCUITBREAKER" });
      assert.equal(counter.calls, 4);
    } finally {
      await accounts[Symbol.asyncDispose]();
    }
  });

  test(`${transport}: a connection that breaks after the call was sent is not tried again unless idempotent`, async () => {
    const { counter, middleware } = createCounter();
    // Takes whatever comes and hangs up.
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.destroy());
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const accounts = createAccounts(transport, host, [retry({ backoffMs: 0 }), middleware]);
    try {
      await assert.rejects(accounts.signUp(person), { code: 503 });
      assert.equal(counter.calls, 1);
      await assert.rejects(accounts.find({}), { code: 503 });
      assert.equal(counter.calls, 4);
    } finally {
      await accounts[Symbol.asyncDispose]();
      server.close();
    }
  });
}

for (const transport of transports) {
  test(`${transport}: the first message of a stream that breaks a rule ends the call`, async () => {
    const received: string[] = [];
    const implementation = {
      async import(requests: AsyncIterable<{ name: string }>) {
        for await (const { name } of requests) received.push(name);
        return {};
      },
    };
    await withAccounts({ transport, server: [validate()], implementation }, async (accounts) => {
      async function* people() {
        yield person;
        yield { ...person, name: "x" };
        // The reader is gone; without an end of its own this side would wait for ever if it were not cancelled.
        await never();
      }
      await assert.rejects(accounts.import(people()), { code: 400, reason: "VALIDATOR", message: /^name: / });
      assert.equal(received[0], "ann");
    });
  });
}
