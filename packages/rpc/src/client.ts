import type {
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  Message,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { current } from "@clew/context";
import {
  aBoolean,
  aFunction,
  anything,
  aText,
  checkOptions,
  having,
  kind,
  listOf,
  type OptionCheck,
  type OptionChecks,
  orListOf,
  recordOf,
} from "@clew/options";
import { Call, currentCall, type Peer } from "./call.ts";
import { messageMaker } from "./codec/message-maker.ts";
import { deadlineIn, earliest } from "./deadline.ts";
import {
  callReceivesMessage,
  callReceivesStream,
  descInvalid,
  optionError,
  requestMissing,
  timeoutInvalid,
} from "./errors.ts";
import { toMessages } from "./message-stream.ts";
import { Metadata, type MetadataInit } from "./metadata.ts";
import { createMethod, hasReplyStream, hasRequestStream, type Method } from "./method.ts";
import {
  chain,
  type Handler,
  isStream,
  type Middleware,
  meetOperations,
  type Reply,
  watchReply,
} from "./middleware.ts";
import { callCancelled, ServiceError } from "./service-error.ts";

/** The client side of a transport: it sends calls to one endpoint. */
export interface Client {
  /** The transport of its calls: "http", "grpc", "connect", "grpc-web" or "memory". */
  readonly transport: string;
  /**
   * Returns the innermost handler for a method: it sends the call and returns the reply. Called once for each method.
   */
  createHandler(method: Method): Handler;
  /** Closes the open connections once their calls are over. */
  close(): Promise<void>;
}

export interface CallOptions {
  /**
   * How long the call may take, in milliseconds; Infinity for no limit. A call made while serving another call never
   * outlives that one. Default: the client's timeoutMs.
   */
  timeoutMs?: number;
  /** Cancels the call when it aborts. Default: none. */
  signal?: AbortSignal;
  /**
   * Wait until the other end can be reached, or the deadline passes, instead of failing at once with UNAVAILABLE. gRPC
   * only. Default: false.
   */
  waitForReady?: boolean;
  /** Headers to send. Default: none. */
  metadata?: MetadataInit;
  /**
   * The content type in which to write the request's body: `"application/proto"`. HTTP only. Default: that of the
   * client's codec.
   */
  contentType?: string;
  /**
   * The content type that the reply's body should have: `"application/proto"`. HTTP only. Default: that of the client's
   * codec.
   */
  accept?: string;
  /** Called with the reply's headers, if there are any, when the reply begins or the call has failed. Default: none. */
  onHeaders?: (headers: Metadata) => void;
  /** Called with the reply's trailers when the reply is over. Default: none. */
  onTrailers?: (trailers: Metadata) => void;
}

const headersByName = recordOf(
  "headers by name",
  orListOf(
    kind("a string, or a list of strings", (given) => typeof given === "string"),
    listOf("a list of strings", aText),
  ),
);

const headers: OptionCheck = (name, given) =>
  typeof given === "object" && given !== null && Symbol.iterator in given ? undefined : headersByName(name, given);

const callChecks: OptionChecks<CallOptions> = {
  // Checked for every call.
  timeoutMs: anything,
  signal: having("the signal of an AbortController", "addEventListener"),
  waitForReady: aBoolean,
  metadata: headers,
  contentType: aText,
  accept: aText,
  onHeaders: aFunction,
  onTrailers: aFunction,
};

export interface ServiceClientOptions {
  /** Middleware around every call; the first is the outermost. Default: none. */
  middleware?: readonly Middleware[];
  /**
   * The timeout of unary calls that do not set their own, in milliseconds; Infinity for no limit. Streams have no timeout by
   * default. Default: 2000.
   */
  timeoutMs?: number;
}

/** The checks of these options, also for packages whose options include them. */
export const serviceClientChecks: OptionChecks<ServiceClientOptions> = {
  middleware: kind("a list of middlewares", Array.isArray),
  // Checked in the same way as that of a call.
  timeoutMs: anything,
};

/** A client of one service, with a function for each method. Disposing of it closes its connections. */
export type ServiceClient<S extends DescService> = {
  readonly [M in keyof S["method"]]: MethodClient<S["method"][M]>;
} & { [Symbol.asyncDispose](): Promise<void> };

/** The function that calls one method. */
export type MethodClient<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: AsyncIterable<MessageInitShape<I>>, options?: CallOptions) => Promise<MessageShape<O>>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (requests: AsyncIterable<MessageInitShape<I>>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
          : never;

/**
 * Creates a client of a service on top of any transport. The middleware chain of each method is composed once, here.
 *
 * @throws CLEW_RPC_DESC, CLEW_RPC_OPTION, CLEW_RPC_TIMEOUT, CLEW_RPC_MIDDLEWARE
 */
export function createServiceClient<S extends DescService>(
  desc: S,
  client: Client,
  options: ServiceClientOptions = {},
): ServiceClient<S> {
  if (desc?.kind !== "service") throw descInvalid("the service of a client", desc, "Orders");
  checkOptions("createServiceClient", options, serviceClientChecks, optionError);
  const timeoutMs = options.timeoutMs ?? 2000;
  checkTimeout(timeoutMs);
  const middleware = chain(...(options.middleware ?? []));
  meetOperations([middleware], new Set(desc.methods.map((method) => createMethod(method).operation)));
  const functions: Record<string | symbol, unknown> = {};
  for (const methodDesc of desc.methods) {
    const method = createMethod(methodDesc);
    const handler = middleware(client.createHandler(method));
    const start = async (request: object, callOptions: CallOptions = noOptions): Promise<Reply> =>
      send(createCall(client.transport, method, request, callOptions, timeoutMs), handler, callOptions);
    functions[method.localName] = hasReplyStream(method)
      ? (request: object, callOptions?: CallOptions) => lazily(() => start(request, callOptions))
      : start;
  }
  functions[Symbol.asyncDispose] = () => client.close();
  return functions as ServiceClient<S>;
}

const noOptions: CallOptions = Object.freeze({});

/**
 * Creates a call to be sent. Unknown options are an error that names them. They are searched for only if a cheap check shows that
 * there are any.
 */
function createCall(
  transport: string,
  method: Method,
  request: object,
  options: CallOptions,
  timeoutMs: number,
): ClientCall {
  if (typeof request !== "object" || request === null) throw requestMissing(method, request);
  if (hasRequestStream(method) && !(Symbol.asyncIterator in request || Symbol.iterator in request)) {
    throw requestMissing(method, request);
  }
  if (!hasKnownNames(options)) checkCallOptions(method, options);
  try {
    return new ClientCall(transport, method, request, options, timeoutMs);
  } catch (error) {
    checkCallOptions(method, options);
    throw error;
  }
}

function checkCallOptions(method: Method, options: CallOptions): void {
  checkOptions(`a call of ${method.operation}`, options, callChecks, optionError);
}

/** Whether all names are known to {@link callChecks}. This runs for every call: comparing names costs almost nothing. */
function hasKnownNames(options: CallOptions): boolean {
  if (typeof options !== "object") return false;
  for (const name in options) {
    switch (name) {
      case "timeoutMs":
      case "signal":
      case "waitForReady":
      case "metadata":
      case "contentType":
      case "accept":
      case "onHeaders":
      case "onTrailers":
        break;
      default:
        return false;
    }
  }
  return true;
}

/** An outgoing call. A client's function creates it, and the transport sends it. */
class ClientCall extends Call {
  override readonly side = "client";
  override readonly transport: string;
  readonly #request: object;
  readonly #releaseParent: (() => void) | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #abort: (() => void) | undefined;

  constructor(transport: string, method: Method, request: object, options: CallOptions, defaultTimeoutMs: number) {
    const parent = currentCall();
    const streams = method.kind !== "unary";
    const timeoutMs = options.timeoutMs ?? (streams ? undefined : defaultTimeoutMs);
    if (timeoutMs !== undefined) checkTimeout(timeoutMs);
    super({
      method,
      metadata: new Metadata(options.metadata),
      peer: unknownPeer,
      deadline: earliest(
        parent?.deadline,
        timeoutMs === undefined || timeoutMs === Number.POSITIVE_INFINITY ? undefined : deadlineIn(timeoutMs),
      ),
      context: current(),
    });
    this.transport = transport;
    if (options.contentType !== undefined) this.metadata.set("content-type", options.contentType);
    if (options.accept !== undefined) this.metadata.set("accept", options.accept);
    this.waitsForReady = options.waitForReady ?? false;
    this.#request = request;
    // When the call being served is cancelled, the calls made for it are cancelled too: nobody waits for their replies.
    this.#releaseParent = parent?.onCancel((reason) => this.cancel(reason));
    if (options.signal !== undefined) {
      const signal = options.signal;
      this.#signal = signal;
      const abort = (): void => this.cancel(toCancelReason(this.operation, signal.reason));
      this.#abort = abort;
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort, { once: true });
    }
  }

  #message: Message | undefined;

  override async receive(): Promise<Message> {
    if (hasRequestStream(this.method)) throw callReceivesStream(this.operation);
    this.#message ??= messageMaker(this.method.desc.input).from(this.#request);
    return this.#message;
  }

  override messages(): AsyncIterable<Message> {
    if (!hasRequestStream(this.method)) throw callReceivesMessage(this.operation);
    return toMessages(this.method.desc.input, this.#request as AsyncIterable<object>);
  }

  override finish(): void {
    super.finish();
    this.#releaseParent?.();
    if (this.#abort !== undefined) this.#signal?.removeEventListener("abort", this.#abort);
  }
}

const unknownPeer: Peer = { address: "" };

async function send(call: ClientCall, handler: Handler, options: CallOptions): Promise<Reply> {
  const end = (): void => {
    call.finish();
    options.onTrailers?.(call.replyTrailers);
  };
  try {
    if (call.cancelled !== undefined) throw call.cancelled;
    const reply = await handler(call);
    options.onHeaders?.(call.replyMetadata);
    return watchReply(reply, end);
  } catch (error) {
    if (call.givenReplyMetadata !== undefined) options.onHeaders?.(call.givenReplyMetadata);
    end();
    throw error;
  }
}

/** A stream that starts when it is first read. */
async function* lazily(start: () => Promise<Reply>): AsyncIterable<Message> {
  const reply = await start();
  if (isStream(reply)) yield* reply;
  else yield reply;
}

function toCancelReason(operation: string, reason: unknown): ServiceError {
  return reason instanceof ServiceError ? reason : callCancelled(operation, reason);
}

function checkTimeout(timeoutMs: number): void {
  if (!(typeof timeoutMs === "number" && timeoutMs > 0)) throw timeoutInvalid(timeoutMs);
}
