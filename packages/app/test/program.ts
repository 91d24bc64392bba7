// A program as a reader would write it, run by program.test.ts as a process of its own: node program.ts <port> <case>
import { createServer, type Server as NodeServer } from "node:http";
import type { AddressInfo } from "node:net";
import { App, runMain, type Server } from "@clew/app";

const [port, what] = process.argv.slice(2);

/** Begins an answer to /slow at once and ends it when the server is stopped, or never in the case "hang". */
class TestServer implements Server {
  readonly #server: NodeServer;
  readonly #release: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  constructor() {
    this.#server = createServer(async (request, response) => {
      response.setHeader("connection", "close");
      if (request.url === "/slow") {
        response.writeHead(200).write("begun ");
        await this.#release.promise;
      }
      response.end("done");
    });
  }

  async start(): Promise<void> {
    if (what === "slow-start") {
      console.log("starting");
      await new Promise((resolve) => process.once("SIGTERM", resolve));
    }
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject).listen(Number(port), "127.0.0.1", resolve);
    });
  }

  async stop(signal: AbortSignal): Promise<void> {
    if (what !== "hang") setImmediate(this.#release.resolve);
    signal.addEventListener("abort", () => this.#server.closeAllConnections());
    await new Promise((resolve) => this.#server.close(resolve));
    console.log("server stopped");
  }

  endpoint(): URL {
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
  }
}

await runMain(async () => {
  if (what === "defect") throw new TypeError("a defect");
  const servers = what === "twice" ? [new TestServer(), new TestServer()] : [new TestServer()];
  await new App({
    name: "program",
    servers: what === "no-servers" ? [] : servers,
    afterStart: [() => console.log("after start")],
    afterStop: [() => console.log("after stop")],
    stopTimeoutMs: 60_000,
  }).run();
});
