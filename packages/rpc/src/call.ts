import type { X509Certificate } from "node:crypto";
import type { Message } from "@bufbuild/protobuf";
import { Context, createKey, current, type Holder, type Key, run, runHolder } from "@clew/context";
import { clock } from "./clock.ts";
import { type Deadline, remainingMs } from "./deadline.ts";
import { Metadata } from "./metadata.ts";
import type { Method } from "./method.ts";
import { callCancelled, deadlineExceeded, type ServiceError } from "./service-error.ts";

/** Who is at the other end. */
export interface Peer {
  /** `host:port`, or the path of a unix socket. Empty when it is not known yet. */
  readonly address: string;
  /** What the other end proved to be: over mutual TLS, and only when its certificate was found good. */
  readonly certificate?: X509Certificate | undefined;
}

/** Called for each message of a call as it passes: what this side sent, what it received. */
export type MessageListener = (direction: "sent" | "received", message: Message) => void;

/** The bodies of an HTTP request and its response, in bytes as they crossed the wire; undefined for one that is not known. */
export interface BodySizes {
  readonly request: number | undefined;
  readonly response: number | undefined;
}

/** What HTTP knows of a call that came in over it. */
export interface HttpInfo {
  /** `GET` */
  readonly verb: string;
  /** The path as it was asked for, without the query: `/v1/books/7`. */
  readonly path: string;
  /** The path template that matched: `/v1/books/{id}`. */
  readonly route: string;
  /** `http` or `https`. */
  readonly scheme?: string;
  /** What follows the path and its question mark; empty when there is none. */
  readonly query?: string;
  /** The version of HTTP that carried it: `1.1`, `2`. */
  readonly version?: string;
  /** The status of the reply, unless that is an error: 200, or what a handler has set. Default: 200. */
  readonly status?: number;
}

/** The request of HTTP that a client's call became. */
export interface SentHttp {
  readonly verb: string;
  readonly url: string;
  /** Undefined until the reply began. */
  status: number | undefined;
}

export interface CallInit {
  readonly method: Method;
  /** Without it, {@link Call.readMetadata} is asked at the first look. */
  readonly metadata?: Metadata;
  readonly peer: Peer;
  /** Default: none, unless there is a timeout. */
  readonly deadline?: Deadline | undefined;
  /** Instead of a deadline: how long the call may take from its start, in milliseconds. Default: Infinity, as long as it likes. */
  readonly timeoutMs?: number;
  readonly context: Context;
}

type CancelListener = (reason: ServiceError) => void;

const callKey: Key<Call> = createKey<Call>("clew.call");

/** The call that the running work serves; undefined outside of any. */
export function currentCall(): Call | undefined {
  return current().getValue(callKey);
}

/**
 * One RPC in flight, on either side. A transport makes it and finishes it; middleware and handlers use it.
 *
 *     headers ─▶ Call ─▶ middleware ─▶ receive() ─▶ handler ─▶ reply ─▶ finish()
 *                  └── cancel(): the deadline passed, the caller left, or the server stops
 */
export abstract class Call implements Holder {
  /** "server" for a call that came in, "client" for one that goes out. */
  abstract readonly side: "server" | "client";
  /** What carries the call: "http", "grpc", "connect", "grpc-web" or "memory". */
  abstract readonly transport: string;

  readonly method: Method;
  /** When the call began, in milliseconds on the clock of `performance.now()`: read once, for whoever measures it. */
  readonly startMs: number = clock.now();
  /** Whether a client's call waits for the other end to be reached instead of failing while it is not. */
  waitsForReady = false;
  /** A client's transport over HTTP/JSON tells here what it sent; undefined before, and for every other transport. */
  sentHttp: SentHttp | undefined = undefined;
  /** What flows with this call's work. Its owner and the middleware may replace it; the handler's work reads it. */
  context: Context;

  #peer: Peer;
  #onPeer: ((sent: Call) => void) | undefined;
  #deadline: Deadline | undefined;
  #metadata: Metadata | undefined;
  // Made at the first look: most calls have neither.
  #replyMetadata: Metadata | undefined;
  #replyTrailers: Metadata | undefined;
  #cancelled: ServiceError | undefined;
  // One listener as it is, several as a set: most calls have one at a time.
  #onCancel: CancelListener | Set<CancelListener> | undefined;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  // Whether the timer comes with the next turn of the event loop.
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
   * Calls `listener` when a client's transport knows whom it calls, before it writes the headers: what is set in the metadata of
   * `sent`, this call or a try of it, still goes. It comes again when the call is sent again.
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

  /** Tells those who listen that `sent`, a try of this call, has its peer. */
  passPeer(sent: Call): void {
    this.#onPeer?.(sent);
  }

  /** The moment by which the reply is due; undefined when there is none. Calls made while serving this one inherit it. */
  get deadline(): Deadline | undefined {
    return this.#deadline;
  }

  /** Brings the deadline forward to this moment. One that is later than the call's own, or comes after its end, changes nothing. */
  limit(deadline: Deadline): void {
    if (this.#isFinished || this.#cancelled !== undefined) return;
    if (this.#deadline !== undefined && this.#deadline <= deadline) return;
    this.#limit(deadline, remainingMs(deadline));
  }

  #limit(deadline: Deadline, waitMs: number): void {
    this.#deadline = deadline;
    // A timer cannot wait longer and would fire at once; a call that lasts 24 days has other troubles.
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

  /** Sets timers for the deadlines of calls that are not over. */
  static watchAll(calls: readonly Call[]): void {
    const left = calls.filter((call) => !call.#isFinished && call.#cancelled === undefined);
    if (left.length === 0) return;
    // Outside of every call: a timer holds the context it was made in.
    run(Context.root, () => {
      for (const call of left) call.#watch();
    });
  }

  /** The caller's headers. A client's middleware may add to them until the call is sent. */
  get metadata(): Metadata {
    this.#metadata ??= this.readMetadata();
    return this.#metadata;
  }

  /** The headers of the reply: a server's handler sets them, a client has them once the reply began. */
  get replyMetadata(): Metadata {
    this.#replyMetadata ??= new Metadata();
    return this.#replyMetadata;
  }

  set replyMetadata(metadata: Metadata) {
    this.#replyMetadata = metadata;
  }

  /** What follows a reply: gRPC trailers. Over HTTP/1.1 a server cannot send any. */
  get replyTrailers(): Metadata {
    this.#replyTrailers ??= new Metadata();
    return this.#replyTrailers;
  }

  set replyTrailers(trailers: Metadata) {
    this.#replyTrailers = trailers;
  }

  /** {@link replyMetadata} if anybody asked for it: a transport need not make what it would not send. */
  get givenReplyMetadata(): Metadata | undefined {
    return this.#replyMetadata;
  }

  /** {@link replyTrailers} if anybody asked for it. */
  get givenReplyTrailers(): Metadata | undefined {
    return this.#replyTrailers;
  }

  /** `/package.Service/Method` */
  get operation(): string {
    return this.method.operation;
  }

  /** The call that this one is a try of, where a middleware sends one several times; undefined for any other. */
  get tryOf(): Call | undefined {
    return undefined;
  }

  /** On a server, whom the caller asked for: `shop.example:8443`. Undefined where it did not say. */
  get authority(): string | undefined {
    return this.side === "server" ? this.metadata.get("host") : undefined;
  }

  /** How often this call was sent before, where it is one of several tries; 0 for the first. */
  get resends(): number {
    return 0;
  }

  /** What HTTP knows of this call; undefined for one that did not come in over HTTP/JSON. */
  get http(): HttpInfo | undefined {
    return undefined;
  }

  /**
   * The request message, decoded at the first look and kept. Rejects with a ServiceError when the body is none, is too large,
   * or does not arrive in time. For a method that takes a stream, use {@link messages}.
   */
  abstract receive(): Promise<Message>;

  /**
   * {@link receive} without waiting: the request message if it can be had at once, undefined where one has to wait for it. It saves
   * the turns of a promise, which are a tenth of a small call.
   *
   * @throws ServiceError as {@link receive} rejects
   */
  receiveNow(): Message | undefined {
    return undefined;
  }

  /** The messages the caller sends, for a method that takes a stream; it can be read once. */
  abstract messages(): AsyncIterable<Message>;

  /** Aborted when the deadline passes, the caller goes away or the server stops; the reason is a ServiceError. */
  get signal(): AbortSignal {
    // Made at the first look: most handlers never ask, and a signal costs more than the rest of a call.
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#cancelled !== undefined) this.#controller.abort(this.#cancelled);
    }
    return this.#controller.signal;
  }

  /** Why the call was cancelled; undefined while it was not. */
  get cancelled(): ServiceError | undefined {
    return this.#cancelled;
  }

  /** Ends the call early. The first reason stays; after {@link finish} this does nothing. */
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

  /** Calls `listener` when the call is cancelled, at once if it already was. Returns a function that takes it back. */
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

  /** `promise`, or the rejection with the reason if the call is cancelled first. */
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

  /** Calls `listener` for each message that passes, in order. */
  onMessage(listener: MessageListener): void {
    this.#onMessage ??= [];
    this.#onMessage.push(listener);
  }

  /** A transport tells that a message passed. */
  passMessage(direction: "sent" | "received", message: Message): void {
    if (this.#onMessage !== undefined) for (const listener of this.#onMessage) listener(direction, message);
  }

  /**
   * Calls `listener` when the bodies of a call over HTTP/JSON that is no stream have passed: of a server's after the reply was written,
   * when the call is over for its middleware; of a client's before that, for each try.
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

  /** Whether anybody listens to {@link passBodies}. */
  get measuresBodies(): boolean {
    return this.#onBodies !== undefined;
  }

  /** A transport tells how large the bodies were. */
  passBodies(sizes: BodySizes): void {
    this.#onBodies?.(sizes);
  }

  /** The transport is done with the call: its timer and listeners go, and it can no longer be cancelled. */
  finish(): void {
    this.#isFinished = true;
    clearTimeout(this.#timer);
    this.#onCancel = undefined;
  }

  /** Makes {@link metadata}, for a transport that leaves that to the first look. */
  protected readMetadata(): Metadata {
    return new Metadata();
  }

  /** The call was cancelled; its transport learns it before anybody else. */
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
 * Calls with a deadline and no timer yet. Most calls are answered before the event loop has gone round once, and never have one:
 * without it hello over HTTP/JSON went from 1.26 to 1.17 of bare node:http (`npm run bench -- http`, before and after).
 */
let unwatched: Call[] = [];
const maxUnwatched = 256;

function watchSoon(call: Call): void {
  unwatched.push(call);
  // In the context of this call, which it holds for a turn: leaving it costs more than all the rest.
  if (unwatched.length === 1) setImmediate(watchUnwatched);
  // The event loop does not come round: those that are over must not be held for it.
  else if (unwatched.length === maxUnwatched) watchUnwatched();
}

function watchUnwatched(): void {
  const calls = unwatched;
  unwatched = [];
  Call.watchAll(calls);
}

function nothing(): void {}
