import type { Message } from "@bufbuild/protobuf";
import { type BodySizes, Call, type Deadline, earliest, Metadata } from "@clew/rpc";

export interface AttemptInit {
  /** How many tries came before. */
  readonly resends: number;
  /** By when it has to be over, beside the call's own deadline. */
  readonly deadline?: Deadline | undefined;
}

/**
 * One try of a call that goes out: the same request with headers, a deadline and an end of its own. What happens to the call
 * happens to it; what it brings back is the call's once it {@link settle}s.
 */
export class Attempt extends Call {
  override readonly side = "client";
  override readonly transport: string;
  readonly #call: Call;
  readonly #resends: number;
  readonly #release: () => void;

  constructor(call: Call, { resends, deadline }: AttemptInit) {
    super({
      method: call.method,
      // Its own, because middleware further in adds to it: a second try must not send the first one's traceparent.
      metadata: new Metadata(call.metadata),
      peer: call.peer,
      deadline: earliest(call.deadline, deadline),
      context: call.context,
    });
    this.transport = call.transport;
    this.waitsForReady = call.waitsForReady;
    this.#call = call;
    this.#resends = call.resends + resends;
    // As gRPC's clients tell their servers (gRFC A6).
    if (this.#resends > 0 && call.transport === "grpc") {
      this.metadata.set("grpc-previous-rpc-attempts", String(this.#resends));
    }
    this.#release = call.onCancel((reason) => this.cancel(reason));
    this.onPeer((sent) => call.passPeer(sent));
  }

  // A balancer sends the next try to another node.
  override get tryOf(): Call {
    return this.#call;
  }

  override get resends(): number {
    return this.#resends;
  }

  override receive(): Promise<Message> {
    return this.#call.receive();
  }

  override messages(): AsyncIterable<Message> {
    return this.#call.messages();
  }

  override get measuresBodies(): boolean {
    return super.measuresBodies || this.#call.measuresBodies;
  }

  override passBodies(sizes: BodySizes): void {
    super.passBodies(sizes);
    this.#call.passBodies(sizes);
  }

  override passMessage(direction: "sent" | "received", message: Message): void {
    super.passMessage(direction, message);
    this.#call.passMessage(direction, message);
  }

  /** The try is over: its timer ends, and the call has its peer, headers and trailers. */
  settle(): void {
    this.abandon();
    this.#call.peer = this.peer;
    if (this.givenReplyMetadata !== undefined) this.#call.replyMetadata = this.givenReplyMetadata;
    if (this.givenReplyTrailers !== undefined) this.#call.replyTrailers = this.givenReplyTrailers;
  }

  /** The try is over, and the call has nothing of it. */
  abandon(): void {
    this.finish();
    this.#release();
  }
}
