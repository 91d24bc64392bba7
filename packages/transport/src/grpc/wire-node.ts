import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  createSecureServer,
  createServer,
  type Http2Server,
  type Http2Session,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
  type Settings,
} from "node:http2";
import type { Server as NetServer } from "node:net";
import {
  type ClientStreamListener,
  type ClientWireStream,
  ResetCode,
  type ServerWireStream,
  type StreamListener,
  type WireClientOptions,
  type WireHeaders,
  type WireServer,
  type WireServerOptions,
  type WireSession,
  type WireStream,
} from "./wire.ts";

// The only file that knows node:http2. Everything it knows of gRPC is that trailers exist.

const noTrailers: WireHeaders = [];
// Node counts all streams of a session, with what waits in them, and refuses new ones above this (in MB; its default is 10).
const maxSessionMemory = 256;
const windowBytes = 256 * 1024;
const lingerMs = 1000;

function createSettings(maxHeaderBytes: number): Settings {
  return { enablePush: false, initialWindowSize: windowBytes, maxHeaderListSize: maxHeaderBytes };
}

export function createWireServer(options: WireServerOptions): WireServer {
  const settings: Settings = { ...createSettings(options.maxHeaderBytes), maxConcurrentStreams: 1000 };
  delete settings.enablePush; // RFC 9113 section 6.5.2: a server does not send it.
  const server: Http2Server =
    options.tls === undefined
      ? createServer({ settings, maxSessionMemory })
      : createSecureServer({ ...options.tls, settings, maxSessionMemory });
  const sessions = new Map<Http2Session, string>();
  let isDraining = false;
  server.on("session", (session) => {
    const { remoteAddress, remotePort } = session.socket;
    sessions.set(session, formatPeer(remoteAddress, remotePort));
    session.setLocalWindowSize(4 * windowBytes);
    session.on("close", () => sessions.delete(session));
    if (isDraining) session.close();
  });
  // A peer that speaks no HTTP/2 loses its connection; there is nobody else to tell.
  server.on("sessionError", () => {});
  server.on("stream", (stream: ServerHttp2Stream, _headers, _flags, rawHeaders: string[]) => {
    const wire = new NodeServerStream(stream, sessions.get(stream.session!) ?? "");
    wire.listen(options.accept(wire, rawHeaders));
  });
  return {
    listener: server as unknown as NetServer,
    async drain() {
      isDraining = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions.keys()) session.close();
      await closed;
    },
    destroy() {
      for (const session of sessions.keys()) session.destroy();
    },
  };
}

/** Connects; rejects with the system's error, or when the signal aborts. */
export function connectWire(options: WireClientOptions, signal: AbortSignal): Promise<WireSession> {
  const { host, port, tls } = options;
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const settings = createSettings(options.maxHeaderBytes);
  const scheme = tls === undefined ? "http" : "https";
  const session = connectHttp2(`${scheme}://${authority}`, { ...tls, settings, maxSessionMemory });
  return new Promise((resolve, reject) => {
    const abort = (): void => session.destroy(signal.reason as Error);
    const timer = setTimeout(() => {
      session.destroy(new Error(`no connection to ${authority} within ${options.connectTimeoutMs} ms`));
    }, options.connectTimeoutMs);
    signal.addEventListener("abort", abort, { once: true });
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    };
    session.once("error", (error) => {
      settle();
      reject(error);
    });
    // A peer may hang up without an error; after the other two this changes nothing.
    session.once("close", () => {
      settle();
      reject(new Error(`${authority} closed the connection`));
    });
    session.once("connect", () => {
      // Node tells of a connection that it gave up meanwhile.
      if (session.destroyed) return;
      settle();
      session.setLocalWindowSize(4 * windowBytes);
      resolve(new NodeSession(session, authority));
    });
  });
}

class NodeSession implements WireSession {
  readonly peer: string;
  readonly #session: ClientHttp2Session;
  #lost: Error | undefined;
  #streams = 0;
  #isGoingAway = false;

  constructor(session: ClientHttp2Session, authority: string) {
    this.#session = session;
    const { remoteAddress, remotePort } = session.socket;
    this.peer = remoteAddress === undefined ? authority : formatPeer(remoteAddress, remotePort);
    session.on("error", (error) => {
      this.#lost = error;
    });
    session.on("goaway", () => {
      this.#isGoingAway = true;
    });
    session.unref();
  }

  get isOpen(): boolean {
    return !this.#isGoingAway && !this.#session.closed && !this.#session.destroyed;
  }

  openStream(headers: WireHeaders, body: Uint8Array | undefined, listener: ClientStreamListener): ClientWireStream {
    const stream = this.#session.request(toNodeHeaders(headers), { endStream: false });
    // The connection keeps the process alive while somebody waits for it.
    if (this.#streams++ === 0) this.#session.ref();
    stream.once("close", () => {
      if (--this.#streams === 0 && !this.#session.closed && !this.#session.destroyed) this.#session.unref();
    });
    const wire = new NodeClientStream(stream, this.peer, () => this.#lossOf());
    wire.listen(listener);
    if (body !== undefined) wire.sendLast(body);
    return wire;
  }

  close(): Promise<void> {
    if (this.#session.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      // Somebody waits for it to be closed.
      this.#session.ref();
      this.#session.once("close", resolve);
      // Whoever awaits this has a process that must not end before.
      this.#session.ref();
      this.#session.close();
    });
  }

  // Why a stream ended that nobody reset: its connection went first.
  #lossOf(): Error | undefined {
    if (this.#lost !== undefined) return this.#lost;
    return this.#session.destroyed ? new Error("the connection was closed") : undefined;
  }
}

abstract class NodeStream<S extends ServerHttp2Stream | ClientHttp2Stream> implements WireStream {
  readonly peer: string;
  protected readonly stream: S;
  /** Whether this side has sent everything. Node's own flags say so of a stream that was reset as well. */
  protected hasSentEnd = false;

  constructor(stream: S, peer: string) {
    this.stream = stream;
    this.peer = peer;
  }

  /** Begins to tell the listener what arrives. */
  protected listenTo(listener: StreamListener, trailers: () => WireHeaders, loss: () => Error | undefined): void {
    const stream = this.stream;
    let hasEnded = false;
    let failure: Error | undefined;
    stream.on("data", (bytes: Buffer) => listener.onData(bytes));
    stream.on("end", () => {
      // A stream that was cut off ends as well, before it closes.
      if (stream.aborted || stream.rstCode !== ResetCode.NO_ERROR || stream.destroyed) return;
      hasEnded = true;
      listener.onEnd(trailers());
    });
    stream.on("drain", () => listener.onDrain());
    stream.on("error", (error) => {
      failure = error;
    });
    stream.on("close", () => {
      if (hasEnded && this.hasSentEnd) return;
      const code = stream.rstCode;
      listener.onReset(code, loss() ?? (code === ResetCode.NO_ERROR ? failure : undefined));
    });
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  sendData(bytes: Uint8Array): boolean {
    if (this.stream.destroyed || this.stream.closed) return true;
    return this.stream.write(bytes);
  }

  reset(code: number): void {
    if (this.stream.destroyed || this.stream.closed) return;
    // Node ends a stream that it resets: END_STREAM goes out first, and a request that was given up looks complete. Not here.
    if (code !== ResetCode.NO_ERROR) this.stream._final = (done) => done();
    this.stream.close(code);
  }
}

class NodeServerStream extends NodeStream<ServerHttp2Stream> implements ServerWireStream {
  listen(listener: StreamListener): void {
    this.listenTo(
      listener,
      () => noTrailers,
      () => undefined,
    );
  }

  sendHeaders(headers: WireHeaders, isEnd: boolean): void {
    if (this.stream.destroyed || this.stream.closed) return;
    this.hasSentEnd = isEnd;
    this.stream.respond(toNodeHeaders(headers), isEnd ? { endStream: true } : { waitForTrailers: true });
  }

  sendTrailers(trailers: WireHeaders): void {
    if (this.stream.destroyed || this.stream.closed) return;
    this.#trailWith(trailers);
    this.hasSentEnd = true;
    this.stream.end();
  }

  sendReply(headers: WireHeaders, bytes: Uint8Array, trailers: WireHeaders): void {
    if (this.stream.destroyed || this.stream.closed) return;
    this.sendHeaders(headers, false);
    this.#trailWith(trailers);
    this.hasSentEnd = true;
    this.stream.end(bytes);
  }

  override reset(code: number): void {
    if (code !== ResetCode.NO_ERROR || !this.hasSentEnd) {
      super.reset(code);
      return;
    }
    // nghttp2 drops what it has not sent of a stream that is being reset, trailers above all, and Node does not tell when they
    // have left. A gRPC client ends its side when it sees them; one that does not is reset later.
    const timer = setTimeout(() => super.reset(code), lingerMs);
    timer.unref();
    this.stream.once("close", () => clearTimeout(timer));
  }

  #trailWith(trailers: WireHeaders): void {
    this.stream.once("wantTrailers", () => {
      if (!this.stream.destroyed && !this.stream.closed) this.stream.sendTrailers(toNodeHeaders(trailers));
    });
  }
}

class NodeClientStream extends NodeStream<ClientHttp2Stream> implements ClientWireStream {
  readonly #loss: () => Error | undefined;

  constructor(stream: ClientHttp2Stream, peer: string, loss: () => Error | undefined) {
    super(stream, peer);
    this.#loss = loss;
  }

  listen(listener: ClientStreamListener): void {
    let trailers: WireHeaders = noTrailers;
    this.stream.on("response", (_headers, _flags, rawHeaders?: string[]) => listener.onHeaders(rawHeaders ?? []));
    this.stream.on("trailers", (_headers, _flags, rawHeaders?: string[]) => {
      trailers = rawHeaders ?? [];
    });
    this.listenTo(listener, () => trailers, this.#loss);
  }

  sendLast(bytes: Uint8Array): void {
    this.hasSentEnd = true;
    this.stream.end(bytes);
  }

  sendEnd(): void {
    if (this.stream.destroyed || this.stream.closed) return;
    this.hasSentEnd = true;
    this.stream.end();
  }
}

// Names that Node refuses to send twice; of these the first value goes.
const singleNames: ReadonlySet<string> = new Set(
  (
    "access-control-allow-credentials access-control-max-age access-control-request-method age authorization content-encoding " +
    "content-language content-location content-md5 content-range date dnt etag expires from if-match if-modified-since " +
    "if-none-match if-range if-unmodified-since last-modified location max-forwards proxy-authorization range referer " +
    "retry-after tk upgrade-insecure-requests x-content-type-options"
  ).split(" "),
);

function toNodeHeaders(headers: WireHeaders): OutgoingHttpHeaders {
  const record: Record<string, string | string[]> = {};
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    const value = headers[i + 1]!;
    const old = record[name];
    if (old === undefined) record[name] = value;
    else if (singleNames.has(name)) continue;
    else if (typeof old === "string") record[name] = [old, value];
    else old.push(value);
  }
  return record;
}

function formatPeer(address: string | undefined, port: number | undefined): string {
  if (address === undefined) return "";
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
