import type { IncomingHttpHeaders } from "node:http";
import type { Message } from "@bufbuild/protobuf";
import {
  type Call,
  type Codec,
  callCancelled,
  type Handler,
  jsonCodec,
  Metadata,
  type SentHttp,
  ServiceError,
} from "@clew/rpc";
import { announceBegin, announceEnd } from "../../channels.ts";
import { mergeChunks } from "../../merge-chunks.ts";
import { type BodyCodec, compileBodyCodecs, problemOf, subtypeOf } from "../body-codec.ts";
import { originOf } from "../client-options.ts";
import { Inbox } from "../inbox.ts";
import { decodeError } from "../reply-reader.ts";
import { RequestWriter } from "../request-writer.ts";
import { anyVerb } from "../router.ts";
import { readRules } from "../rule.ts";
import type { HttpRequest, HttpSender, ResponseListener, SentRequest } from "../sender.ts";
import { type StreamClientInit, streamType } from "../stream-client.ts";
import { compileTarget } from "../target.ts";
import { eventStreamType, type StreamEvent } from "./event.ts";
import { EventParser } from "./event-parser.ts";

/** How often in a row a broken stream is requested again without receiving a message. */
const maxTries = 5;

/** The wait before each of these requests if the server names none, in milliseconds; it doubles with each attempt. */
const retryMs = 1000;
const maxRetryMs = 30_000;

/** Calls a method that answers with a stream, over server-sent events. */
export function createEventHandler({ method, options, sender, peer, createHeaders }: StreamClientInit): Handler {
  const { basePath, bodyLimitBytes, resumeStreams } = options;
  const rule = readRules(method)[0]!;
  const verb = rule.verb === anyVerb ? "POST" : rule.verb;
  const origin = originOf(options);
  const writeTarget = compileTarget(rule, method.desc.input, basePath);
  const writer = rule.body === undefined ? undefined : new RequestWriter(method, rule, options.codec);
  // Events hold text.
  const isText = options.codec.compile(method.desc.output).encodeText !== undefined;
  const codecs = compileBodyCodecs([isText ? options.codec : jsonCodec], method.desc.output, rule.replyBody);
  const codec = codecs.values().next().value!;
  const accept = `${eventStreamType}, ${streamType(isText ? options.codec : jsonCodec)}`;

  const write = (call: Call, message: Message): HttpRequest => {
    const headers = createHeaders(call, accept);
    let body: Uint8Array | null = null;
    if (writer !== undefined) {
      const { contentType, bytes } = writer.write(message, call.metadata.get("content-type"));
      headers["content-type"] = contentType === jsonCodec.contentType ? streamType(jsonCodec) : contentType;
      body = bytes;
    }
    return { verb, target: writeTarget(message), headers, body };
  };

  return async (call) => {
    call.peer = peer;
    announceBegin(call);
    let message: Message;
    let request: HttpRequest;
    try {
      message = await call.receive();
      request = write(call, message);
      call.sentHttp = { verb, url: origin + request.target, status: undefined };
    } catch (thrown) {
      const error = ServiceError.from(thrown);
      announceEnd(call, error);
      throw error;
    }
    const reader = new EventReader({
      call,
      sender,
      request,
      codec,
      errorCodec: options.codec,
      limitBytes: bodyLimitBytes,
      resumes: resumeStreams,
    });
    return reader.begin(message);
  };
}

interface EventReaderInit {
  readonly call: Call;
  readonly sender: HttpSender;
  readonly request: HttpRequest;
  readonly codec: BodyCodec;
  /** What a refusal may come in. */
  readonly errorCodec: Codec;
  readonly limitBytes: number;
  /** Whether a stream that broke off is requested again. */
  readonly resumes: boolean;
}

/** A stream of replies. If it is resumed, it consists of several requests. */
class EventReader {
  readonly #init: EventReaderInit;
  readonly #inbox: Inbox<string>;
  #attempt: Attempt | undefined;
  #isBegun = false;
  #isOver = false;
  #lastId = "";
  #retryMs: number | undefined;
  #tries = 0;
  #timer: NodeJS.Timeout | undefined;
  #resolve: (replies: AsyncIterable<Message>) => void = () => {};
  #reject: (error: ServiceError) => void = () => {};
  #release: () => void = () => {};

  constructor(init: EventReaderInit) {
    this.#init = init;
    this.#inbox = new Inbox((data) => this.#decode(data));
    this.#inbox.flow = { pause: () => this.#attempt?.pause(), resume: () => this.#attempt?.resume() };
  }

  /** Sends the request. Resolves when the stream begins. */
  begin(message: Message): Promise<AsyncIterable<Message>> {
    const { call } = this.#init;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#release = call.onCancel((reason) => this.#fail(reason));
      // It may have been cancelled on its way through the chain.
      if (this.#isOver) return;
      this.#send();
      call.passMessage("sent", message);
    });
  }

  #send(): void {
    const { call, sender, request, limitBytes, errorCodec } = this.#init;
    const headers = this.#lastId === "" ? request.headers : { ...request.headers, "last-event-id": this.#lastId };
    const attempt = new Attempt(limitBytes, errorCodec, {
      onBegin: (head) => this.#begin(head),
      onEvent: (event) => this.#take(event),
      onOver: (error, trailers) => this.#end(error, trailers),
    });
    this.#attempt = attempt;
    attempt.send(sender.send(call, { ...request, headers }, attempt), call);
    if (this.#inbox.isPaused) attempt.pause();
  }

  #begin(head: IncomingHttpHeaders): void {
    if (this.#isBegun || this.#isOver) return;
    this.#isBegun = true;
    this.#init.call.replyMetadata = Metadata.adopt(head);
    const iterator: AsyncIterator<Message> = {
      next: () => this.#inbox.next(),
      return: async () => {
        this.#fail(callCancelled(this.#init.call.operation));
        return { done: true, value: undefined };
      },
    };
    this.#resolve({ [Symbol.asyncIterator]: () => iterator });
  }

  #take({ type, id, data }: StreamEvent): void {
    if (this.#isOver || type !== "message") return;
    this.#lastId = id;
    this.#tries = 0;
    this.#inbox.push(data);
  }

  #end(error: StreamFailure | undefined, trailers: IncomingHttpHeaders | undefined): void {
    if (this.#isOver) return;
    if (error?.mayPass && this.#resumeLater()) return;
    if (trailers !== undefined) this.#init.call.replyTrailers = Metadata.adopt(trailers);
    this.#over(error?.error);
    this.#inbox.end(error?.error);
  }

  #resumeLater(): boolean {
    const { resumes } = this.#init;
    this.#retryMs = this.#attempt?.retryMs ?? this.#retryMs;
    if (!resumes || this.#lastId === "" || this.#tries >= maxTries) return false;
    const waitMs = Math.min(maxRetryMs, (this.#retryMs ?? retryMs) * 2 ** this.#tries++);
    // Many readers lose the same server at the same moment and must not all return at the same moment. The stream is open for
    // its reader, so the timer keeps the process alive.
    this.#timer = setTimeout(() => this.#send(), waitMs * (0.75 + Math.random() / 2));
    return true;
  }

  /** Its reader gives up. */
  #fail(error: ServiceError): void {
    if (!this.#isOver) {
      this.#over(error);
      this.#attempt?.abort(error);
    }
    this.#inbox.fail(error);
  }

  #over(error: ServiceError | undefined): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    if (error !== undefined && !this.#isBegun) this.#reject(error);
    announceEnd(this.#init.call, error);
    // What has come may still be read, unless the call is cancelled.
    if (error !== undefined) this.#release();
  }

  #decode(data: string): Message {
    const { call, codec } = this.#init;
    let message: Message;
    try {
      message = codec.decode(Buffer.from(data));
    } catch (cause) {
      const problem = `an event is not ${codec.contentType}: ${problemOf(cause)}`;
      const error = new ServiceError(502, "CODEC", `${call.operation}: ${problem}`, { cause });
      this.#fail(error);
      throw error;
    }
    call.passMessage("received", message);
    return message;
  }
}

interface StreamFailure {
  readonly error: ServiceError;
  /** Whether another request may succeed: the connection broke, or the server is stopping. */
  readonly mayPass: boolean;
}

interface AttemptListener {
  onBegin(head: IncomingHttpHeaders): void;
  onEvent(event: StreamEvent): void;
  onOver(error: StreamFailure | undefined, trailers: IncomingHttpHeaders | undefined): void;
}

/** One request, and the events that come for it. */
class Attempt implements ResponseListener {
  readonly #limitBytes: number;
  readonly #errorCodec: Codec;
  readonly #listener: AttemptListener;
  readonly #parser: EventParser;
  #operation = "";
  #sentHttp: SentHttp | undefined;
  #sent: SentRequest | undefined;
  #status = 0;
  #head: IncomingHttpHeaders = {};
  #isEvents = false;
  /** What the server said in words of its own. */
  #told: StreamFailure | undefined;
  #hasEnded = false;
  /** The body of what is no stream of events. */
  readonly #chunks: Buffer[] = [];
  #mergedChunks = 0;
  #length = 0;

  constructor(limitBytes: number, errorCodec: Codec, listener: AttemptListener) {
    this.#limitBytes = limitBytes;
    this.#errorCodec = errorCodec;
    this.#listener = listener;
    this.#parser = new EventParser(limitBytes, (event) => this.#onEvent(event));
  }

  get retryMs(): number | undefined {
    return this.#parser.retryMs;
  }

  send(sent: SentRequest, { operation, sentHttp }: Call): void {
    this.#sent = sent;
    this.#operation = operation;
    this.#sentHttp = sentHttp;
  }

  abort(reason: ServiceError): void {
    this.#hasEnded = true;
    this.#sent?.abort(reason);
  }

  pause(): void {
    this.#sent?.pause();
  }

  resume(): void {
    this.#sent?.resume();
  }

  onHead(status: number, headers: IncomingHttpHeaders): void {
    this.#status = status;
    if (this.#sentHttp !== undefined) this.#sentHttp.status = status;
    this.#head = headers;
    const encoding = headers["content-encoding"] ?? "identity";
    this.#isEvents =
      status === 200 && subtypeOf(headers["content-type"] ?? "") === "event-stream" && encoding === "identity";
    if (this.#isEvents) this.#listener.onBegin(headers);
  }

  onData(bytes: Buffer): void {
    if (this.#hasEnded) return;
    if (this.#isEvents) {
      if (!this.#parser.push(bytes)) this.#refuse(`an event is over the limit of ${this.#limitBytes} bytes`);
      return;
    }
    this.#length += bytes.length;
    if (this.#length > this.#limitBytes) {
      this.#refuse(`the reply is over the limit of ${this.#limitBytes} bytes`);
      return;
    }
    this.#chunks.push(bytes);
    this.#mergedChunks = mergeChunks(this.#chunks, this.#mergedChunks);
  }

  onEnd(trailers?: IncomingHttpHeaders): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#isEvents) {
      this.#listener.onOver(this.#told, trailers);
      return;
    }
    const body = Buffer.concat(this.#chunks, this.#length);
    if (this.#status < 200 || this.#status > 299) {
      const error = decodeError({ status: this.#status, headers: this.#head, body }, this.#errorCodec);
      this.#listener.onOver({ error, mayPass: isPassing(error) }, trailers);
      return;
    }
    // So a server ends what is asked for again, for a browser as well (WHATWG HTML, section 9.2.3).
    if (this.#status === 204) {
      this.#listener.onBegin(this.#head);
      this.#listener.onOver(undefined, trailers);
      return;
    }
    const given = this.#head["content-type"] ?? "no content type";
    const error = new ServiceError(502, "CODEC", `${this.#operation}: the reply is ${given}, not ${eventStreamType}`);
    this.#listener.onOver({ error, mayPass: false }, trailers);
  }

  onError(error: ServiceError): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#listener.onOver(this.#told ?? { error, mayPass: isPassing(error) }, undefined);
  }

  #onEvent(event: StreamEvent): void {
    if (this.#told !== undefined) return;
    if (event.type !== "error") this.#listener.onEvent(event);
    else {
      const error = readError(event.data);
      this.#told = { error, mayPass: isPassing(error) };
    }
  }

  #refuse(problem: string): void {
    const error = new ServiceError(502, "BODY_TOO_LARGE", `${this.#operation}: ${problem}`);
    this.abort(error);
    this.#listener.onOver({ error, mayPass: false }, undefined);
  }
}

function readError(data: string): ServiceError {
  try {
    return ServiceError.fromJson(JSON.parse(data)) ?? new ServiceError(500, "UNKNOWN", data);
  } catch {
    return new ServiceError(500, "UNKNOWN", data);
  }
}

function isPassing({ code }: ServiceError): boolean {
  return code === 502 || code === 503 || code === 504;
}
