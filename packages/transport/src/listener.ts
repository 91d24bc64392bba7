import { type AddressInfo, createServer, type Server as NetServer, type Socket } from "node:net";
import { createServer as createSecureServer, type TLSSocket, type TlsOptions } from "node:tls";
import { type Context, current } from "@clew/context";
import { alpnProtocol, isHttp2Preface } from "@clew/http2";
import type { Logger } from "@clew/log";
import { type Address, endpointOf, listen, listenOnDescriptor, parseAddress } from "./address.ts";
import { defaultLogger } from "./default-logger.ts";
import { serverAlreadyStarted, serverNotStarted, tlsInvalid } from "./errors.ts";
import { peerOf } from "./peer.ts";

/** Options of every server: where it listens, and what a connection may cost. */
export interface ListenerOptions {
  /**
   * The address to listen on: `":8000"` for all interfaces, `"127.0.0.1:8000"`, `":0"` for any free port,
   * `"unix:/run/shop.sock"` for a unix socket, whose file is removed when the server stops. Default: `":0"`.
   */
  address?: string;
  /**
   * Accept connections from this listener instead of opening a socket. It may be a server of `node:net`: the Clew server closes
   * it, and opens it on `address` if it does not listen yet. It may also be the file descriptor of a socket that was opened
   * before the process started, as by systemd: `{ fd: 3 }`. Default: none.
   */
  listener?: NetServer | { readonly fd: number };
  /**
   * Use TLS, with the key, the certificate and the trusted authorities in the form of `node:tls`: `{ key, cert }`. With `{ key, cert,
   * ca, requestCert: true }` TLS is mutual, and `call.peer.certificate` identifies the caller. Default: no TLS.
   */
  tls?: TlsOptions;
  /** The maximum size of all headers of a request together, in bytes. Default: 16 KiB. */
  headerLimitBytes?: number;
  /** How long a request's headers may take to arrive, and before them the TLS handshake, in milliseconds. Default: 10_000. */
  headerTimeoutMs?: number;
  /** How long a whole request may take to arrive, in milliseconds; 0 for no limit. Default: 300_000. */
  requestTimeoutMs?: number;
  /**
   * How long a connection without a request stays open, in milliseconds; 0 for no limit. Default: 65_000, longer than load balancers
   * keep theirs; no limit for connections that may carry gRPC.
   */
  maxConnectionIdleMs?: number;
  /**
   * Logs failures that no caller sees, such as a defect of a handler, unless a middleware logged them. Default: a logger named
   * `clew.server` that writes warnings and errors to standard output, or what LOG_LEVEL says. Use `silentLogger` to log nothing.
   */
  logger?: Logger;
}

export interface ResolvedListenerOptions {
  readonly address: Address;
  readonly listener: NetServer | { readonly fd: number } | undefined;
  readonly tls: TlsOptions | undefined;
  readonly headerLimitBytes: number;
  readonly headerTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly maxConnectionIdleMs: number;
  readonly logger: Logger;
}

/** Node fires a timer that is set for longer than this at once. */
export const longestTimerMs: number = 2 ** 31 - 1;

/** @throws CLEW_TRANSPORT_ADDRESS, CLEW_TRANSPORT_TLS */
export function resolveListenerOptions(options: ListenerOptions): ResolvedListenerOptions {
  const resolved: ResolvedListenerOptions = {
    address: parseAddress(options.address ?? ":0"),
    listener: options.listener,
    tls: options.tls,
    headerLimitBytes: options.headerLimitBytes ?? 16 * 1024,
    headerTimeoutMs: options.headerTimeoutMs ?? 10_000,
    requestTimeoutMs: options.requestTimeoutMs ?? 300_000,
    maxConnectionIdleMs: options.maxConnectionIdleMs ?? 65_000,
    logger: options.logger ?? defaultLogger(),
  };
  const { tls } = resolved;
  const hasCertificate = tls?.cert ?? tls?.pfx ?? tls?.SNICallback ?? tls?.secureContext;
  if (tls !== undefined && hasCertificate === undefined) throw tlsInvalid("has no certificate");
  return resolved;
}

function isNetServer(listener: NetServer | { readonly fd: number }): listener is NetServer {
  return "listening" in listener;
}

/**
 * How long a new connection may stay silent after the server began to stop, in milliseconds: a client that has just connected
 * is about to send a request.
 */
const firstWordMs = 500;

/** The connections of one protocol. */
export interface Protocol {
  /** Speaks it on a socket; `head` is what was read from it before. */
  add(socket: Socket, head: Buffer | undefined): void;
  /** Each connection closes when its open requests are answered; one that is added later, when its first is. */
  drain(): void;
  /** Closes every connection. */
  cutOff(): void;
}

/** HTTP/1.1, which is also what a peer is answered in that said too little to know. */
export interface Http1Protocol extends Protocol {
  /** The peer took too long to say what it wants. */
  expire(socket: Socket): void;
}

export interface ListenerInit {
  /** Whose it is, for messages: `HttpServer`. */
  readonly server: string;
  readonly options: ResolvedListenerOptions;
  readonly http1: Http1Protocol | undefined;
  readonly http2: Protocol | undefined;
  /** Called when the server starts, with what the context of every call begins with: that of whoever starts it, an App for one. */
  readonly begin: (context: Context) => void;
}

/**
 * A listening socket, and what its connections speak. In clear the first bytes tell HTTP/2 from HTTP/1.1, over TLS it is
 * what ALPN agreed on; without ALPN it is HTTP/1.1. A connection costs a timer and its socket until it has said so.
 *
 *     accept ─▶ (TLS) ─▶ first bytes ─┬─ PRI * HTTP/2.0 ─▶ http2
 *                                     └─ anything else ──▶ http1
 */
export class Listener {
  readonly #init: ListenerInit;
  /** What is bound to the address. */
  readonly #net: NetServer;
  /** Connections that did not yet say what they speak, and since when, on the clock of `performance.now()`. */
  readonly #silent: Map<Socket, number> = new Map();
  /** The TCP sockets below TLS whose handshake is not over. */
  readonly #handshaking: Map<string, Socket> = new Map();
  /** Connections that a given listener took before the start. */
  readonly #early: Socket[] = [];
  #welcomeEarly: () => void = () => {};
  #hasStarted = false;
  /** Whether nobody is waited for any more. */
  #isDeaf = false;
  /** The path of a unix socket is text. */
  #bound: AddressInfo | string | undefined;

  /** @throws CLEW_TRANSPORT_TLS */
  constructor(init: ListenerInit) {
    this.#init = init;
    const own = this.#createServer();
    const { listener } = init.options;
    if (listener === undefined || !isNetServer(listener)) this.#net = own;
    else {
      this.#net = listener;
      listener.on("connection", (socket: Socket) => {
        socket.allowHalfOpen = true;
        socket.setNoDelay(true);
        if (this.#hasStarted) own.emit("connection", socket);
        else this.#early.push(socket);
      });
      this.#welcomeEarly = () => {
        for (const socket of this.#early.splice(0)) own.emit("connection", socket);
      };
    }
  }

  /**
   * Resolves when connections are accepted.
   *
   * @throws CLEW_TRANSPORT_ADDRESS_IN_USE, CLEW_TRANSPORT_ADDRESS_REFUSED, CLEW_TRANSPORT_STARTED
   */
  async start(): Promise<void> {
    const { server, options, begin } = this.#init;
    if (this.#hasStarted) throw serverAlreadyStarted(server);
    this.#hasStarted = true;
    begin(current());
    const { address, listener } = options;
    if (listener !== undefined && !isNetServer(listener)) await listenOnDescriptor(this.#net, listener.fd);
    else if (!this.#net.listening) await listen(this.#net, address);
    this.#bound = this.#net.address()!;
    this.#welcomeEarly();
    // A failed accept (out of file descriptors) must not end the process.
    this.#net.on("error", (error) => options.logger.error(`${server}: a connection failed`, { error }));
    const { host, pathname } = this.endpoint("http");
    // An App tells it as well.
    options.logger.debug(`${server} listening on ${host || pathname}`);
  }

  /**
   * Accepts no more connections, and resolves when every connection has closed. A connection that was accepted just now may still
   * make its first request, so that a client sees the stop in a reply instead of a reset. When `signal` aborts, `onAbort` is called
   * and connections that are still open are cut off.
   */
  async stop(signal: AbortSignal, onAbort?: () => void): Promise<void> {
    if (!this.#net.listening) return;
    const { http1, http2 } = this.#init;
    const closed = new Promise<void>((resolve) => this.#net.close(() => resolve()));
    for (const socket of this.#early) socket.destroy();
    const now = performance.now();
    const old = [...this.#silent].flatMap(([socket, since]) => (now - since >= firstWordMs ? [socket] : []));
    afterReading(() => {
      for (const socket of old) if (this.#silent.has(socket)) socket.destroy();
    });
    const deafen = (): void => {
      this.#isDeaf = true;
      for (const socket of [...this.#silent.keys(), ...this.#handshaking.values()]) socket.destroy();
    };
    const timer = setTimeout(() => afterReading(deafen), firstWordMs).unref();
    http1?.drain();
    http2?.drain();
    const cutOff = (): void => {
      deafen();
      onAbort?.();
      http1?.cutOff();
      http2?.cutOff();
    };
    if (signal.aborted) cutOff();
    else signal.addEventListener("abort", cutOff, { once: true });
    await closed;
    clearTimeout(timer);
    signal.removeEventListener("abort", cutOff);
  }

  /**
   * Returns the URL of the server. `scheme` is the scheme without TLS: `grpc` becomes `grpcs` over TLS.
   *
   * @throws CLEW_TRANSPORT_NOT_STARTED
   */
  endpoint(scheme: string): URL {
    const { server, options } = this.#init;
    if (this.#bound === undefined) throw serverNotStarted(server);
    return endpointOf(options.tls === undefined ? scheme : `${scheme}s`, this.#bound, options.address);
  }

  #createServer(): NetServer {
    const { options, http1, http2 } = this.#init;
    const { tls, headerTimeoutMs } = options;
    // As node:http has it: a peer that has said everything may still wait for its answer.
    if (tls === undefined) {
      return createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#welcome(socket, http2));
    }
    const protocols = [...(http2 === undefined ? [] : [alpnProtocol]), ...(http1 === undefined ? [] : ["http/1.1"])];
    const timeouts = headerTimeoutMs > 0 ? { handshakeTimeout: headerTimeoutMs } : {};
    let secure: NetServer;
    try {
      secure = createSecureServer({ ...timeouts, ...tls, noDelay: true, ALPNProtocols: protocols }, (socket) => {
        this.#handshaking.delete(connectionOf(socket));
        // Who does not know ALPN speaks HTTP/1.1, unless that is not spoken here.
        const isHttp2 = socket.alpnProtocol === alpnProtocol || http1 === undefined;
        this.#welcome(socket, isHttp2 ? http2 : undefined);
      });
    } catch (cause) {
      throw tlsInvalid(`does not work: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
    }
    // Node tells of a handshake that failed or took too long, and leaves its socket to us.
    secure.on("tlsClientError", (_error: Error, socket: TLSSocket) => socket.destroy());
    // Until its handshake is over nobody else knows of a connection.
    secure.on("connection", (socket: Socket) => {
      // Over a unix socket nothing tells one from the other; there the handshake's own limit has to do.
      if (socket.remoteAddress === undefined) return;
      const connection = connectionOf(socket);
      this.#handshaking.set(connection, socket);
      socket.once("close", () => this.#handshaking.delete(connection));
    });
    return secure;
  }

  #welcome(socket: Socket, http2: Protocol | undefined): void {
    const { http1 } = this.#init;
    // Its socket does not know.
    if (typeof this.#bound === "string") peerOf(socket, this.#bound);
    if (this.#isDeaf) socket.destroy();
    else if (http1 === undefined) http2!.add(socket, undefined);
    else if ((socket as Partial<TLSSocket>).alpnProtocol === alpnProtocol) http2!.add(socket, undefined);
    else this.#listenFor(socket, http1, http2);
  }

  // Waits for enough bytes to tell, and hands the socket on with them.
  #listenFor(socket: Socket, http1: Http1Protocol, http2: Protocol | undefined): void {
    const { headerTimeoutMs } = this.#init.options;
    let head: Buffer | undefined;
    const onData = (bytes: Buffer): void => {
      head = head === undefined ? bytes : Buffer.concat([head, bytes]);
      const isHttp2 = http2 === undefined ? false : isHttp2Preface(head);
      if (isHttp2 === undefined) return;
      release();
      if (isHttp2) http2!.add(socket, head);
      else http1.add(socket, head);
    };
    const onTimeout = (): void => {
      release();
      http1.expire(socket);
    };
    const leave = (): void => {
      release();
      socket.destroy();
    };
    const release = (): void => {
      clearTimeout(timer);
      this.#silent.delete(socket);
      socket.off("data", onData).off("end", leave).off("close", leave);
    };
    const timer = headerTimeoutMs > 0 ? setTimeout(onTimeout, headerTimeoutMs).unref() : undefined;
    this.#silent.set(socket, performance.now());
    socket.on("data", onData).on("end", leave).on("close", leave);
    // It is followed by the close; without a listener it would end the process.
    socket.on("error", () => {});
  }
}

/** Calls `then` when what has arrived by now is read: a process that stood still for a while finds its timers due before that. */
function afterReading(then: () => void): void {
  // The first may come in the turn that is under way, of which nothing more is read.
  setImmediate(() => setImmediate(then));
}

/** What tells a connection from others: the same for a TLS socket and the TCP socket below it. */
function connectionOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
