import type { Message } from "@bufbuild/protobuf";
import { type Context, runHolder } from "@clew/context";
import {
  Call,
  callCancelled,
  callReceivesMessage,
  callReceivesStream,
  type Deadline,
  type Handler,
  hasRequestStream,
  isStream,
  type MessageCodec,
  Metadata,
  type Method,
  type Peer,
  type Reply,
  ServiceError,
} from "@clew/rpc";
import { announceBegin, announceEnd } from "../channels.ts";
import { MessagePipe } from "./message-pipe.ts";
import { carryMetadata } from "./metadata.ts";

/** Both ends of a call in memory go by this. */
export const memoryPeer: Peer = { address: "memory" };

/** What a call is between its two ends: all that would be on a wire. */
export class Wire {
  readonly requests: MessagePipe = new MessagePipe();
  readonly replies: MessagePipe = new MessagePipe();
  /** Of the reply; empty before it began. */
  headers: Metadata = new Metadata();
  trailers: Metadata = new Metadata();
  /** Resolves when the reply began or is over. */
  readonly begun: Promise<void>;
  #begin: () => void = () => {};
  /** Tells the server that the caller left. */
  onLeave: (() => void) | undefined;

  constructor() {
    this.begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
  }

  begin(headers: Metadata): void {
    this.headers = headers;
    this.#begin();
  }

  end(trailers: Metadata, error?: ServiceError): void {
    this.trailers = trailers;
    this.#begin();
    this.replies.end(error);
  }
}

export interface MemoryCallInit {
  readonly method: Method;
  readonly metadata: Metadata;
  readonly deadline: Deadline | undefined;
  readonly context: Context;
  readonly wire: Wire;
  readonly input: MessageCodec<Message>;
  readonly output: MessageCodec<Message>;
  /** Called once when the reply is over, with what the caller is not told. */
  readonly onOver: (call: MemoryCall, thrown: unknown) => void;
}

/** A call that came in from a client in the same process. */
export class MemoryCall extends Call {
  override readonly side = "server";
  override readonly transport = "memory";
  readonly #init: MemoryCallInit;
  readonly #wire: Wire;
  #request: Promise<Message> | undefined;
  #hasBegun = false;
  #isOver = false;
  #error: ServiceError | undefined;

  constructor(init: MemoryCallInit) {
    const { method, metadata, deadline, context } = init;
    super({ method, metadata, peer: memoryPeer, deadline, context });
    this.#init = init;
    this.#wire = init.wire;
    this.enter();
  }

  override receive(): Promise<Message> {
    if (hasRequestStream(this.method)) return Promise.reject(callReceivesStream(this.operation));
    this.#request ??= this.#read().then((message) => message!);
    return this.#request;
  }

  override messages(): AsyncIterable<Message> {
    if (!hasRequestStream(this.method)) throw callReceivesMessage(this.operation);
    const { requests } = this.#wire;
    const iterator: AsyncIterator<Message> = {
      next: async () => {
        const value = await this.#read();
        return value === undefined ? { done: true, value: undefined } : { done: false, value };
      },
      return: async () => {
        requests.discard();
        return { done: true, value: undefined };
      },
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  /** Runs the handler and sends what it answers. Never rejects. */
  async serve(handler: Handler): Promise<void> {
    announceBegin(this);
    const leave = (): void => this.cancel(callCancelled(this.operation));
    this.#wire.onLeave = leave;
    // A call that is cancelled is answered at once, however long its handler takes to notice.
    this.onCancel((reason) => {
      this.#wire.requests.fail(reason);
      this.#sendError(reason);
    });
    try {
      await runHolder(this, respond, this, handler);
    } catch (thrown) {
      this.#sendError(thrown);
    }
    this.finish();
    announceEnd(this, this.#error);
  }

  async reply(reply: Reply): Promise<void> {
    if (isStream(reply)) await this.#sendStream(reply);
    else await this.#send(reply);
    if (this.#isOver) return;
    const trailers = carryMetadata(this.givenReplyTrailers);
    this.#begin();
    this.#over(trailers, undefined);
  }

  async #sendStream(messages: AsyncIterable<Message>): Promise<void> {
    const iterator = messages[Symbol.asyncIterator]();
    try {
      for (;;) {
        const result = await this.orCancelled(iterator.next());
        if (result.done) return;
        await this.orCancelled(this.#send(result.value));
      }
    } catch (error) {
      // A generator that waits for something else cannot be told to end before it wakes: nobody waits for it.
      void iterator.return?.().then(undefined, () => {});
      throw error;
    }
  }

  async #send(message: Message): Promise<void> {
    if (this.#isOver) return;
    const bytes = this.#init.output.encode(message);
    this.#begin();
    const written = this.#wire.replies.write(bytes);
    this.passMessage("sent", message);
    await written;
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#wire.begin(carryMetadata(this.givenReplyMetadata));
    this.#hasBegun = true;
  }

  #sendError(thrown: unknown): void {
    if (this.#isOver) return;
    const error = ServiceError.from(thrown);
    let trailers = new Metadata();
    try {
      trailers = carryMetadata(this.givenReplyTrailers);
      this.#begin();
    } catch {
      // Metadata that cannot be sent must not keep the error from being sent.
    }
    this.#over(trailers, error, thrown);
  }

  #over(trailers: Metadata, error: ServiceError | undefined, thrown?: unknown): void {
    this.#isOver = true;
    this.#error = error;
    this.#wire.requests.discard();
    this.#wire.end(trailers, error && carryError(error));
    this.#init.onOver(this, thrown);
  }

  async #read(): Promise<Message | undefined> {
    const bytes = await this.#wire.requests.read();
    if (bytes === undefined) return undefined;
    const message = this.#init.input.decode(bytes);
    this.passMessage("received", message);
    return message;
  }
}

async function respond(call: MemoryCall, handler: Handler): Promise<void> {
  await call.reply(await handler(call));
}

/** An error as the other end sees it: what of it goes over a wire, and nothing of its cause. */
function carryError(error: ServiceError): ServiceError {
  // An error that says OK would be none to its receiver.
  return ServiceError.fromJson(JSON.parse(JSON.stringify(error)), error.code === 200 ? 500 : error.code)!;
}
