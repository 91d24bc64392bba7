import type { IncomingMessage } from "node:http";
import type { Message } from "@bufbuild/protobuf";
import { runHolder } from "@clew/context";
import {
  callCancelled,
  callReceivesStream,
  type Handler,
  isStream,
  MessageStream,
  type Reply,
  ServiceError,
} from "@clew/rpc";
import type { WebSocket } from "ws";
import { announceBegin, announceEnd } from "../../channels.ts";
import { Turn } from "../../turn.ts";
import { bindQuery } from "../binding.ts";
import { type BodyCodec, type BodyCodecs, negotiate, subtypeOf } from "../body-codec.ts";
import { HttpServerCall } from "../call.ts";
import { Inbox } from "../inbox.ts";
import { createErrorReply } from "../reply.ts";
import type { StreamRequest } from "../stream-route.ts";
import { closeError, closeNormal, encodeError, readControl, toCloseReason } from "./control.ts";
import { watchHeartbeat } from "./heartbeat.ts";
import { sendFrame } from "./send.ts";

/** Runs a call through its chain over a WebSocket, which is accepted once no middleware can refuse it any more. */
export function serveWebSocket(request: StreamRequest): void {
  const { exchange, host, route } = request;
  const refusal = host.webSocket.refuse(exchange);
  if (refusal !== undefined) {
    exchange.reply(createErrorReply(refusal.error, { headers: refusal.headers }));
    return;
  }
  const call = new WebSocketCall(request, exchange.open().request);
  void runHolder(call, () => call.serve(route.handler));
}

/**
 * A call that came in over a WebSocket.
 *
 *     GET ─▶ chain ─┬─ error ─▶ plain HTTP error               no middleware let it through
 *                   └─ messages() ─▶ 101 ─▶ message* ─┬▶ close 1000
 *                                                     └▶ error frame, status frame, close 1011
 */
class WebSocketCall extends HttpServerCall {
  override status = 101;
  readonly #request: StreamRequest;
  readonly #incoming: IncomingMessage;
  readonly #protocol: string | undefined;
  readonly #requestCodec: BodyCodec;
  readonly #replyCodec: BodyCodec;
  readonly #inbox: Inbox<Buffer>;
  readonly #slot: number;
  #socket: WebSocket | undefined;
  #isOver = false;

  constructor(request: StreamRequest, incoming: IncomingMessage) {
    super(request);
    const { route, exchange, host } = request;
    const { accept, "content-type": contentType, "sec-websocket-protocol": offered } = exchange.headers;
    this.#request = request;
    this.#incoming = incoming;
    const protocol = offered?.split(",").map((name) => name.trim());
    this.#protocol = protocol?.find((name) => route.requestCodecs.has(name) && route.replyCodecs.has(name));
    this.#requestCodec = pickCodec(route.requestCodecs, [this.#protocol, contentType, accept]);
    this.#replyCodec = pickCodec(route.replyCodecs, [this.#protocol, accept, contentType]);
    this.#inbox = new Inbox((frame) => this.#decode(frame));
    this.#slot = host.streams.add(this);
    const leave = (): void => this.cancel(callCancelled(this.operation));
    exchange.onLeave = leave;
  }

  override receive(): Promise<Message> {
    return Promise.reject(callReceivesStream(this.operation));
  }

  // Path and query are a part of every message, and none by themselves.
  override receiveNow(): undefined {
    return undefined;
  }

  override messages(): AsyncIterable<Message> {
    // The handler has the call. It may still set headers, or refuse it, before it waits for anything; then the caller is let in.
    setImmediate(() => {
      try {
        if (!this.#isOver) this.#accept();
      } catch (thrown) {
        this.cancel(this.#request.host.toServiceError(this, thrown));
      }
    });
    return { [Symbol.asyncIterator]: () => this.#inbox };
  }

  /** Never rejects. */
  async serve(handler: Handler): Promise<void> {
    const { host } = this.#request;
    announceBegin(this);
    try {
      await this.#send(await this.orCancelled(handler(this)));
      this.#over(undefined);
    } catch (thrown) {
      if (!this.#isOver) this.#over(host.toServiceError(this, thrown));
    }
  }

  // The caller learns of it at once, however long the handler takes to notice.
  protected override onCancelled(reason: ServiceError): void {
    this.#inbox.fail(reason);
    this.#over(reason);
  }

  #over(error: ServiceError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (error !== undefined) this.#sendError(error);
    else this.#socket?.close(closeNormal);
    // Nobody reads the rest; what comes is passed over until the other end has closed as well.
    this.#inbox.discard();
    this.#request.host.streams.remove(this.#slot);
    this.finish();
    announceEnd(this, error);
  }

  async #send(reply: Reply): Promise<void> {
    if (!isStream(reply)) {
      this.#accept();
      await this.#sendMessage(reply);
      return;
    }
    const iterator = reply[Symbol.asyncIterator]();
    // It ends with its call by itself; to race every message with the end would cost as much as the message.
    const isSelfEnding = reply instanceof MessageStream;
    const turn = new Turn();
    try {
      for (;;) {
        const result = await (isSelfEnding ? iterator.next() : this.orCancelled(iterator.next()));
        // It may have been cancelled while this one was on its way.
        if (this.cancelled !== undefined) throw this.cancelled;
        this.#accept();
        if (result.done) return;
        const waiting = this.#sendMessage(result.value);
        if (waiting !== undefined) await waiting;
        else if (turn.isOver(0)) await turn.next();
      }
    } catch (error) {
      // A generator that waits for something else cannot be told to end before it wakes: nobody waits for it.
      void iterator.return?.().then(undefined, () => {});
      throw error;
    }
  }

  #sendMessage(message: Message): Promise<void> | undefined {
    const codec = this.#replyCodec;
    const sending = sendFrame(this.#socket!, codec.encodeText?.(message) ?? codec.encode(message));
    this.passMessage("sent", message);
    return sending === undefined ? undefined : this.orCancelled(sending);
  }

  #sendError(error: ServiceError): void {
    const { host, exchange } = this.#request;
    if (this.#socket === undefined) {
      host.sendFailure(this, error, exchange);
      return;
    }
    for (const frame of encodeError(error)) sendFrame(this.#socket, frame);
    this.#socket.close(closeError, toCloseReason(error.message));
  }

  /** Lets the caller in, the first time. */
  #accept(): void {
    if (this.#socket !== undefined) return;
    const { exchange, host, route } = this.#request;
    const socket = host.webSocket.accept(this.#incoming, {
      metadata: this.givenReplyMetadata,
      protocol: this.#protocol,
      maxMessageBytes: route.bodyLimitBytes,
    });
    if (socket === undefined) throw callCancelled(this.operation);
    exchange.onLeave = undefined;
    this.#socket = socket;
    this.#inbox.flow = socket;
    // The close that follows tells it all.
    socket.on("error", () => {});
    socket.on("message", (data: Buffer, isBinary) => this.#receive(data, isBinary));
    socket.once("close", () => {
      if (!this.#isOver) this.cancel(callCancelled(this.operation));
    });
    watchHeartbeat(socket, host.webSocket.options.heartbeatMs);
  }

  #receive(frame: Buffer, isBinary: boolean): void {
    // The mark of a control frame is one byte of UTF-8, and no message in text begins with it.
    const control = isBinary || frame[0] !== 0x1e ? undefined : readControl(frame.toString());
    if (control === undefined) this.#inbox.push(frame);
    else if (control.kind === "end") this.#inbox.end();
    else if (control.kind !== "unknown") this.cancel(callCancelled(this.operation));
  }

  // As in Kratos 3, path and query are part of every message.
  #decode(frame: Buffer): Message {
    const { route, query, captures } = this.#request;
    const { input } = this.method.desc;
    let message: Message;
    try {
      message = this.#requestCodec.decode(frame);
    } catch (error) {
      throw new ServiceError(400, "CODEC", `a message is not ${input.name} as ${this.#requestCodec.contentType}`, {
        cause: error,
      });
    }
    if (query !== "") bindQuery(input, message, query);
    route.bindVariables?.(message, captures);
    this.passMessage("received", message);
    return message;
  }
}

/** The codec that the first of these names: a subprotocol, a content type, or what a caller accepts. */
function pickCodec(codecs: BodyCodecs, wishes: readonly (string | undefined)[]): BodyCodec {
  for (const wish of wishes) {
    if (wish === undefined) continue;
    const codec = codecs.get(wish) ?? codecs.get(subtypeOf(wish));
    if (codec !== undefined) return codec;
    if (wish.split(",").some((range) => codecs.has(subtypeOf(range)))) return negotiate(codecs, wish);
  }
  return negotiate(codecs, undefined);
}
