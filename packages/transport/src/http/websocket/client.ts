import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectSecure } from "node:tls";
import type { Message } from "@bufbuild/protobuf";
import {
  type Call,
  type Codec,
  callCancelled,
  type Handler,
  hasReplyStream,
  jsonCodec,
  Metadata,
  type Reply,
  type SentHttp,
  ServiceError,
} from "@clew/rpc";
import type { WebSocket } from "ws";
import { announceBegin, announceEnd } from "../../channels.ts";
import { loadWebSocket } from "../../lazy-modules.ts";
import { explainMismatch, unreadableStart } from "../../tls-mismatch.ts";
import { Turn } from "../../turn.ts";
import { type BodyCodec, compileBodyCodecs, problemOf } from "../body-codec.ts";
import { authorityOf, originOf, type ResolvedHttpClientOptions } from "../client-options.ts";
import { Inbox } from "../inbox.ts";
import { decodeError } from "../reply-reader.ts";
import { readRules } from "../rule.ts";
import { unreachable, unsendable } from "../sender.ts";
import { type StreamClientInit, streamType } from "../stream-client.ts";
import { compileTarget, type WriteTarget } from "../target.ts";
import { closeError, closeNormal, closeTooBig, endFrame, parseError, readControl } from "./control.ts";
import { sendFrame } from "./send.ts";

/** Calls a method that takes a stream. Each call has its own WebSocket. */
export function createWebSocketHandler({ method, options, peer, createHeaders }: StreamClientInit): Handler {
  const { codec, basePath } = options;
  const { input, output } = method.desc;
  const rule = readRules(method)[0]!;
  const field = typeof rule.body === "object" ? rule.body : undefined;
  const codecs = codec.name === "json" ? [codec] : [codec, jsonCodec];
  const requestCodec = compileBodyCodecs(codecs, input, field).values().next().value!;
  const replyCodec = compileBodyCodecs(codecs, output, rule.replyBody).values().next().value!;
  // A frame holds the message, so the query only what a body in one of its fields leaves out.
  const writeTarget = compileTarget({ ...rule, body: field ?? "*" }, input, basePath);
  const needsFirst = field !== undefined || rule.variables.length > 0;
  return async (call) => {
    call.peer = peer;
    const headers = createHeaders(call, streamType(codec));
    headers["content-type"] = streamType(codec);
    delete headers["accept-encoding"];
    const init = { call, options, headers, requestCodec, replyCodec, writeTarget, needsFirst };
    return new WebSocketRequest(init).send();
  };
}

interface WebSocketRequestInit {
  readonly call: Call;
  readonly options: ResolvedHttpClientOptions;
  readonly headers: Record<string, string | string[]>;
  readonly requestCodec: BodyCodec;
  readonly replyCodec: BodyCodec;
  readonly writeTarget: WriteTarget;
  /** Whether the target has something of the first message in it. */
  readonly needsFirst: boolean;
}

/** An outgoing call over a WebSocket. */
class WebSocketRequest {
  readonly #init: WebSocketRequestInit;
  readonly #call: Call;
  readonly #inbox: Inbox<Buffer>;
  #messages: AsyncIterator<Message> | undefined;
  #socket: WebSocket | undefined;
  /** What the server said went wrong, until it closes. */
  #told: ServiceError | undefined;
  #isOver = false;
  #failure: ServiceError | undefined;
  #releaseCancel: () => void = () => {};

  constructor(init: WebSocketRequestInit) {
    this.#init = init;
    this.#call = init.call;
    this.#inbox = new Inbox((frame) => this.#decode(frame));
  }

  /** Resolves with the reply message or, for a stream of replies, when the server has accepted the call. */
  async send(): Promise<Reply> {
    const call = this.#call;
    announceBegin(call);
    this.#releaseCancel = call.onCancel((reason) => this.#fail(reason));
    try {
      this.#messages = call.messages()[Symbol.asyncIterator]();
      const first = this.#init.needsFirst ? await call.orCancelled(this.#messages.next()) : undefined;
      if (first?.done)
        throw new ServiceError(
          400,
          "CODEC",
          `${call.operation}: the path needs fields of the first message, but no message was sent`,
        );
      // It may have been cancelled on its way through the chain.
      if (this.#failure !== undefined) throw this.#failure;
      const target = this.#init.writeTarget(first?.value ?? nothing);
      await this.#open(target);
      void this.#pump(first?.value);
      if (hasReplyStream(call.method)) return this.#replies();
      const reply = await this.#inbox.read();
      if (reply === undefined) throw new ServiceError(500, "UNKNOWN", `${call.operation}: the server sent no reply`);
      this.#over(undefined);
      this.#socket?.close(closeNormal);
      return reply;
    } catch (thrown) {
      this.#fail(ServiceError.from(thrown));
      throw this.#failure ?? thrown;
    }
  }

  #open(target: string): Promise<void> {
    const { options, headers } = this.#init;
    const { scheme, socketPath, bodyLimitBytes, connectTimeoutMs, tls } = options;
    const sent: SentHttp = { verb: "GET", url: originOf(options) + target, status: undefined };
    this.#call.sentHttp = sent;
    const origin = `${scheme === "https" ? "wss" : "ws"}://${authorityOf({ ...options, authority: undefined })}`;
    // What `ws` makes of the URL of a unix socket takes no blank in its path, no colon and no TLS.
    const connect = (path: string): Socket =>
      scheme === "https" ? connectSecure({ servername: options.host, ...tls, path }) : connectPlain({ path });
    return new Promise((resolve, reject) => {
      const { WebSocket } = loadWebSocket();
      let socket: WebSocket;
      try {
        socket = new WebSocket(origin + target, {
          ...tls,
          ...(socketPath !== undefined && { createConnection: () => connect(socketPath) }),
          headers: { host: authorityOf(options), ...headers },
          maxPayload: bodyLimitBytes,
          perMessageDeflate: false,
          handshakeTimeout: connectTimeoutMs,
        });
      } catch (error) {
        reject(unsendable(this.#call, error as Error));
        return;
      }
      this.#socket = socket;
      this.#inbox.flow = socket;
      let head: IncomingHttpHeaders = {};
      socket.once("upgrade", (response) => {
        head = response.headers;
        sent.status = response.statusCode;
      });
      socket.once("open", () => {
        this.#call.replyMetadata = Metadata.adopt(head);
        resolve();
      });
      socket.on("unexpected-response", (_request, response) => {
        sent.status = response.statusCode;
        this.#call.replyMetadata = Metadata.adopt(response.headers);
        readRefusal(response, bodyLimitBytes, options.codec).then((error) => {
          reject(error);
          this.#fail(error);
        }, reject);
      });
      socket.on("error", (error: Error & { code?: unknown }) => {
        const isTooLarge = error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
        const failure = isTooLarge
          ? new ServiceError(
              502,
              "BODY_TOO_LARGE",
              `${this.#call.operation}: a message is over ${bodyLimitBytes} bytes`,
            )
          : unreachable(
              this.#call,
              error,
              explainMismatch(options, error, sent.status === undefined ? unreadableStart(error) : undefined),
            );
        reject(failure);
        this.#fail(this.#told ?? failure);
      });
      socket.on("message", (data: Buffer, isBinary) => this.#receive(data, isBinary));
      socket.once("close", (code, reason) => {
        const error = this.#told ?? closeToError(this.#call, code, reason.toString());
        if (this.#isOver) return;
        this.#over(error);
        this.#inbox.end(error);
      });
    });
  }

  // Never rejects.
  async #pump(first: Message | undefined): Promise<void> {
    const call = this.#call;
    const turn = new Turn();
    try {
      for (let message = first; !this.#isOver; message = undefined) {
        if (message === undefined) {
          const result = await this.#messages!.next();
          if (this.#isOver) return;
          if (result.done) {
            this.#messages = undefined;
            sendFrame(this.#socket!, endFrame);
            return;
          }
          message = result.value;
        }
        const waiting = sendFrame(this.#socket!, this.#encode(message));
        call.passMessage("sent", message);
        if (waiting !== undefined) await waiting;
        else if (turn.isOver(0)) await turn.next();
      }
    } catch (error) {
      this.#fail(error instanceof ServiceError ? error : callCancelled(call.operation, error));
    }
  }

  #receive(frame: Buffer, isBinary: boolean): void {
    const control = isBinary || frame[0] !== 0x1e ? undefined : readControl(frame.toString());
    if (control === undefined) this.#inbox.push(frame);
    else if (control.kind === "error") this.#told = parseError(control.text);
    else if (control.kind === "status") this.#told = control.error;
  }

  #replies(): AsyncIterable<Message> {
    const iterator: AsyncIterator<Message> = {
      next: () => this.#inbox.next(),
      return: async () => {
        this.#fail(callCancelled(this.#call.operation));
        return { done: true, value: undefined };
      },
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  #encode(message: Message): string | Uint8Array {
    const { requestCodec } = this.#init;
    try {
      return requestCodec.encodeText?.(message) ?? requestCodec.encode(message);
    } catch (cause) {
      const problem = `a request cannot be written as ${requestCodec.contentType}: ${problemOf(cause)}`;
      throw new ServiceError(400, "CODEC", `${this.#call.operation}: ${problem}`, { cause });
    }
  }

  #decode(frame: Buffer): Message {
    const { replyCodec } = this.#init;
    let message: Message;
    try {
      message = replyCodec.decode(frame);
    } catch (cause) {
      const problem = `a reply is not ${replyCodec.contentType}: ${problemOf(cause)}`;
      const error = new ServiceError(502, "CODEC", `${this.#call.operation}: ${problem}`, { cause });
      this.#fail(error);
      throw error;
    }
    this.#call.passMessage("received", message);
    return message;
  }

  // A close would be the end of the stream to Kratos; to be cut off is not.
  #fail(error: ServiceError): void {
    if (!this.#isOver) {
      this.#over(error);
      this.#socket?.terminate();
    }
    this.#inbox.fail(error);
  }

  #over(error: ServiceError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#failure = error;
    if (error !== undefined) this.#releaseCancel();
    // A generator that waits for something else cannot be told to end before it wakes: nobody waits for it.
    void this.#messages?.return?.().then(undefined, () => {});
    announceEnd(this.#call, error);
  }
}

// Where nothing of the first message is in the target, any will do.
const nothing = {} as Message;

/** Why a server did not let the call in. */
async function readRefusal(response: IncomingMessage, limitBytes: number, codec: Codec): Promise<ServiceError> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > limitBytes) break;
      chunks.push(chunk);
    }
  } catch {
    // What came of it tells enough.
  }
  const status = response.statusCode === 200 ? 502 : response.statusCode!;
  return decodeError({ status, headers: response.headers, body: Buffer.concat(chunks) }, codec);
}

function closeToError(call: Call, code: number, reason: string): ServiceError | undefined {
  switch (code) {
    case closeNormal:
      return undefined;
    case closeError:
      return new ServiceError(500, "UNKNOWN", reason);
    case closeTooBig:
      return new ServiceError(
        413,
        "BODY_TOO_LARGE",
        reason || `${call.operation}: a message is too large for the server`,
      );
    default:
      return unreachable(call, new Error(reason || `the connection was lost (WebSocket: ${code})`));
  }
}
