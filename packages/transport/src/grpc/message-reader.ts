import type { Message } from "@bufbuild/protobuf";
import type { ServerStream } from "@clew/http2";
import { type Call, type MessageCodec, ServiceError } from "@clew/rpc";
import { type Compression, inflateMessage } from "./compression.ts";
import { FrameReader } from "./frame.ts";

// Once this much waits unread, the other end is asked to pause. A flow-control window more may follow.
const highWaterBytes = 64 * 1024;
// What fits into a stream's first window comes anyway. A larger message waits for room among those of its connection.
const unreservedBytes = 256 * 1024;

/** What holds the other end back. */
export interface Flow extends Pick<ServerStream, "pause" | "resume">, Partial<Pick<ServerStream, "reserve">> {
  /** What came cannot be read: nothing more will be. Default: whoever reads learns it, and ends the stream. */
  onUnreadable?(error: ServiceError): void;
}

/**
 * The messages the other end sends, pulled one at a time. What is not pulled waits as bytes, and when there is enough of it
 * the other end is held back. One reader at a time.
 */
export class MessageReader {
  /** How compressed messages are compressed; undefined while the other end has announced nothing. */
  compression: Compression | undefined;
  readonly #call: Call;
  readonly #stream: Flow;
  readonly #codec: MessageCodec<Message>;
  readonly #maxBytes: number;
  readonly #frames: FrameReader;
  #hasEnded = false;
  #isPaused = false;
  #isDiscarding = false;
  #hasReserved = false;
  /** What the messages end with: thrown after the last one. */
  #endError: ServiceError | undefined;
  /** Thrown at once, whatever waits. */
  #failure: ServiceError | undefined;
  #waiter: Waiter | undefined;
  /** Whether the next message is on one of zlib's threads, and what came back from there. */
  #isInflating = false;
  #inflated: Uint8Array | undefined;

  /** `maxBytes` is the largest message to accept, before and after decompression. */
  constructor(call: Call, stream: Flow, codec: MessageCodec<Message>, maxBytes: number) {
    this.#call = call;
    this.#stream = stream;
    this.#codec = codec;
    this.#maxBytes = maxBytes;
    this.#frames = new FrameReader(maxBytes);
  }

  /** Whether the other end has sent everything. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  onData(bytes: Uint8Array): void {
    if (this.#isDiscarding) return;
    this.#frames.push(bytes);
    if (this.#waiter !== undefined && !this.#isInflating) this.#serve();
    else if (!this.#isPaused && this.#frames.bufferedBytes > highWaterBytes) {
      this.#isPaused = true;
      this.#stream.pause();
    }
  }

  /** No more will come; after the messages that wait, reading throws `error` if there is one. */
  onEnd(error?: ServiceError): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#endError = error;
    this.#serve();
  }

  /** Ends reading at once; what waits is dropped. The first failure stays. */
  fail(error: ServiceError): void {
    this.#failure ??= error;
    this.discard();
    this.#serve();
  }

  /** Nobody will read any more: what waits and what still comes is dropped. */
  discard(): void {
    this.#isDiscarding = true;
    if (this.#hasReserved) this.#reserve(0);
    this.#resume();
  }

  /** The next message, or undefined after the last. */
  read(): Promise<Message | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiter = { isOnly: false, resolve, reject };
      this.#serve();
    });
  }

  /** The one message there is. Rejects when there is none, or another one. */
  readOnly(): Promise<Message> {
    return new Promise((resolve, reject) => {
      this.#waiter = { isOnly: true, resolve: resolve as Waiter["resolve"], reject };
      this.#serve();
    });
  }

  #only: Message | undefined;

  #serve(): void {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    try {
      const result = waiter.isOnly ? this.#takeOnly() : this.#take();
      if (result === undefined) {
        if (this.#isInflating) return;
        // First, so that what is resumed gets no more than its turn.
        if (this.#frames.bufferedBytes > highWaterBytes) this.#reserveRest();
        this.#resume();
        return;
      }
      this.#waiter = undefined;
      if (this.#hasReserved) this.#reserve(0);
      if (this.#frames.bufferedBytes <= highWaterBytes) this.#resume();
      waiter.resolve(result === ended ? undefined : result);
    } catch (error) {
      this.#waiter = undefined;
      this.#failure ??= ServiceError.from(error);
      this.discard();
      this.#stream.onUnreadable?.(this.#failure);
      waiter.reject(this.#failure);
    }
  }

  // A message, the end, or undefined while neither is there.
  #take(): Message | typeof ended | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isInflating) return undefined;
    const inflated = this.#inflated;
    if (inflated !== undefined) {
      this.#inflated = undefined;
      return this.#decode(inflated);
    }
    const frame = this.#frames.next();
    if (frame !== undefined) return frame.isCompressed ? this.#inflate(frame.bytes) : this.#decode(frame.bytes);
    if (!this.#hasEnded) return undefined;
    if (this.#endError !== undefined) throw this.#endError;
    if (this.#frames.bufferedBytes > 0) throw new ServiceError(400, "CODEC", "the stream ended inside a message");
    return ended;
  }

  // The message is given out once the end is known, so that an error after it, or another one, is never missed.
  #takeOnly(): Message | undefined {
    for (;;) {
      const taken = this.#take();
      if (taken === undefined) return undefined;
      if (taken === ended) {
        if (this.#only === undefined) throw wrongNumber(this.#call, "none came");
        return this.#only;
      }
      if (this.#only !== undefined) throw wrongNumber(this.#call, "another one came");
      this.#only = taken;
    }
  }

  // The message, or undefined where that has to wait; then it is served when it is here.
  #inflate(bytes: Uint8Array): Message | undefined {
    if (this.compression === undefined) {
      throw new ServiceError(500, "", "a message is compressed, and the headers do not say how");
    }
    const inflated = inflateMessage(this.compression, bytes, this.#maxBytes);
    if (!(inflated instanceof Promise)) return this.#decode(inflated);
    this.#isInflating = true;
    const settle = (message: Uint8Array | undefined, error?: unknown): void => {
      this.#isInflating = false;
      this.#inflated = message;
      if (error !== undefined) this.#failure ??= ServiceError.from(error);
      this.#serve();
    };
    inflated.then(settle, (error: unknown) => settle(undefined, error));
    return undefined;
  }

  #decode(bytes: Uint8Array): Message {
    const call = this.#call;
    const codec = this.#codec;
    let message: Message;
    try {
      // What arrived is nobody else's. Without a copy an echo of 100 KB costs 0.91 of what it did (`npm run bench -- "echo of 100"`):
      // less by the copy than by the garbage.
      message = codec.decodeOwned === undefined ? codec.decode(bytes) : codec.decodeOwned(bytes);
    } catch (error) {
      const isServer = call.side === "server";
      const type = (isServer ? call.method.desc.input : call.method.desc.output).typeName;
      throw new ServiceError(isServer ? 400 : 500, "CODEC", `a message is not a ${type}`, { cause: error });
    }
    call.passMessage("received", message);
    return message;
  }

  // What was reserved is kept until the message is given out: an only one waits for its end.
  #reserveRest(): void {
    if (this.#only !== undefined) throw wrongNumber(this.#call, "another one came");
    const bytes = this.#frames.frameBytes;
    if (!this.#hasReserved && bytes > unreservedBytes) this.#reserve(bytes);
  }

  #reserve(bytes: number): void {
    this.#hasReserved = bytes > 0;
    this.#stream.reserve?.(bytes);
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#stream.resume();
  }
}

const ended: unique symbol = Symbol("end of messages");

interface Waiter {
  readonly isOnly: boolean;
  readonly resolve: (message: Message | undefined) => void;
  readonly reject: (error: ServiceError) => void;
}

// UNIMPLEMENTED is what gRPC's status codes document asks for when the number of messages is not the method's.
function wrongNumber(call: Call, what: string): ServiceError {
  const noun = call.side === "server" ? "request" : "reply";
  return new ServiceError(501, "", `${call.operation} takes one ${noun} message, and ${what}`);
}
