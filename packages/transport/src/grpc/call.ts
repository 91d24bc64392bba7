import type { Message } from "@bufbuild/protobuf";
import { type Context, runHolder } from "@clew/context";
import type { HeaderFields, ServerStream, StreamListener } from "@clew/http2";
import type { Logger } from "@clew/log";
import {
  Call,
  callCancelled,
  callReceivesMessage,
  callReceivesStream,
  type Deadline,
  deadlineExceeded,
  type Handler,
  hasRequestStream,
  isStream,
  MessageStream,
  Metadata,
  type Method,
  type Peer,
  ServiceError,
  wasTold,
} from "@clew/rpc";
import { announceBegin, announceEnd } from "../channels.ts";
import type { OpenSet } from "../open-set.ts";
import { Turn } from "../turn.ts";
import { type Compression, encodeCompressibleFrame } from "./compression.ts";
import { MessageReader } from "./message-reader.ts";
import { appendMetadata, readMetadata } from "./metadata.ts";
import type { RouteCodec } from "./route-codec.ts";
import { encodeStatus, okFields } from "./status.ts";

export interface GrpcCallInit {
  readonly method: Method;
  /** What carries it: "grpc", or what was translated to it. */
  readonly transport: string;
  readonly headers: HeaderFields;
  readonly peer: Peer;
  /** How long it may take, in milliseconds; Infinity for no limit. */
  readonly timeoutMs: number;
  /** Whether it is the caller who said so. */
  readonly isCallersTimeout: boolean;
  /** What the call's context begins with. */
  readonly context: Context;
  readonly stream: ServerStream;
  readonly codec: RouteCodec;
  /** How the caller compresses; undefined when it does not. */
  readonly requestCompression: Compression | undefined;
  /** How to compress the reply; undefined for not at all. */
  readonly replyCompression: Compression | undefined;
  readonly maxMessageBytes: number;
  readonly logger: Logger;
  /** The calls in flight, which it leaves when nothing more will be sent or received. */
  readonly calls: OpenSet<GrpcCall>;
}

/** A call that came in: what its stream brings is read from here, and its reply is written here. */
export class GrpcCall extends Call implements StreamListener {
  override get side(): "server" {
    return "server";
  }
  override get transport(): string {
    return this.#init.transport;
  }
  readonly #init: GrpcCallInit;
  readonly #stream: ServerStream;
  readonly #reader: MessageReader;
  /** The deadline that the caller gave; undefined when it gave none, or the server's own comes first. */
  readonly #callersDeadline: Deadline | undefined;
  #request: Promise<Message> | undefined;
  readonly #slot: number;
  #hasSentHeaders = false;
  #isOver = false;
  #error: ServiceError | undefined;
  #onDrain: (() => void) | undefined;

  constructor(init: GrpcCallInit) {
    super({
      method: init.method,
      peer: init.peer,
      timeoutMs: init.timeoutMs,
      context: init.context,
    });
    this.#init = init;
    this.#callersDeadline = init.isCallersTimeout ? this.deadline : undefined;
    this.#stream = init.stream;
    this.#reader = new MessageReader(this, init.stream, init.codec.input, init.maxMessageBytes);
    this.#reader.compression = init.requestCompression;
    this.#slot = init.calls.add(this);
    this.enter();
  }

  /** Whether its time was over before it came. */
  get isLate(): boolean {
    return this.#init.timeoutMs <= 0;
  }

  // Metadata has no pseudo-headers; gRPC-Web may have come over HTTP/1.1, with a host.
  override get authority(): string | undefined {
    const { headers } = this.#init;
    for (let at = 0; at < headers.length; at += 2) {
      if (headers[at] === ":authority" || headers[at] === "host") return headers[at + 1];
    }
    return undefined;
  }

  protected override readMetadata(): Metadata {
    return readMetadata(this.#init.headers) ?? new Metadata();
  }

  override receive(): Promise<Message> {
    if (hasRequestStream(this.method)) return Promise.reject(callReceivesStream(this.operation));
    this.#request ??= this.#reader.readOnly();
    return this.#request;
  }

  override messages(): AsyncIterable<Message> {
    if (!hasRequestStream(this.method)) throw callReceivesMessage(this.operation);
    const reader = this.#reader;
    const iterator: AsyncIterator<Message> = {
      async next() {
        const value = await reader.read();
        return value === undefined ? { done: true, value: undefined } : { done: false, value };
      },
      async return() {
        reader.discard();
        return { done: true, value: undefined };
      },
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  /** Runs the handler and writes what it answers. Never rejects. */
  serve(handler: Handler): Promise<void> {
    announceBegin(this);
    return runHolder(this, respond, this, handler);
  }

  /** Sends a reply: all of it, or of a stream one message after the other. */
  async sendStream(messages: AsyncIterable<Message>): Promise<void> {
    const iterator = messages[Symbol.asyncIterator]();
    // It ends with its call by itself; to race every message with the end would cost as much as the message.
    const isSelfEnding = messages instanceof MessageStream;
    const turn = new Turn();
    try {
      for (;;) {
        const result = await (isSelfEnding ? iterator.next() : this.orCancelled(iterator.next()));
        if (result.done) break;
        const encoded = this.#encode(result.value);
        const frame = encoded instanceof Promise ? await this.orCancelled(encoded) : encoded;
        this.#sendHeaders();
        const hasRoom = this.#stream.sendData(frame);
        this.passMessage("sent", result.value);
        if (!hasRoom) await this.orCancelled(this.#drained());
        else if (turn.isOver(frame.length)) await turn.next();
      }
    } catch (error) {
      // A generator that waits for something else cannot be told to end before it wakes: nobody waits for it.
      void iterator.return?.().then(undefined, () => {});
      throw error;
    }
    this.#sendHeaders();
    this.#stream.sendTrailers(this.#trailers());
    this.#over(undefined);
  }

  /** Sends the one reply; a promise where that has to wait. */
  sendMessage(message: Message): void | Promise<void> {
    if (this.#isOver) return;
    const encoded = this.#encode(message);
    if (!(encoded instanceof Promise)) this.#sendFrame(message, encoded);
    else return this.orCancelled(encoded).then((frame) => this.#sendFrame(message, frame));
  }

  #sendFrame(message: Message, frame: Uint8Array): void {
    if (this.#isOver) return;
    this.#stream.sendReply(this.#headers(), frame, this.#trailers());
    this.#hasSentHeaders = true;
    this.passMessage("sent", message);
    this.#over(undefined);
  }

  // `sent` is what the caller sees of the error.
  sendError(error: ServiceError, sent: ServiceError = error): void {
    if (this.#isOver) return;
    let trailers: string[];
    try {
      trailers = encodeStatus(sent, this.givenReplyTrailers);
      if (this.givenReplyTrailers !== undefined) appendMetadata(trailers, this.givenReplyTrailers);
      // An error that comes first needs no headers of its own ("Trailers-Only"), unless the handler has set some.
      if (!this.#hasSentHeaders && hasFields(this.givenReplyMetadata)) this.#sendHeaders();
    } catch {
      // Metadata that cannot be sent must not keep the status from being sent.
      trailers = encodeStatus(sent);
    }
    if (this.#hasSentHeaders) this.#stream.sendTrailers(trailers);
    else this.#stream.sendHeaders([":status", "200", "content-type", this.#init.codec.contentType, ...trailers], true);
    this.#over(error);
  }

  /** What the caller is told. What it is not told goes to the log here, at the edge, once, where no middleware did that. */
  toServiceError(thrown: unknown): ServiceError {
    if (thrown instanceof ServiceError) return thrown;
    if (!wasTold(thrown)) this.#init.logger.error(`${this.operation} failed`, { error: thrown });
    return ServiceError.from(thrown);
  }

  /** The handler is done, one way or the other. */
  end(): void {
    this.finish();
    announceEnd(this, this.#error);
  }

  // The status of a call that is cancelled goes out at once, however long its handler takes to notice.
  protected override onCancelled(reason: ServiceError): void {
    this.#reader.fail(reason);
    // Whoever gave the deadline knows what it means, and gRPC's code says it (connectconformance wants nothing beside it).
    const isCallersOwn =
      reason.code === 504 && this.#callersDeadline !== undefined && this.deadline === this.#callersDeadline;
    this.sendError(reason, isCallersOwn ? new ServiceError(504, "", reason.message) : reason);
  }

  onData(bytes: Buffer): void {
    this.#reader.onData(bytes);
  }

  onEnd(): void {
    this.#reader.onEnd();
  }

  onReset(_code: number, error: Error | undefined): void {
    const reason = callCancelled(this.operation, error);
    this.#over(reason);
    this.cancel(reason);
  }

  onDrain(): void {
    this.#onDrain?.();
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrain = resolve;
    });
  }

  #sendHeaders(): void {
    if (this.#hasSentHeaders || this.#isOver) return;
    const headers = this.#headers();
    this.#stream.sendHeaders(headers, false);
    this.#hasSentHeaders = true;
  }

  #headers(): HeaderFields {
    const { codec, replyCompression } = this.#init;
    const metadata = this.givenReplyMetadata;
    if (metadata === undefined && replyCompression === undefined) return codec.headers;
    const headers = [...codec.headers];
    if (replyCompression !== undefined) headers.push("grpc-encoding", replyCompression.name);
    if (metadata !== undefined) appendMetadata(headers, metadata);
    return headers;
  }

  #trailers(): HeaderFields {
    const metadata = this.givenReplyTrailers;
    if (metadata === undefined) return okFields;
    const trailers = [...okFields];
    appendMetadata(trailers, metadata);
    return trailers;
  }

  #encode(message: Message): Uint8Array | Promise<Uint8Array> {
    const { codec, replyCompression } = this.#init;
    return encodeCompressibleFrame(codec.output, message, replyCompression);
  }

  #over(error: ServiceError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    // Nobody reads the rest of the request; the session tells the caller so once the reply is out.
    this.#reader.discard();
    this.#init.calls.remove(this.#slot);
  }
}

async function respond(call: GrpcCall, handler: Handler): Promise<void> {
  try {
    // A timer fires no earlier than in a millisecond.
    if (call.isLate) call.cancel(deadlineExceeded(call.operation));
    const reply = await handler(call);
    if (isStream(reply)) await call.sendStream(reply);
    else {
      const sending = call.sendMessage(reply);
      if (sending !== undefined) await sending;
    }
  } catch (error) {
    call.sendError(call.toServiceError(error));
  }
  call.end();
}

function hasFields(metadata: Metadata | undefined): boolean {
  return metadata !== undefined && metadata.keys().length > 0;
}
