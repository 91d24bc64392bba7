import type { X509Certificate } from "node:crypto";
import type { Message } from "@bufbuild/protobuf";
import { Context, createKey, current, type Holder, type Key, run, runHolder } from "@clew/context";
import { clock } from "./clock.ts";
import { type Deadline, remainingMs } from "./deadline.ts";
import { Metadata } from "./metadata.ts";
import type { Method } from "./method.ts";
import { callCancelled, deadlineExceeded, type ServiceError } from "./service-error.ts";

/** The other end of a call. */
export interface Peer {
  /** `host:port`, or the path of a unix socket. Empty while it is unknown. */
  readonly address: string;
  /** The certificate of the other end. Set only over mutual TLS, and only if the certificate was verified. */
  readonly certificate?: X509Certificate | undefined;
}

/** Called for each message of a call, when this side sent it or received it. */
export type MessageListener = (direction: "sent" | "received", message: Message) => void;

/** The sizes of an HTTP request's body and of its response's body, in bytes on the wire; undefined where unknown. */
export interface BodySizes {
  readonly request: number | undefined;
  readonly response: number | undefined;
}

/** The HTTP facts of a call that came in over HTTP/JSON. */
export interface HttpInfo {
  /** `GET` */
  readonly verb: string;
  /** The path of the request, without the query: `/v1/books/7`. */
  readonly path: string;
  /** The path template that matched: `/v1/books/{id}`. */
  readonly route: string;
  /** `http` or `https`. */
  readonly scheme?: string;
  /** The part of the URL after the question mark; empty when there is none. */
  readonly query?: string;
  /** The HTTP version of the request: `1.1`, `2`. */
  readonly version?: string;
  /** The status of a successful reply: 200, or the status that a handler has set. Default: 200. */
  readonly status?: number;
}

/** The HTTP request that was sent for a client's call. */
export interface SentHttp {
  readonly verb: string;
  readonly url: string;
  /** Undefined until the reply begins. */
  status: number | undefined;
}

export interface CallInit {
  readonly method: Method;
  /** If missing, {@link Call.readMetadata} is called when the metadata is first read. */
  readonly metadata?: Metadata;
  readonly peer: Peer;
  /** Default: none, unless timeoutMs is given. */
  readonly deadline?: Deadline | undefined;
  /** An alternative to a deadline: how long the call may take from its start, in milliseconds. Default: Infinity, no limit. */
  readonly timeoutMs?: number;
  readonly context: Context;
}

type CancelListener = (reason: ServiceError) => void;

const callKey: Key<Call> = createKey<Call>("clew.call");

/** The call that the running code serves; undefined outside of a call. */
export function currentCall(): Call | undefined {
  return current().getValue(callKey);
}

/**
 * One RPC in progress, on the server or on the client. A transport creates it and finishes it; middleware and handlers
 * use it.
 *
 *     headers ─▶ Call ─▶ middleware ─▶ receive() ─▶ handler ─▶ reply ─▶ finish()
 *                  └── cancel(): the deadline passed, the caller left, or the server stops
 */
export abstract class Call implements Holder {
  /** "server" for an incoming call, "client" for an outgoing call. */
  abstract readonly side: "server" | "client";
  /** The transport of the call: "http", "grpc", "connect", "grpc-web" or "memory". */
  abstract readonly transport: string;

  readonly method: Method;
  /**
   * When the call began, in milliseconds on the clock of `performance.now()`. It is read once, for everybody who
   * measures the call.
   */
  readonly startMs: number = clock.now();
  /** Whether a client's call waits until the other end can be reached, instead of failing at once when it cannot. */
  waitsForReady = false;
  /**
   * Set by a client's HTTP/JSON transport when it has sent the request. Undefined before, and for every other
   * transport.
   */
  sentHttp: SentHttp | undefined = undefined;
  /**
   * The context in which the code of this call runs. The code that created the call and the middleware may replace it;
   * the handler reads it.
   */
  context: Context;

  #peer: Peer;
  #onPeer: ((sent: Call) => void) | undefined;
  #deadline: Deadline | undefined;
  #metadata: Metadata | undefined;
  // Created when first read: most calls have neither.
  #replyMetadata: Metadata | undefined;
  #replyTrailers: Metadata | undefined;
  #cancelled: ServiceError | undefined;
  // A single listener, or a set of several: most calls have one at a time.
  #onCancel: CancelListener | Set<CancelListener> | undefined;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  // Whether the timer will be set in the next turn of the event loop.
  #isToWatch = false;
  #onMessage: MessageListener[] | undefined;
  #onBodies: ((sizes: BodySizes) => void) | undefined;
  #isFinished = false;

  constructor(init: CallInit) {
    this.method = init.method;
    this.#metadata = init.metadata;
    this.#peer = init.peer;
    this.context = init.context;
    const { deadline, timeoutMs = Number.POSITIVE_INFINITY } = init;
    if (deadline !== undefined) this.#limit(deadline, deadline - this.startMs);
    else if (timeoutMs !== Number.POSITIVE_INFINITY) this.#limit(this.startMs + timeoutMs, timeoutMs);
  }

  get peer(): Peer {
    return this.#peer;
  }

  set peer(peer: Peer) {
    this.#peer = peer;
    this.#onPeer?.(this);
  }

  /**
   * Calls `listener` when a client's transport knows the peer, before it writes the headers: metadata that the listener sets on
   * `sent` is still sent. `sent` is this call, or one attempt of it. The listener is called again for each attempt.
   */
  onPeer(listener: (sent: Call) => void): void {
    const before = this.#onPeer;
    this.#onPeer =
      before === undefined
        ? listener
        : (sent) => {
            before(sent);
            listener(sent);
          };
  }

  /** Tells the listeners of {@link onPeer} that `sent`, an attempt of this call, has its peer. */
  passPeer(sent: Call): void {
    this.#onPeer?.(sent);
  }

  /** The moment by which the reply is due; undefined when there is none. Calls made while serving this one inherit it. */
  get deadline(): Deadline | undefined {
    return this.#deadline;
  }

  /**
   * Moves the deadline forward to this moment. Does nothing if the moment is later than the current deadline, or if the call is
   * over.
   */
  limit(deadline: Deadline): void {
    if (this.#isFinished || this.#cancelled !== undefined) return;
    if (this.#deadline !== undefined && this.#deadline <= deadline) return;
    this.#limit(deadline, remainingMs(deadline));
  }

  #limit(deadline: Deadline, waitMs: number): void {
    this.#deadline = deadline;
    // A timer cannot wait longer and would fire at once. A call that lasts 24 days has other problems.
    if (waitMs > maxTimerMs) return;
    if (this.#timer !== undefined) this.#watch();
    else if (!this.#isToWatch) {
      this.#isToWatch = true;
      watchSoon(this);
    }
  }

  #watch(): void {
    this.#isToWatch = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(expire, Math.max(0, remainingMs(this.#deadline!)), this).unref();
  }

  /** Sets timers for the deadlines of the calls that are not over. */
  static watchAll(calls: readonly Call[]): void {
    const left = calls.filter((call) => !call.#isFinished && call.#cancelled === undefined);
    if (left.length === 0) return;
    // Outside of every call, because a timer keeps the context it was created in.
    run(Context.root, () => {
      for (const call of left) call.#watch();
    });
  }

  /** The headers of the request. A client's middleware may add headers until the call is sent. */
  get metadata(): Metadata {
    this.#metadata ??= this.readMetadata();
    return this.#metadata;
  }

  /** The headers of the reply. A server's handler sets them; a client has them once the reply has begun. */
  get replyMetadata(): Metadata {
    this.#replyMetadata ??= new Metadata();
    return this.#replyMetadata;
  }

  set replyMetadata(metadata: Metadata) {
    this.#replyMetadata = metadata;
  }

  /** The gRPC trailers that follow a reply. Over HTTP/1.1 a server cannot send any. */
  get replyTrailers(): Metadata {
    this.#replyTrailers ??= new Metadata();
    return this.#replyTrailers;
  }

  set replyTrailers(trailers: Metadata) {
    this.#replyTrailers = trailers;
  }

  /**
   * {@link replyMetadata} if it was ever read, otherwise undefined: a transport need not create headers only to send
   * none.
   */
  get givenReplyMetadata(): Metadata | undefined {
    return this.#replyMetadata;
  }

  /** {@link replyTrailers} if they were ever read, otherwise undefined. */
  get givenReplyTrailers(): Metadata | undefined {
    return this.#replyTrailers;
  }

  /** `/package.Service/Method` */
  get operation(): string {
    return this.method.operation;
  }

  /**
   * The original call, if a middleware sends it several times and this call is one of the attempts; otherwise
   * undefined.
   */
  get tryOf(): Call | undefined {
    return undefined;
  }

  /** On a server, the host that the caller asked for: `shop.example:8443`. Undefined if the caller did not send one. */
  get authority(): string | undefined {
    return this.side === "server" ? this.metadata.get("host") : undefined;
  }

  /** How often this call was sent before, if it is one of several attempts; 0 for the first. */
  get resends(): number {
    return 0;
  }

  /** The HTTP facts of this call; undefined if it did not come in over HTTP/JSON. */
  get http(): HttpInfo | undefined {
    return undefined;
  }

  /**
   * Returns the request message. It is decoded at the first call and kept. Rejects with a ServiceError when the body is not a
   * valid message, is too large, or does not arrive in time. For a method that takes a stream, use {@link messages}.
   */
  abstract receive(): Promise<Message>;

  /**
   * Like {@link receive}, but synchronous: returns the request message if it is available now, and undefined if it must be awaited.
   * It saves the turns of a promise, which are a tenth of the time of a small call.
   *
   * @throws the ServiceError with which {@link receive} would reject
   */
  receiveNow(): Message | undefined {
    return undefined;
  }

  /** The messages that the caller sends, for a method that takes a stream. It can be iterated only once. */
  abstract messages(): AsyncIterable<Message>;

  /** Aborted when the deadline passes, the caller disconnects or the server stops. The reason is a ServiceError. */
  get signal(): AbortSignal {
    // Created when first read: most handlers never use it, and a signal costs more than the rest of a call.
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#cancelled !== undefined) this.#controller.abort(this.#cancelled);
    }
    return this.#controller.signal;
  }

  /** The reason why the call was cancelled; undefined if it was not. */
  get cancelled(): ServiceError | undefined {
    return this.#cancelled;
  }

  /** Ends the call early. Only the first reason counts; after {@link finish} this does nothing. */
  cancel(reason: ServiceError = callCancelled(this.operation)): void {
    if (this.#cancelled !== undefined || this.#isFinished) return;
    this.#cancelled = reason;
    clearTimeout(this.#timer);
    const listeners = this.#onCancel;
    this.#onCancel = undefined;
    this.onCancelled(reason);
    if (typeof listeners === "function") listeners(reason);
    else if (listeners !== undefined) for (const listener of listeners) listener(reason);
    this.#controller?.abort(reason);
  }

  /**
   * Calls `listener` when the call is cancelled, at once if it already was. Returns a function that removes the
   * listener.
   */
  onCancel(listener: (reason: ServiceError) => void): () => void {
    if (this.#cancelled !== undefined) {
      listener(this.#cancelled);
      return nothing;
    }
    const before = this.#onCancel;
    if (before === undefined) this.#onCancel = listener;
    else if (typeof before === "function") this.#onCancel = new Set([before, listener]);
    else before.add(listener);
    return () => this.#offCancel(listener);
  }

  #offCancel(listener: CancelListener): void {
    if (this.#onCancel === listener) this.#onCancel = undefined;
    else if (typeof this.#onCancel === "object") this.#onCancel.delete(listener);
  }

  /** Resolves and rejects like `promise`, but rejects with the reason if the call is cancelled first. */
  orCancelled<T>(promise: PromiseLike<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const release = this.onCancel(reject);
      promise.then(
        (value) => {
          release();
          resolve(value);
        },
        (error: unknown) => {
          release();
          reject(error);
        },
      );
    });
  }

  /** Calls `listener` for each message that is sent or received, in order. */
  onMessage(listener: MessageListener): void {
    this.#onMessage ??= [];
    this.#onMessage.push(listener);
  }

  /** Called by the transport when a message was sent or received. */
  passMessage(direction: "sent" | "received", message: Message): void {
    if (this.#onMessage !== undefined) for (const listener of this.#onMessage) listener(direction, message);
  }

  /**
   * Calls `listener` with the sizes of the bodies of a call over HTTP/JSON that is not a stream. On a server this happens after the
   * reply was written, when the call is over for its middleware. On a client it happens before the call is over, for each attempt.
   */
  onBodies(listener: (sizes: BodySizes) => void): void {
    const before = this.#onBodies;
    this.#onBodies =
      before === undefined
        ? listener
        : (sizes) => {
            before(sizes);
            listener(sizes);
          };
  }

  /** Whether {@link passBodies} has any listener. */
  get measuresBodies(): boolean {
    return this.#onBodies !== undefined;
  }

  /** Called by the transport with the sizes of the bodies. */
  passBodies(sizes: BodySizes): void {
    this.#onBodies?.(sizes);
  }

  /**
   * Called by the transport when it is done with the call. Removes its timer and listeners; the call can no longer be
   * cancelled.
   */
  finish(): void {
    this.#isFinished = true;
    clearTimeout(this.#timer);
    this.#onCancel = undefined;
  }

  /** Reads {@link metadata} at the first access, for a transport that does not read it earlier. */
  protected readMetadata(): Metadata {
    return new Metadata();
  }

  /** Called when the call is cancelled, before the listeners: the transport overrides it. */
  protected onCancelled(_reason: ServiceError): void {}

  /** Puts this call into its own context, where {@link currentCall} finds it. A server's transport does this first. */
  protected enter(): void {
    this.context = this.context.setValue(callKey, this);
  }
}

const maxTimerMs = 2 ** 31 - 1;

function expire(call: Call): void {
  runHolder(call, cancelExpired, call);
}

function cancelExpired(call: Call): void {
  call.cancel(deadlineExceeded(call.operation));
}

/**
 * Calls with a deadline and no timer yet. Most calls are answered within one turn of the event loop and never need a timer:
 * without timers, hello over HTTP/JSON went from 1.26 to 1.17 of bare node:http (`npm run bench -- http`, before and after).
 */
let unwatched: Call[] = [];
const maxUnwatched = 256;

function watchSoon(call: Call): void {
  unwatched.push(call);
  // Runs in the context of this call, which it keeps alive for one turn: leaving the context would cost more than
  // everything else here.
  if (unwatched.length === 1) setImmediate(watchUnwatched);
  // The event loop is blocked: calls that are over must not be kept in memory until it turns.
  else if (unwatched.length === maxUnwatched) watchUnwatched();
}

function watchUnwatched(): void {
  const calls = unwatched;
  unwatched = [];
  Call.watchAll(calls);
}

function nothing(): void {}
