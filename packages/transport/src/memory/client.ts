import type { Message } from "@bufbuild/protobuf";
import {
  type Call,
  type Client,
  callCancelled,
  deadlineExceeded,
  type Handler,
  hasReplyStream,
  hasRequestStream,
  type MessageCodec,
  type Method,
  protoCodec,
  type Reply,
  remainingMs,
  ServiceError,
} from "@clew/rpc";
import { announceBegin, announceEnd } from "../channels.ts";
import { longestTimerMs } from "../listener.ts";
import { memoryPeer, type Wire } from "./call.ts";
import { carryMetadata } from "./metadata.ts";
import type { MemoryServer } from "./server.ts";

/** Calls a server in the same process. */
export class MemoryClient implements Client {
  readonly transport = "memory";
  readonly #server: MemoryServer;
  readonly #hold: Hold = new Hold();

  constructor(server: MemoryServer) {
    this.#server = server;
  }

  createHandler(method: Method): Handler {
    const server = this.#server;
    const hold = this.#hold;
    const input = protoCodec.compile(method.desc.input);
    const output = protoCodec.compile(method.desc.output);
    return (call) => new MemoryRequest({ call, server, hold, input, output }).send();
  }

  async close(): Promise<void> {}
}

/** Keeps the process while calls are open, as their sockets would: a deadline's timer does not. */
class Hold {
  #calls = 0;
  #timer: NodeJS.Timeout | undefined;

  take(): void {
    if (this.#calls++ === 0) this.#timer = setInterval(() => {}, longestTimerMs);
  }

  release(): void {
    if (--this.#calls === 0) clearInterval(this.#timer);
  }
}

interface MemoryRequestInit {
  readonly call: Call;
  readonly server: MemoryServer;
  readonly hold: Hold;
  readonly input: MessageCodec<Message>;
  readonly output: MessageCodec<Message>;
}

/** A call that goes out, and the wire it goes over. */
class MemoryRequest {
  readonly #init: MemoryRequestInit;
  readonly #call: Call;
  #wire: Wire | undefined;
  #messages: AsyncIterator<Message> | undefined;
  #isOver = false;
  #releaseCancel: () => void = () => {};

  constructor(init: MemoryRequestInit) {
    this.#init = init;
    this.#call = init.call;
  }

  /** Resolves with the message that came back, or for a stream when its headers have. */
  async send(): Promise<Reply> {
    const call = this.#call;
    call.peer = memoryPeer;
    this.#init.hold.take();
    announceBegin(call);
    try {
      const wire = await this.#open();
      await wire.begun;
      call.replyMetadata = wire.headers;
      if (hasReplyStream(call.method)) return this.#replies(wire);
      const reply = await this.#read(wire);
      // Trailers, and an error that came after the reply, are known only at its end.
      await this.#read(wire);
      return reply!;
    } catch (thrown) {
      throw this.#over(ServiceError.from(thrown));
    }
  }

  async #open(): Promise<Wire> {
    const call = this.#call;
    const bytes = hasRequestStream(call.method) ? undefined : this.#encode(await call.receive());
    if (call.deadline !== undefined && remainingMs(call.deadline) <= 0) throw deadlineExceeded(call.operation);
    const wire = this.#init.server.accept(call.operation, carryMetadata(call.metadata), call.deadline);
    this.#wire = wire;
    this.#releaseCancel = call.onCancel((reason) => this.#fail(reason));
    if (bytes === undefined) void this.#pump(wire);
    else {
      void wire.requests.write(bytes);
      wire.requests.end();
      call.passMessage("sent", await call.receive());
    }
    return wire;
  }

  // Never rejects.
  async #pump({ requests }: Wire): Promise<void> {
    const call = this.#call;
    try {
      this.#messages = call.messages()[Symbol.asyncIterator]();
      while (requests.isOpen) {
        const result = await this.#messages.next();
        if (result.done) {
          this.#messages = undefined;
          requests.end();
          return;
        }
        const written = requests.write(this.#encode(result.value));
        call.passMessage("sent", result.value);
        await written;
      }
    } catch (error) {
      this.#fail(error instanceof ServiceError ? error : callCancelled(call.operation, error));
    }
  }

  #replies(wire: Wire): AsyncIterable<Message> {
    const iterator: AsyncIterator<Message> = {
      next: async () => {
        try {
          const value = await this.#read(wire);
          return value === undefined ? { done: true, value: undefined } : { done: false, value };
        } catch (thrown) {
          throw this.#over(ServiceError.from(thrown));
        }
      },
      return: async () => {
        this.#fail(callCancelled(this.#call.operation));
        return { done: true, value: undefined };
      },
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  async #read(wire: Wire): Promise<Message | undefined> {
    const bytes = await wire.replies.read();
    if (bytes === undefined) {
      this.#over(undefined);
      return undefined;
    }
    const message = this.#init.output.decode(bytes);
    this.#call.passMessage("received", message);
    return message;
  }

  #encode(message: Message): Uint8Array {
    try {
      return this.#init.input.encode(message);
    } catch (cause) {
      throw new ServiceError(400, "CODEC", `${this.#call.operation}: the request cannot be written`, { cause });
    }
  }

  /** The caller gives up. */
  #fail(error: ServiceError): void {
    if (this.#isOver) return;
    this.#wire?.replies.fail(error);
    this.#wire?.end(this.#wire.trailers);
    this.#over(error);
    this.#wire?.onLeave?.();
  }

  #over<E extends ServiceError | undefined>(error: E): E {
    if (this.#isOver) return error;
    this.#isOver = true;
    this.#init.hold.release();
    this.#releaseCancel();
    if (this.#wire !== undefined) this.#call.replyTrailers = this.#wire.trailers;
    // A generator that waits for something else cannot be told to end before it wakes: nobody waits for it.
    void this.#messages?.return?.().then(undefined, () => {});
    announceEnd(this.#call, error);
    return error;
  }
}
