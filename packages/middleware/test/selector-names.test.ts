// What a server says of an operation that a selector names and that is none.
import assert from "node:assert/strict";
import { test } from "node:test";
import { recovery, selector } from "@clew/middleware";
import { chain, type Implementation, type Middleware, service } from "@clew/rpc";
import { createClient, GrpcServer, HttpServer, MemoryServer, Server, type ServerOptions } from "@clew/transport";
import { Greeter } from "../../rpc/test/gen/rpc_test_pb.ts";

const never = () => {
  throw new Error("nobody calls it");
};
const implementation = { sayHello: never, sayAll: never, repeat: never, chat: never } as Implementation<typeof Greeter>;
const greeter = service(Greeter, implementation);
type Options = Omit<ServerOptions, "health">;

const servers = [Server, HttpServer, GrpcServer, MemoryServer];

function optionsWith(middleware: Middleware[], more: Options = {}): Options {
  return { address: "127.0.0.1:0", services: [greeter], middleware, ...more };
}

/** What servers warn of when they start with these options, all made before the first is started. */
async function warningsOf(...given: Options[]): Promise<string[]> {
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const logger = { level: "warn", debug() {}, info() {}, error() {}, warn, with: () => logger } as never;
  const running = given.map((options) => new Server({ ...options, logger }));
  for (const server of running) await server.start();
  for (const server of running) await server.stop(AbortSignal.abort());
  return warnings;
}

test("an operation that a served service does not have is an error that names the nearest", () => {
  for (const Kind of servers) {
    for (const [given, nearest] of [
      ["/rpc.test.Greeter/sayHello", "/rpc.test.Greeter/SayHello"],
      ["rpc.test.Greeter/Chat", "/rpc.test.Greeter/Chat"],
    ]) {
      const wrong = selector(recovery()).prefix("/other.").path("/rpc.test.Greeter/Repeat", given!);
      // However deep it is.
      for (const middleware of [wrong, chain(recovery(), wrong), selector(wrong).prefix("/")]) {
        assert.throws(() => new Kind(optionsWith([recovery(), middleware])), {
          code: "CLEW_TRANSPORT_OPERATION",
          message: `a selector's path() names "${given}", which no service of this server has; did you mean "${nearest}"?`,
        });
      }
    }
    assert.throws(() => new Kind(optionsWith([selector().path("/rpc.test.Greeter/Shout")])), {
      message:
        /"\/rpc\.test\.Greeter\/Shout", which no service of this server has; its services have "\/rpc\.test\.Greeter\/SayHello", /,
    });
  }
});

test("what is an operation of a service or a route is right, and so is what cannot be known", async () => {
  const handle = (): void => {};
  const routes = [
    { verb: "GET", path: "/files/{name}", handle },
    { prefix: "/v1", routes: [{ verb: "POST", path: "/files", handle, operation: "/rpc.test.Greeter/Upload" }] },
  ];
  const operations = ["/rpc.test.Greeter/SayHello", "GET /api/files/{name}", "/rpc.test.Greeter/Upload"];
  const middleware = [
    selector(recovery())
      .path(...operations)
      .prefix("/rpc.test.Greeter/sayHello")
      .regex("/rpc.test.Greeter/say"),
  ];
  for (const Kind of servers) new Kind(optionsWith(middleware, { routes, prefix: "/api", defaultRoutes: false }));
  assert.deepEqual(await warningsOf(optionsWith(middleware, { routes, prefix: "/api", defaultRoutes: false })), []);
});

test("an operation that nobody in the process has is warned of when the server starts", async () => {
  const misspelt = "/rpc.test.Greter/SayHello";
  const warning =
    /^a selector's path\(\) names "\/rpc\.test\.Greter\/SayHello", which no server or client of this process has; did you mean "\/rpc/;
  const warnings = await warningsOf(optionsWith([selector(recovery()).path(misspelt)]));
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, warning);
  // One list of middleware for servers of other services, and for clients.
  const apart = [selector(recovery()).path("/rpc.test.Greeter/SayHello")];
  assert.deepEqual(await warningsOf(optionsWith(apart, { services: [] }), optionsWith(apart)), []);
  const ours = [selector(recovery()).path("/rpc.test.Greeter/SayHello")];
  const client = createClient(Greeter, { endpoint: "http://127.0.0.1:1", middleware: ours });
  assert.deepEqual(await warningsOf(optionsWith(ours, { services: [] })), []);
  await client[Symbol.asyncDispose]();
});
