import type { ServerResponse } from "node:http";
import type { Message } from "@bufbuild/protobuf";
import { runHolder } from "@clew/context";
import { callCancelled, isStream, MessageStream, type ServiceError } from "@clew/rpc";
import { announceBegin, announceEnd } from "../../channels.ts";
import { Turn } from "../../turn.ts";
import { type BodyCodec, type BodyCodecs, negotiate, subtypeOf } from "../body-codec.ts";
import { HttpServerCall } from "../call.ts";
import { addMetadata } from "../reply.ts";
import type { StreamRequest } from "../stream-route.ts";
import { takeEventFields } from "./call-events.ts";
import { encodeEvent, eventStreamType, heartbeat } from "./event.ts";

/** How long the first message may take before the reply begins without it: its reader shall know that it is connected. */
const headAfterMs = 1000;

/** Runs a call through its chain and writes what it answers as server-sent events. */
export function serveEvents(request: StreamRequest): void {
  const call = new HttpServerCall(request);
  const stream = new EventStream(request, call);
  void runHolder(call, () => stream.serve());
}

/**
 * The reply of one call.
 *
 *     chain ─┬─ error ──────────────────────────▶ plain HTTP error          nothing was written before
 *            └─ stream ─▶ head ─▶ event: message* ─┬▶ event: end            its reader need not connect again
 *                                                  └▶ event: error          all that is known of it
 */
class EventStream {
  readonly #request: StreamRequest;
  readonly #call: HttpServerCall;
  readonly #codec: BodyCodec;
  readonly #slot: number;
  #response: ServerResponse | undefined;
  #timer: NodeJS.Timeout | undefined;
  #hasRoom = true;
  #isOver = false;
  /** Whether the reply is written to its end. */
  #hasEnded = false;

  constructor(request: StreamRequest, call: HttpServerCall) {
    const { exchange, host, route } = request;
    this.#request = request;
    this.#call = call;
    this.#codec = negotiateText(route.replyCodecs, exchange.headers.accept, exchange.headers["content-type"]);
    this.#slot = host.streams.add(call);
    const leave = (): void => this.#leave();
    exchange.onLeave = leave;
    // Its reader learns of it at once, however long the handler takes to notice.
    call.onCancel((reason) => this.#over(reason));
  }

  /** Never rejects. */
  async serve(): Promise<void> {
    const { route, host } = this.#request;
    const call = this.#call;
    announceBegin(call);
    try {
      const reply = await call.orCancelled(route.handler(call));
      if (!isStream(reply)) throw new TypeError("a method with a stream of replies answered with a message");
      await this.#send(reply);
      this.#over(undefined);
    } catch (thrown) {
      if (!this.#isOver) this.#over(host.toServiceError(call, thrown));
    }
  }

  #over(error: ServiceError | undefined): void {
    if (this.#isOver) return;
    if (error !== undefined) this.#sendError(error);
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#request.host.streams.remove(this.#slot);
    this.#call.finish();
    announceEnd(this.#call, error);
  }

  async #send(messages: AsyncIterable<Message>): Promise<void> {
    const { exchange } = this.#request;
    const call = this.#call;
    const iterator = messages[Symbol.asyncIterator]();
    // It ends with its call by itself; to race every message with the end would cost as much as the message.
    const isSelfEnding = messages instanceof MessageStream;
    const turn = new Turn();
    this.#timer = setTimeout(() => this.#onSilence(), headAfterMs).unref();
    try {
      // Who only asks for the head wants none of it.
      if (exchange.verb === "HEAD") await iterator.return?.();
      while (exchange.verb !== "HEAD") {
        const result = await (isSelfEnding ? iterator.next() : call.orCancelled(iterator.next()));
        // It may have been cancelled while this one was on its way.
        if (call.cancelled !== undefined) throw call.cancelled;
        if (result.done) break;
        const text = encodeEvent({ type: "message", data: this.#encode(result.value), ...takeEventFields(call) });
        this.#write(text);
        call.passMessage("sent", result.value);
        if (!this.#hasRoom) await call.orCancelled(this.#drained());
        else if (turn.isOver(text.length)) await turn.next();
      }
    } catch (error) {
      // A generator that waits for something else cannot be told to end before it wakes: nobody waits for it.
      void iterator.return?.().then(undefined, () => {});
      throw error;
    }
    this.#end(encodeEvent({ type: "end", data: "" }));
  }

  // An error that comes before the reply began is a reply of its own.
  #sendError(error: ServiceError): void {
    const { exchange, host } = this.#request;
    const call = this.#call;
    if (this.#response === undefined) host.sendFailure(call, error, exchange);
    else if (!this.#response.destroyed) this.#end(encodeEvent({ type: "error", data: JSON.stringify(error) }));
  }

  #encode(message: Message): string {
    return this.#codec.encodeText!(message);
  }

  #write(text: string): void {
    const response = this.#begin();
    this.#hasRoom = response.write(text);
    this.#timer?.refresh();
  }

  #end(text: string): void {
    const response = this.#begin();
    this.#hasEnded = true;
    const trailers = this.#call.givenReplyTrailers;
    if (trailers !== undefined) for (const pair of trailers) addTrailer(response, pair);
    response.end(text);
  }

  #begin(): ServerResponse {
    if (this.#response !== undefined) return this.#response;
    const { exchange, host } = this.#request;
    const call = this.#call;
    const { response } = exchange.open();
    response.setHeader("cache-control", "no-cache");
    // Asks nginx not to gather events before it passes them on.
    response.setHeader("x-accel-buffering", "no");
    if (call.givenReplyMetadata !== undefined) addMetadata(response, call.givenReplyMetadata);
    response.setHeader("content-type", eventStreamType);
    response.writeHead(200);
    response.once("close", () => this.#leave());
    this.#response = response;
    const { retryMs, heartbeatMs } = host.events;
    if (retryMs !== undefined) response.write(`retry: ${retryMs}\n\n`);
    clearTimeout(this.#timer);
    // One timer for the life of a stream: every event sets it back.
    this.#timer = heartbeatMs > 0 ? setTimeout(() => this.#onSilence(), heartbeatMs).unref() : undefined;
    return response;
  }

  #leave(): void {
    const call = this.#call;
    if (!this.#hasEnded) call.cancel(callCancelled(call.operation));
  }

  // A reader that does not even take what is written needs no sign of life.
  #onSilence(): void {
    if (this.#isOver) return;
    if (this.#hasRoom) this.#write(heartbeat);
    else this.#timer?.refresh();
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#response!.once("drain", () => {
        this.#hasRoom = true;
        resolve();
      });
    });
  }
}

/** The codec for events: they hold text. As in Kratos 3, who does not say in Accept may say it in the content type. */
function negotiateText(codecs: BodyCodecs, accept: string | undefined, contentType: string | undefined): BodyCodec {
  const names = accept?.split(",").map((range) => subtypeOf(range)) ?? [];
  if (names.some((name) => codecs.has(name))) return negotiate(codecs, accept);
  return codecs.get(subtypeOf(contentType ?? "")) ?? negotiate(codecs, undefined);
}

// What no trailer can be is left out: the reply is nearly over and cannot fail any more.
function addTrailer(response: ServerResponse, pair: [string, string]): void {
  try {
    response.addTrailers([pair]);
  } catch {}
}
