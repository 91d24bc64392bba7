import type { Message } from "@bufbuild/protobuf";
import { type BodySizes, Call, type Deadline, earliest, Metadata } from "@clew/rpc";

export interface AttemptInit {
  /** The number of attempts before this one. */
  readonly resends: number;
  /** The deadline of this attempt, in addition to the deadline of the call. */
  readonly deadline?: Deadline | undefined;
}

/**
 * One attempt of an outgoing call: the same request with its own headers, deadline and end. It is cancelled when the call is
 * cancelled; the call gets the attempt's peer, headers and trailers when the attempt is {@link settle}d.
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
      // A copy, because inner middleware adds to it: a second attempt must not send the traceparent of the first.
      metadata: new Metadata(call.metadata),
      peer: call.peer,
      deadline: earliest(call.deadline, deadline),
      context: call.context,
    });
    this.transport = call.transport;
    this.waitsForReady = call.waitsForReady;
    this.#call = call;
    this.#resends = call.resends + resends;
    // As gRPC clients tell their servers (gRFC A6).
    if (this.#resends > 0 && call.transport === "grpc") {
      this.metadata.set("grpc-previous-rpc-attempts", String(this.#resends));
    }
    this.#release = call.onCancel((reason) => this.cancel(reason));
    this.onPeer((sent) => call.passPeer(sent));
  }

  // Tells a balancer to send the next attempt to another node.
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

  /** Ends the attempt's timer, and gives the call the attempt's peer, headers and trailers. */
  settle(): void {
    this.abandon();
    this.#call.peer = this.peer;
    if (this.givenReplyMetadata !== undefined) this.#call.replyMetadata = this.givenReplyMetadata;
    if (this.givenReplyTrailers !== undefined) this.#call.replyTrailers = this.givenReplyTrailers;
  }

  /** Ends the attempt; the call gets nothing of it. */
  abandon(): void {
    this.finish();
    this.#release();
  }
}
