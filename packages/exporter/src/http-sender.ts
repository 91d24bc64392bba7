import { isIP, type Socket, connect as tcpConnect } from "node:net";
import { type SecureContextOptions, connect as tlsConnect } from "node:tls";
import { promisify } from "node:util";
import { gzip as gzipWithCallback } from "node:zlib";
import { sdkVersion } from "@clew/trace";
import { type Attempt, type Body, cut, lengthOf, noAnswer, noBytes, type Sender } from "./delivery.ts";
import { type HttpReply, parseReply } from "./http-reply.ts";
import { isRetryable, parseRetryAfter } from "./retry.ts";

const gzipAsync = promisify(gzipWithCallback);

/** Compresses on another thread, 0.5 us per span; level 6 takes three times as long for the same size. */
export function gzip(body: Buffer): Promise<Buffer> {
  return gzipAsync(body, { level: 1 });
}

export interface HttpSenderInit {
  readonly url: URL;
  /** Checked by {@link checkHeaders}. */
  readonly headers: Readonly<Record<string, string>>;
  readonly contentType: string;
  /** Whether the given bodies are compressed with gzip. */
  readonly isCompressed: boolean;
  /** How long one request may take, from connecting to the end of the reply. */
  readonly timeoutMs: number;
  readonly tls: SecureContextOptions;
  /** Reads the reason for a refusal from the reply. Default: the first words of the reply. */
  readonly readReason?: (reply: Buffer, contentType: string) => string;
}

/**
 * Sends POST requests over HTTP/1.1, on its own persistent connections. It does not follow redirects: a collector has one address,
 * and its key must not be sent elsewhere. Its sockets do not keep the process alive.
 *
 *     send ─▶ idle connection, or a new one ─▶ head and body in one write ─▶ parseReply ─▶ idle again, or closed
 *
 * It implements HTTP itself, because node:http's client slows down a server in the same process: both use the same streams, messages
 * and parsers, whose optimised code then has to handle two kinds of them (docs/adr/0010).
 */
export class HttpSender implements Sender {
  readonly #init: HttpSenderInit;
  /** The request up to the value of content-length. */
  readonly #head: string;
  readonly #idle: HttpConnection[] = [];
  readonly #connections = new Set<HttpConnection>();

  constructor(init: HttpSenderInit) {
    this.#init = init;
    this.#head = formatHead(init);
  }

  async send(body: Body, signal: AbortSignal): Promise<Attempt> {
    const { timeoutMs } = this.#init;
    const connection = this.#takeIdle() ?? this.#open();
    const timer = setTimeout(() => connection.fail(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    timer.unref();
    const cutOff = (): void => connection.fail(new Error("the exporter is shut down"));
    signal.addEventListener("abort", cutOff);
    try {
      const reply = await connection.request(`${this.#head}${lengthOf(body)}\r\n\r\n`, body);
      if (connection.isOpen) this.#idle.push(connection);
      return this.#toAttempt(reply);
    } catch (error) {
      return noAnswer(error);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", cutOff);
    }
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.fail(new Error("the exporter is shut down"));
  }

  #takeIdle(): HttpConnection | undefined {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.isOpen) return connection;
      connection.fail(new Error("the server is about to close the connection"));
    }
    return undefined;
  }

  #open(): HttpConnection {
    const connection = new HttpConnection(connectTo(this.#init));
    this.#connections.add(connection);
    connection.socket.once("close", () => this.#connections.delete(connection));
    return connection;
  }

  #toAttempt({ status, headers, body }: HttpReply): Attempt {
    if (status < 300) return { outcome: "taken", reply: body, retryAfterMs: undefined, error: undefined };
    const { readReason } = this.#init;
    const reason = readReason?.(body, headers.get("content-type") ?? "") ?? body.toString("utf8", 0, 200).trim();
    const isBusy = isRetryable(status);
    return {
      outcome: isBusy ? "busy" : "refused",
      reply: noBytes,
      retryAfterMs: isBusy ? parseRetryAfter(headers.get("retry-after")) : undefined,
      error: new Error(`the collector answers ${status}${reason === "" ? "" : `: ${cut(reason)}`}`),
    };
  }
}

/** One connection, with one request at a time on it. */
class HttpConnection {
  readonly socket: Socket;
  #received: Buffer = noBytes;
  #settle: { resolve(reply: HttpReply): void; reject(error: Error): void } | undefined;
  /** Until when the server keeps the idle connection open, by `performance.now()`. */
  #openUntilMs = Infinity;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.unref();
    socket.on("data", (chunk: Buffer) => this.#read(chunk, false));
    socket.on("end", () => {
      this.#read(noBytes, true);
      socket.destroy();
    });
    socket.on("error", (error) => this.fail(error));
    socket.on("close", () => this.fail(new Error("the connection was closed without a reply")));
  }

  /** Whether a request may be sent. */
  get isOpen(): boolean {
    return !this.socket.destroyed && performance.now() < this.#openUntilMs;
  }

  /** @throws if there is no reply, or it is not HTTP */
  request(head: string, body: Body): Promise<HttpReply> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      const { socket } = this;
      // Head and body in one write.
      socket.cork();
      socket.write(head, "latin1");
      for (const piece of Buffer.isBuffer(body) ? [body] : body) socket.write(piece);
      socket.uncork();
    });
  }

  /** Closes the connection. A pending request fails with this error. */
  fail(error: Error): void {
    const settle = this.#settle;
    this.#settle = undefined;
    this.socket.destroy();
    settle?.reject(error);
  }

  #read(chunk: Buffer, isLast: boolean): void {
    const settle = this.#settle;
    // Bytes without a pending request are not a reply.
    if (settle === undefined) {
      this.socket.destroy();
      return;
    }
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    let reply: HttpReply | undefined;
    try {
      reply = parseReply(this.#received, isLast);
    } catch (error) {
      this.fail(error as Error);
    }
    if (reply === undefined) return;
    this.#settle = undefined;
    this.#received = noBytes;
    // If a server answers before it has read the whole request, the unsent rest blocks the connection.
    if (!reply.isReusable || this.socket.writableLength > 0) this.socket.destroy();
    // One second before the server's limit: a request sent at the limit itself would be lost.
    const [, seconds] = /\btimeout=(\d{1,9})/i.exec(reply.headers.get("keep-alive") ?? "") ?? [];
    this.#openUntilMs = seconds === undefined ? Infinity : performance.now() + (Number(seconds) - 1) * 1000;
    settle.resolve(reply);
  }
}

function connectTo({ url, tls }: HttpSenderInit): Socket {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const common = { host, noDelay: true, keepAlive: true };
  if (url.protocol === "http:") return tcpConnect({ ...common, port: Number(url.port || 80) });
  // An IP address is not allowed as a server name (RFC 6066 section 3).
  const servername = isIP(host) === 0 ? { servername: host } : {};
  return tlsConnect({ ...common, port: Number(url.port || 443), ALPNProtocols: ["http/1.1"], ...servername, ...tls });
}

/** The head of each request, without the length of its body. */
function formatHead({ url, headers, contentType, isCompressed }: HttpSenderInit): string {
  const fields = new Map([
    ["host", url.host],
    ["user-agent", `clew/${sdkVersion}`],
  ]);
  if (url.username !== "" || url.password !== "") {
    const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    fields.set("authorization", `Basic ${Buffer.from(credentials).toString("base64")}`);
  }
  for (const [name, value] of Object.entries(headers)) fields.set(name.toLowerCase(), value);
  // This sender sets the framing of the body itself.
  fields.delete("transfer-encoding");
  fields.delete("content-length");
  fields.set("content-type", contentType);
  if (isCompressed) fields.set("content-encoding", "gzip");
  const lines = [...fields].map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join("")}content-length: `;
}
