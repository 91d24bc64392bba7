// Asks a server over HTTP/1.1 and over HTTP/2, with clients that change nothing of what they send and get.
import { type IncomingHttpHeaders, request as request1 } from "node:http";
import { connect } from "node:http2";
import { Readable, type Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { silentLogger } from "@clew/log";
import { HttpServer, type HttpServerOptions } from "@clew/transport/http";
import { patientMs } from "./patient-ms.ts";

export interface Question {
  /** Default: GET. */
  readonly verb?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | Readable;
}

/** A reply whose body is still to read. */
export interface OpenReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable;
  /** Ends the request and its connection or stream. */
  leave(): void;
}

export interface WholeReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
}

export interface Asker {
  readonly version: "1.1" | "2";
  readonly url: string;
  open(path: string, question?: Question): Promise<OpenReply>;
  ask(path: string, question?: Question): Promise<WholeReply>;
}

/** Handlers here fail on purpose. */
const quiet: HttpServerOptions = { address: "127.0.0.1:0", timeoutMs: patientMs, logger: silentLogger };

/** Runs `use` once for each version, each time with a server of its own. */
export async function eachVersion(
  options: () => HttpServerOptions | Promise<HttpServerOptions>,
  use: (asker: Asker) => Promise<void>,
): Promise<void> {
  for (const version of ["1.1", "2"] as const) {
    const server = new HttpServer({ ...quiet, ...(await options()) });
    await server.start();
    const url = server.endpoint().origin;
    const { open, close } = version === "2" ? overHttp2(url) : overHttp1(url);
    const ask = async (path: string, question?: Question): Promise<WholeReply> => {
      const { status, headers, body } = await open(path, question);
      const bytes = await buffer(body);
      return { status, headers, bytes, text: bytes.toString() };
    };
    try {
      await use({ version, url, open, ask });
    } catch (error) {
      throw new Error(`over HTTP/${version}: ${(error as Error).message}`, { cause: error });
    } finally {
      close();
      await server.stop(AbortSignal.abort());
    }
  }
}

interface Way {
  readonly open: Asker["open"];
  readonly close: () => void;
}

function overHttp1(url: string): Way {
  const open: Asker["open"] = (path, { verb = "GET", headers = {}, body } = {}) =>
    new Promise((resolve, reject) => {
      const length = typeof body === "string" || body instanceof Uint8Array ? Buffer.byteLength(body) : undefined;
      const request = request1(`${url}`, {
        path,
        method: verb,
        agent: false,
        headers: { ...(length === undefined ? {} : { "content-length": length }), ...headers },
      });
      request.on("error", reject);
      request.on("response", (reply) => {
        reply.on("error", () => {});
        resolve({ status: reply.statusCode!, headers: reply.headers, body: reply, leave: () => request.destroy() });
      });
      if (body === undefined) request.end();
      else send(request, body);
    });
  return { open, close: () => {} };
}

function overHttp2(url: string): Way {
  const session = connect(url);
  session.on("error", () => {});
  const open: Asker["open"] = (path, { verb = "GET", headers = {}, body } = {}) =>
    new Promise((resolve, reject) => {
      const asked = { ":method": verb, ":path": path, ...headers };
      const stream = session.request(asked, { endStream: body === undefined });
      stream.on("error", reject);
      stream.on("close", () => reject(new Error("the stream was closed")));
      stream.on("response", ({ ":status": status, ...rest }) =>
        resolve({ status: Number(status), headers: rest, body: stream, leave: () => stream.close(8) }),
      );
      if (body !== undefined) send(stream, body);
    });
  return { open, close: () => session.destroy() };
}

function send(request: Writable, body: NonNullable<Question["body"]>): void {
  if (body instanceof Readable) body.on("error", () => request.destroy()).pipe(request);
  else request.end(body);
}
