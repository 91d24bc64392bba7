import { type Call, isStream, type MessageListener, type Reply } from "@clew/rpc";
import type { Attributes, Span } from "@opentelemetry/api";
import { sizeOf } from "./message-size.ts";
import type { MessageNames } from "./span-writer.ts";

/** What a call's span reports about its messages. */
export interface SpanMessagesOptions {
  readonly hasEvents: boolean;
  readonly hasSizes: boolean;
  readonly names: MessageNames;
}

/** The messages of one call, for its span. */
export class SpanMessages {
  /** Their total size in bytes; undefined until there is one. */
  readonly sizes: { received: number | undefined; sent: number | undefined } = { received: undefined, sent: undefined };
  readonly #span: Span;
  readonly #call: Call;
  readonly #hasEvents: boolean;
  readonly #hasSizes: boolean;
  readonly #names: MessageNames;
  readonly #counts = { received: 0, sent: 0 };

  constructor(span: Span, call: Call, { hasEvents, hasSizes, names }: SpanMessagesOptions) {
    this.#span = span;
    this.#call = call;
    // The events are for streams: for a single message the span itself has all information.
    this.#hasEvents = hasEvents && call.method.kind !== "unary";
    this.#hasSizes = hasSizes;
    this.#names = names;
    call.onMessage(this.#pass);
  }

  /**
   * A server sends a single message after the chain has answered: the span takes the message when it leaves the
   * handler.
   */
  passReply(reply: Reply): void {
    if (this.#call.side === "server" && !isStream(reply)) this.#pass("sent", reply);
  }

  readonly #pass: MessageListener = (direction, message) => {
    // The transport may report it after the reply has ended the span.
    if (!this.#span.isRecording()) return;
    const names = this.#names;
    const attributes: Attributes = {};
    attributes[names.type] = direction === "sent" ? "SENT" : "RECEIVED";
    attributes[names.id] = ++this.#counts[direction];
    if (this.#hasSizes) {
      const { side, method } = this.#call;
      const isRequest = (direction === "received") === (side === "server");
      const size = sizeOf(isRequest ? method.desc.input : method.desc.output, message);
      if (size !== undefined) {
        this.sizes[direction] = (this.sizes[direction] ?? 0) + size;
        attributes[names.size] = size;
      }
    }
    if (this.#hasEvents) this.#span.addEvent(names.event, attributes);
  };
}
