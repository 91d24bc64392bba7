// A server of Shelves and Echo for the tests, and a client that speaks bytes.

import { connect, type Socket } from "node:net";
import { silentLogger } from "@clew/log";
import { type Implementation, service } from "@clew/rpc";
import { HttpServer, type HttpServerOptions, type RawHandler, type Route } from "@clew/transport/http";
import { Echo, Shelves } from "./gen/test/v1/test_pb.ts";
import { patientMs } from "./patient-ms.ts";

type Shelf = Implementation<typeof Shelves>;
type Echoes = Implementation<typeof Echo>;

/** Shelves that answer with what they were asked; `overrides` replaces single methods. */
export function shelves(overrides: Partial<Shelf> = {}): ReturnType<typeof service> {
  return service(Shelves, {
    getBook: (request) => ({ id: request.book?.id ?? "", title: `on ${request.shelf}` }),
    createBook: (request) => ({
      ...request.book!,
      title: `${request.book?.title} on ${request.shelf}`,
      pages: request.dryRun ? 1n : 0n,
    }),
    updateBook: (request) => request,
    deleteBook: () => ({}),
    searchBooks: (request) => ({
      books: [{ id: request.query, author: request.author, tags: request.genres.map(String) }],
    }),
    getFile: (request) => ({ id: request.path }),
    ...overrides,
  });
}

export function echo(unary: Echoes["unary"] = (request) => request): ReturnType<typeof service> {
  return service(Echo, {
    unary,
    serverStream: async function* () {},
    clientStream: async () => ({}),
    bidiStream: async function* () {},
  });
}

/** A server that runs while `use` does. It tells nobody of handlers that fail, for they do on purpose. */
export async function withServer<R>(
  options: HttpServerOptions,
  use: (url: string, server: HttpServer) => Promise<R>,
): Promise<R> {
  const server = new HttpServer({ address: "127.0.0.1:0", timeoutMs: patientMs, logger: silentLogger, ...options });
  await server.start();
  try {
    return await use(server.endpoint().href.replace(/\/$/, ""), server);
  } finally {
    await server.stop(AbortSignal.abort());
  }
}

/** A connection to a server, and what came over it so far. */
export class RawConnection {
  readonly socket: Socket;
  received = "";
  isClosed = false;
  #wake: () => void = () => {};

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.socket = connect({ host: hostname, port: Number(port) });
    this.socket.setEncoding("latin1");
    this.socket.on("data", (text: string) => {
      this.received += text;
      this.#wake();
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  send(text: string): this {
    this.socket.write(text, "latin1");
    return this;
  }

  /** Waits until what came fits, or the connection closed. Returns all that came. */
  async until(fits: RegExp): Promise<string> {
    const limit = setTimeout(() => this.socket.destroy(new Error("nothing fitting came")), 30_000);
    while (!fits.test(this.received) && !this.isClosed) await new Promise<void>((resolve) => (this.#wake = resolve));
    clearTimeout(limit);
    return this.received;
  }

  async closed(): Promise<string> {
    return this.until(/(?!)/);
  }
}

/** A route for any verb, unless told otherwise. */
export function raw(path: string, handle: RawHandler, verb = "*"): Route {
  return { verb, path, handle };
}
