import type { Message } from "@bufbuild/protobuf";
import { type ClientStream, type ClientStreamListener, ErrorCode, type HeaderFields } from "@clew/http2";
import {
  type Call,
  callCancelled,
  deadlineExceeded,
  hasReplyStream,
  hasRequestStream,
  type MessageCodec,
  type Reply,
  remainingMs,
  ServiceError,
} from "@clew/rpc";
import { announceBegin, announceEnd } from "../channels.ts";
import type { StreamConnection, StreamSession } from "../stream-connection.ts";
import { Turn } from "../turn.ts";
import { type Compression, encodeCompressibleFrame, findCompression } from "./compression.ts";
import { MessageReader } from "./message-reader.ts";
import { appendMetadata, readMetadata } from "./metadata.ts";
import { readReplyHead } from "./reply-head.ts";
import { decodeStatus, detailsName, fromForeignReply, fromReset, statusName } from "./status.ts";
import { formatTimeout } from "./timeout.ts";

export interface RequestInit {
  readonly call: Call;
  readonly connection: StreamConnection;
  /** The fields that are the same for every call of the method. */
  readonly headers: HeaderFields;
  readonly input: MessageCodec<Message>;
  readonly output: MessageCodec<Message>;
  /** How to compress the request; undefined for not at all. */
  readonly compression: Compression | undefined;
  /** How large a message is before it is compressed, in bytes. Default: 1024. */
  readonly compressFromBytes?: number;
  readonly maxMessageBytes: number;
}

// What a stream of requests sent before it was refused can be sent again, as long as it is no more than this.
const replayBytes = 64 * 1024;

/**
 * A call that goes out: one HTTP/2 stream, or two when the first was refused before the server looked at it.
 *
 *     send ─▶ open ─▶ pump (a stream of requests) ─┐
 *                └──▶ onHeaders ─▶ onData* ─▶ onEnd ┴▶ over          onReset, cancel ─▶ fail ─▶ over
 */
export class Request implements ClientStreamListener {
  readonly #init: RequestInit;
  readonly #call: Call;
  readonly #reader: MessageReader;
  /** Undefined while there is none yet, or the first was refused and the second is not there. */
  #stream: ClientStream | undefined;
  #hasRetried = false;
  #isOver = false;
  #failure: ServiceError | undefined;

  // The request: either a body, or messages, of which those that were sent are kept until the server takes the call.
  #body: Uint8Array | undefined;
  #messages: AsyncIterator<Message> | undefined;
  #sent: Uint8Array[] | undefined;
  #sentBytes = 0;
  #hasSentAll = false;
  #onDrain: () => void = nothing;

  // The reply.
  #hasHeaders = false;
  // Headers that have a status, until it is known whether they are all there is.
  #onlyHeaders: HeaderFields | undefined;
  #onHeaders: () => void = nothing;

  constructor(init: RequestInit) {
    this.#init = init;
    this.#call = init.call;
    this.#reader = new MessageReader(init.call, this, init.output, init.maxMessageBytes);
  }

  /** Sends the call. Resolves with the message that came back, or for a stream when its headers have. */
  async send(): Promise<Reply> {
    const call = this.#call;
    announceBegin(call);
    try {
      const message = hasRequestStream(call.method) ? undefined : await call.receive();
      if (message !== undefined) {
        const body = this.#encode(message);
        this.#body = body instanceof Promise ? await call.orCancelled(body) : body;
      }
      call.onCancel((reason) => this.#cancel(reason));
      const opening = this.#open();
      if (opening !== undefined) await opening;
      if (message === undefined) void this.#pump();
      else call.passMessage("sent", message);
    } catch (error) {
      this.#fail(ServiceError.from(error));
    }
    if (!hasReplyStream(call.method)) return this.#reader.readOnly();
    if (!this.#hasHeaders && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#onHeaders = resolve;
      });
    }
    if (this.#failure !== undefined && !this.#hasHeaders) throw this.#failure;
    return this.#replies();
  }

  onHeaders(headers: HeaderFields): void {
    if (this.#isOver) return;
    this.#sent = undefined;
    // With a status they are "Trailers-Only", if the end follows.
    if (readReplyHead(headers).status === undefined) this.#begin(headers);
    else this.#onlyHeaders = headers;
  }

  onData(bytes: Buffer): void {
    this.#beginAfterAll();
    if (!this.#isOver) this.#reader.onData(bytes);
  }

  onEnd(trailers: HeaderFields): void {
    if (trailers.length > 0) this.#beginAfterAll();
    if (this.#isOver) return;
    const fields = this.#onlyHeaders ?? trailers;
    const metadata = readMetadata(fields);
    if (metadata !== undefined) this.#call.replyTrailers = metadata;
    const head = readReplyHead(fields);
    let error =
      head.status === undefined
        ? new ServiceError(500, "", `${this.#call.operation}: the reply ended without a status`)
        : decodeStatus(head);
    if (error !== undefined) {
      this.#keepStatus(head.status, head.details);
      // What the server says of a deadline that it was told is a bare status: whose it is, is known here.
      if (error.code === 504 && error.reason === "" && this.#isLate()) {
        error = deadlineExceeded(this.#call.operation).withCause(error);
      }
    }
    this.#over(error);
    this.#reader.onEnd(error);
  }

  // There is more than the headers, so a status among them means nothing.
  #beginAfterAll(): void {
    const headers = this.#onlyHeaders;
    if (headers === undefined || this.#isOver) return;
    this.#onlyHeaders = undefined;
    this.#begin(headers);
  }

  #begin(headers: HeaderFields): void {
    const { httpStatus, contentType, encoding } = readReplyHead(headers);
    const metadata = readMetadata(headers);
    if (metadata !== undefined) this.#call.replyMetadata = metadata;
    if (httpStatus !== "200" || !isGrpc(contentType)) {
      const { error, status } = fromForeignReply({
        status: httpStatus ?? "",
        contentType,
        acceptPost: findField(headers, "accept-post"),
        sentType: findField(this.#init.headers, "content-type"),
      });
      this.#keepStatus(status, undefined);
      this.#fail(error);
      return;
    }
    if (encoding !== undefined && encoding !== "identity") {
      this.#reader.compression = findCompression(encoding);
      if (this.#reader.compression === undefined) {
        this.#fail(new ServiceError(500, "CODEC", `the reply has the unknown grpc-encoding "${encoding}"`));
        return;
      }
    }
    this.#hasHeaders = true;
    this.#onHeaders();
  }

  // A ServiceError does not hold all of them.
  #keepStatus(status: string | undefined, details: string | undefined): void {
    if (status !== undefined) this.#call.replyTrailers.set(statusName, status);
    if (details !== undefined) this.#call.replyTrailers.set(detailsName, details);
  }

  onReset(code: number, error: Error | undefined): void {
    if (this.#isOver) return;
    const wasUntouched = this.#body !== undefined || this.#sent !== undefined;
    if (code === ErrorCode.REFUSED_STREAM && wasUntouched && !this.#hasHeaders && !this.#hasRetried) {
      this.#hasRetried = true;
      this.#stream = undefined;
      this.#onDrain();
      void this.#reopen();
      return;
    }
    const { operation } = this.#call;
    const { connection } = this.#init;
    const why = error && connection.explain(error);
    this.#fail(
      code === ErrorCode.CANCEL && this.#isLate()
        ? deadlineExceeded(operation)
        : fromReset(operation, code, error, why && `cannot reach ${connection.endpoint}: ${why}`),
    );
  }

  /** Whether the call's time is over: a server may be the first to see it, by a timer that fires up to a millisecond early. */
  #isLate(): boolean {
    const { deadline } = this.#call;
    return deadline !== undefined && remainingMs(deadline) <= 1;
  }

  onDrain(): void {
    this.#onDrain();
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  // Or the stream would stay, and the server could go on for ever.
  onUnreadable(error: ServiceError): void {
    this.#fail(error);
  }

  // At once when the connection is there, which it nearly always is.
  #open(): void | Promise<void> {
    const { call, connection } = this.#init;
    const found = call.waitsForReady ? connection.whenReady(call) : connection.session(call);
    if (!(found instanceof Promise)) this.#openOn(found);
    else return call.orCancelled(found).then((session) => (session.isOpen ? this.#openOn(session) : this.#open()));
  }

  async #reopen(): Promise<void> {
    try {
      await this.#open();
    } catch (thrown) {
      this.#fail(ServiceError.from(thrown));
    }
  }

  #openOn(session: StreamSession): void {
    const call = this.#call;
    if (this.#isOver) return;
    call.peer = { address: session.peer || this.#init.connection.endpoint };
    const headers = [...this.#init.headers];
    if (call.deadline !== undefined) {
      const leftMs = remainingMs(call.deadline);
      if (leftMs <= 0) throw deadlineExceeded(call.operation);
      headers.push("grpc-timeout", formatTimeout(leftMs));
    }
    appendMetadata(headers, call.metadata);
    this.#stream = session.openStream(headers, this.#body, this);
    for (const frame of this.#sent ?? []) this.#stream.sendData(frame);
    if (this.#hasSentAll) this.#stream.sendEnd();
  }

  async #pump(): Promise<void> {
    const call = this.#call;
    this.#sent = [];
    const turn = new Turn();
    try {
      this.#messages = call.messages()[Symbol.asyncIterator]();
      while (!this.#isOver) {
        const result = await this.#messages.next();
        if (this.#isOver) return;
        if (result.done) {
          this.#hasSentAll = true;
          this.#stream?.sendEnd();
          return;
        }
        const encoded = this.#encode(result.value);
        const frame = encoded instanceof Promise ? await encoded : encoded;
        if (this.#isOver) return;
        this.#keep(frame);
        const hasRoom = this.#stream?.sendData(frame) ?? true;
        call.passMessage("sent", result.value);
        if (!hasRoom) {
          await new Promise<void>((resolve) => {
            this.#onDrain = resolve;
          });
        } else if (turn.isOver(frame.length)) await turn.next();
      }
    } catch (error) {
      this.#fail(error instanceof ServiceError ? error : callCancelled(call.operation, error));
    }
  }

  #keep(frame: Uint8Array): void {
    if (this.#sent === undefined) return;
    this.#sentBytes += frame.length;
    if (this.#sentBytes <= replayBytes) this.#sent.push(frame);
    else this.#sent = undefined;
  }

  #encode(message: Message): Uint8Array | Promise<Uint8Array> {
    const { input, compression, compressFromBytes } = this.#init;
    return encodeCompressibleFrame(input, message, compression, compressFromBytes);
  }

  #replies(): AsyncIterable<Message> {
    const reader = this.#reader;
    const iterator: AsyncIterator<Message> = {
      async next() {
        const value = await reader.read();
        return value === undefined ? { done: true, value: undefined } : { done: false, value };
      },
      return: async () => {
        this.#fail(callCancelled(this.#call.operation));
        reader.discard();
        return { done: true, value: undefined };
      },
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  // Also when everything has arrived: nobody wants what was not read.
  #cancel(reason: ServiceError): void {
    if (this.#isOver) this.#reader.fail(reason);
    else this.#fail(reason);
  }

  #fail(error: ServiceError): void {
    if (this.#isOver) return;
    this.#stream?.reset(ErrorCode.CANCEL);
    this.#over(error);
    this.#reader.fail(error);
  }

  #over(error: ServiceError | undefined): void {
    this.#isOver = true;
    this.#failure = error;
    this.#onHeaders();
    this.#onDrain();
    if (this.#messages !== undefined && !this.#hasSentAll) {
      // The server answered before it had everything: nobody needs the rest.
      this.#stream?.reset(ErrorCode.CANCEL);
      // A generator that waits for something else cannot be told to end before it wakes: nobody waits for it.
      void this.#messages.return?.().then(undefined, nothing);
    }
    announceEnd(this.#call, error);
  }
}

function nothing(): void {}

function findField(fields: HeaderFields, name: string): string | undefined {
  for (let at = 0; at < fields.length; at += 2) if (fields[at] === name) return fields[at + 1];
  return undefined;
}

function isGrpc(contentType: string | undefined): boolean {
  return contentType === "application/grpc" || /^application\/grpc(?![\w-])/.test(contentType ?? "");
}
