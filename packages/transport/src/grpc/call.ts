import type { Message } from "@bufbuild/protobuf";
import { type Context, runHolder } from "@clew/context";
import type { ServerStream, StreamListener } from "@clew/http2";
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
  type MessageCodec,
  type Metadata,
  type Method,
  type Reply,
  remainingMs,
  ServiceError,
} from "@clew/rpc";
import { announceBegin, announceEnd } from "../channels.ts";
import { type Compression, compressFromBytes } from "./compression.ts";
import { encodeFrame } from "./frame.ts";
import { MessageReader } from "./message-reader.ts";
import { appendMetadata } from "./metadata.ts";
import { encodeStatus, okFields } from "./status.ts";

export interface GrpcCallInit {
  readonly method: Method;
  readonly metadata: Metadata;
  readonly deadline: Deadline | undefined;
  /** What the call's context begins with. */
  readonly context: Context;
  readonly stream: ServerStream;
  /** The content type of request and reply. */
  readonly contentType: string;
  readonly input: MessageCodec<Message>;
  readonly output: MessageCodec<Message>;
  /** How the caller compresses; undefined when it does not. */
  readonly requestCompression: Compression | undefined;
  /** How to compress the reply; undefined for not at all. */
  readonly replyCompression: Compression | undefined;
  readonly maxMessageBytes: number;
  /** Called once when nothing more will be sent or received. */
  readonly onOver: (call: GrpcCall) => void;
}

/** A call that came in: what its stream brings is read from here, and its reply is written here. */
export class GrpcCall extends Call implements StreamListener {
  override readonly side = "server";
  override readonly transport = "grpc";
  readonly #init: GrpcCallInit;
  readonly #stream: ServerStream;
  readonly #reader: MessageReader;
  #request: Promise<Message> | undefined;
  #hasSentHeaders = false;
  #isOver = false;
  #error: ServiceError | undefined;
  #onDrain: (() => void) | undefined;

  constructor(init: GrpcCallInit) {
    super({
      method: init.method,
      metadata: init.metadata,
      peer: { address: init.stream.peer },
      deadline: init.deadline,
      context: init.context,
    });
    this.#init = init;
    this.#stream = init.stream;
    this.#reader = new MessageReader({
      call: this,
      stream: init.stream,
      codec: init.input,
      maxBytes: init.maxMessageBytes,
    });
    this.#reader.compression = init.requestCompression;
    this.enter();
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
  async serve(handler: Handler): Promise<void> {
    announceBegin(this);
    // The status of a call that is cancelled goes out at once, however long its handler takes to notice.
    this.onCancel((reason) => {
      this.#reader.fail(reason);
      // Of a deadline gRPC's code says everything; the other end knows it as well.
      this.#sendError(reason, reason.code === 504 ? new ServiceError(504, "", reason.message) : reason);
    });
    // A timer fires no earlier than in a millisecond.
    if (this.deadline !== undefined && remainingMs(this.deadline) <= 0) this.cancel(deadlineExceeded(this.operation));
    try {
      await runHolder(this, respond, this, handler);
    } catch (error) {
      this.#sendError(ServiceError.from(error));
    }
    this.finish();
    announceEnd(this, this.#error);
  }

  /** Sends a reply: all of it, or of a stream one message after the other. */
  async reply(reply: Reply): Promise<void> {
    if (isStream(reply)) await this.#sendStream(reply);
    else this.#sendMessage(reply);
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

  #sendMessage(message: Message): void {
    if (this.#isOver) return;
    const frame = this.#encode(message);
    const headers = this.#headers();
    const trailers = this.#trailers(okFields);
    this.#stream.sendReply(headers, frame, trailers);
    this.#hasSentHeaders = true;
    this.passMessage("sent", message);
    this.#over(undefined);
  }

  async #sendStream(messages: AsyncIterable<Message>): Promise<void> {
    const iterator = messages[Symbol.asyncIterator]();
    try {
      for (;;) {
        const result = await this.orCancelled(iterator.next());
        if (result.done) break;
        const frame = this.#encode(result.value);
        this.#sendHeaders();
        const hasRoom = this.#stream.sendData(frame);
        this.passMessage("sent", result.value);
        if (!hasRoom) await this.orCancelled(this.#drained());
      }
    } catch (error) {
      // A generator that waits for something else cannot be told to end before it wakes: nobody waits for it.
      void iterator.return?.().then(undefined, () => {});
      throw error;
    }
    this.#sendHeaders();
    this.#stream.sendTrailers(this.#trailers(okFields));
    this.#over(undefined);
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrain = resolve;
    });
  }

  // `sent` is what the caller sees of the error.
  #sendError(error: ServiceError, sent: ServiceError = error): void {
    if (this.#isOver) return;
    let trailers: string[];
    try {
      trailers = this.#trailers(encodeStatus(sent, this.replyTrailers));
      // An error that comes first needs no headers of its own ("Trailers-Only"), unless the handler has set some.
      if (!this.#hasSentHeaders && this.replyMetadata.keys().length > 0) this.#sendHeaders();
    } catch {
      // Metadata that cannot be sent must not keep the status from being sent.
      trailers = encodeStatus(sent);
    }
    if (this.#hasSentHeaders) this.#stream.sendTrailers(trailers);
    else this.#stream.sendHeaders([":status", "200", "content-type", this.#init.contentType, ...trailers], true);
    this.#over(error);
  }

  #sendHeaders(): void {
    if (this.#hasSentHeaders || this.#isOver) return;
    const headers = this.#headers();
    this.#stream.sendHeaders(headers, false);
    this.#hasSentHeaders = true;
  }

  #headers(): string[] {
    const headers = [":status", "200", "content-type", this.#init.contentType];
    if (this.#init.replyCompression !== undefined) headers.push("grpc-encoding", this.#init.replyCompression.name);
    appendMetadata(headers, this.replyMetadata);
    return headers;
  }

  #trailers(status: readonly string[]): string[] {
    const trailers = [...status];
    appendMetadata(trailers, this.replyTrailers);
    return trailers;
  }

  #encode(message: Message): Uint8Array {
    const bytes = this.#init.output.encode(message);
    const compression = this.#init.replyCompression;
    if (compression === undefined || bytes.length < compressFromBytes) return encodeFrame(bytes, false);
    return encodeFrame(compression.compress(bytes), true);
  }

  #over(error: ServiceError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    // Nobody reads the rest of the request; the session tells the caller so once the reply is out.
    this.#reader.discard();
    this.#init.onOver(this);
  }
}

async function respond(call: GrpcCall, handler: Handler): Promise<void> {
  await call.reply(await handler(call));
}
