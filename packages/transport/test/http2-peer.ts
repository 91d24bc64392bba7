// A client of HTTP/2 that is not ours: node:http2.
import {
  type ClientHttp2Session,
  connect,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from "node:http2";
import { after } from "node:test";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  /** Informational responses that came before. */
  readonly hints: readonly number[];
  readonly text: string;
}

/** A session that is closed when the file's tests are over. */
export function connectHttp2(url: URL | string, options?: SecureClientSessionOptions): ClientHttp2Session {
  const session = connect(url, options);
  session.on("error", () => {});
  after(() => session.destroy());
  return session;
}

/** Sends a request and takes the whole answer. Rejects when the stream is reset. */
export function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Uint8Array,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request(
      { ":method": body === undefined ? "GET" : "POST", ...headers },
      {
        endStream: body === undefined,
      },
    );
    let answer: Record<string, unknown> = {};
    let trailers: Record<string, unknown> = {};
    const hints: number[] = [];
    const parts: Buffer[] = [];
    stream.on("headers", (given) => hints.push(Number(given[":status"])));
    stream.on("continue", () => hints.push(100));
    stream.on("response", (given) => (answer = { ...given }));
    stream.on("trailers", (given) => (trailers = { ...given }));
    stream.on("data", (part: Buffer) => parts.push(part));
    stream.on("error", reject);
    stream.on("close", () => {
      const { ":status": status, ...rest } = answer;
      const text = Buffer.concat(parts).toString();
      if (stream.rstCode !== 0)
        reject(new Error(`the stream was reset with ${stream.rstCode} after "${text.slice(0, 100)}"`));
      else resolve({ status: Number(status), headers: rest, trailers, hints, text });
    });
    if (body !== undefined) stream.end(body);
  });
}

/** A call in JSON. */
export const unary = { ":path": "/test.v1.Echo/Unary", "content-type": "application/json" };

/** The reason in an error. */
export function reasonOf(text: string): string {
  return (JSON.parse(text) as { reason: string }).reason;
}
