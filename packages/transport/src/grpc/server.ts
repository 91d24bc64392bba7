import type { AddressInfo } from "node:net";
import type { SecureContextOptions } from "node:tls";
import type { Message } from "@bufbuild/protobuf";
import {
  type Codec,
  chain,
  deadlineIn,
  earliest,
  type Handler,
  jsonCodec,
  type MessageCodec,
  type Method,
  type Middleware,
  protoCodec,
  type Service,
  ServiceError,
} from "@clew/rpc";
import { type Address, endpointOf, listen, parseAddress } from "../address.ts";
import { optionInvalid, serverAlreadyStarted, serverNotStarted, serviceConflict } from "../errors.ts";
import { GrpcCall } from "./call.ts";
import { acceptedEncodings, type Compression, findCompression, isAccepted } from "./compression.ts";
import { readFields } from "./metadata.ts";
import { encodeStatus } from "./status.ts";
import { parseTimeout } from "./timeout.ts";
import { ResetCode, type ServerWireStream, type StreamListener, type WireHeaders, type WireServer } from "./wire.ts";
import { createWireServer } from "./wire-node.ts";

export interface GrpcServerOptions {
  /** Where to listen: `":9000"` for all interfaces, `"127.0.0.1:9000"`, `":0"` for any free port. Default: ":0". */
  address?: string;
  /** What to serve. Default: nothing, and every call is answered UNIMPLEMENTED. */
  services?: readonly Service[];
  /** Wrapped around every call, the first outermost. Default: none. */
  middleware?: readonly Middleware[];
  /** How long a unary call may take, in milliseconds, when its caller allows no less; 0 for no limit. Streams have none. Default: 1000. */
  timeoutMs?: number;
  /** The largest message to accept, in bytes, before and after decompression. Default: 4 MiB. */
  maxMessageBytes?: number;
  /** The largest header list to accept, in bytes. Default: 16 KiB. */
  maxHeaderBytes?: number;
  /** Compress the larger messages of replies for callers that accept it. Default: "identity", not at all. */
  compression?: "gzip" | "identity";
  /** Speak TLS, with these keys and certificates as `node:tls` takes them. Default: plain TCP. */
  tls?: SecureContextOptions;
}

interface ResolvedOptions {
  readonly address: Address;
  readonly services: readonly Service[];
  readonly middleware: readonly Middleware[];
  readonly timeoutMs: number;
  readonly maxMessageBytes: number;
  readonly maxHeaderBytes: number;
  readonly compression: Compression | undefined;
  readonly tls: SecureContextOptions | undefined;
}

function resolveGrpcServerOptions(options: GrpcServerOptions): ResolvedOptions {
  const { timeoutMs = 1000, maxMessageBytes = 4 * 1024 * 1024, maxHeaderBytes = 16 * 1024 } = options;
  if (!(timeoutMs >= 0)) throw optionInvalid("timeoutMs", timeoutMs, "a number of milliseconds, or 0 for no limit");
  if (!(maxMessageBytes > 0)) throw optionInvalid("maxMessageBytes", maxMessageBytes, "a number of bytes above 0");
  if (!(maxHeaderBytes > 0)) throw optionInvalid("maxHeaderBytes", maxHeaderBytes, "a number of bytes above 0");
  const compression = options.compression ?? "identity";
  if (compression !== "gzip" && compression !== "identity") {
    throw optionInvalid("compression", compression, '"gzip" or "identity"');
  }
  return {
    address: parseAddress(options.address ?? ":0"),
    services: options.services ?? [],
    middleware: options.middleware ?? [],
    timeoutMs,
    maxMessageBytes,
    maxHeaderBytes,
    compression: findCompression(compression),
    tls: options.tls,
  };
}

/** What is known of a method before its first call. */
interface GrpcRoute {
  readonly method: Method;
  readonly handler: Handler;
  /** Undefined for no limit. */
  readonly timeoutMs: number | undefined;
  /** By content subtype. */
  readonly codecs: ReadonlyMap<string, RouteCodec>;
}

interface RouteCodec {
  readonly contentType: string;
  readonly input: MessageCodec<Message>;
  readonly output: MessageCodec<Message>;
}

/** Serves gRPC over HTTP/2. */
export class GrpcServer {
  readonly #options: ResolvedOptions;
  readonly #routes: ReadonlyMap<string, GrpcRoute>;
  readonly #calls = new Set<GrpcCall>();
  #wire: WireServer | undefined;
  #endpoint: URL | undefined;

  constructor(options: GrpcServerOptions = {}) {
    this.#options = resolveGrpcServerOptions(options);
    this.#routes = createRoutes(this.#options);
  }

  /**
   * Listens; resolves when calls are accepted.
   *
   * @throws CLEW_TRANSPORT_ADDRESS_IN_USE, CLEW_TRANSPORT_ADDRESS_REFUSED, CLEW_TRANSPORT_STARTED.
   */
  async start(): Promise<void> {
    if (this.#wire !== undefined) throw serverAlreadyStarted("GrpcServer");
    const { address, tls, maxHeaderBytes } = this.#options;
    const accept = (stream: ServerWireStream, headers: WireHeaders): StreamListener => this.#accept(stream, headers);
    this.#wire = createWireServer({ tls, maxHeaderBytes, accept });
    const { listener } = this.#wire;
    await listen(listener, address);
    this.#endpoint = endpointOf(tls === undefined ? "grpc" : "grpcs", listener.address() as AddressInfo, address);
  }

  /** Accepts no more calls and waits for the open ones; those still open when the signal aborts are cancelled. */
  async stop(signal: AbortSignal): Promise<void> {
    const wire = this.#wire;
    if (wire === undefined) return;
    const cutOff = (): void => {
      for (const call of this.#calls) call.cancel(new ServiceError(503, "SERVER_STOPPED", "the server stops"));
      // The statuses are written by now; a turn of the loop sends them.
      setImmediate(() => setImmediate(() => wire.destroy()));
    };
    const drained = wire.drain();
    if (signal.aborted) cutOff();
    else signal.addEventListener("abort", cutOff, { once: true });
    await drained;
    signal.removeEventListener("abort", cutOff);
  }

  /**
   * Where it is reached: `grpc://127.0.0.1:9000`, `grpcs://` with TLS.
   *
   * @throws CLEW_TRANSPORT_NOT_STARTED before {@link start}.
   */
  endpoint(): URL {
    if (this.#endpoint === undefined) throw serverNotStarted("GrpcServer");
    return this.#endpoint;
  }

  #accept(stream: ServerWireStream, headers: WireHeaders): StreamListener {
    const { own, metadata } = readFields(headers);
    const contentType = own["content-type"] ?? "";
    const subtype = subtypeOf(contentType);
    if (own[":method"] !== "POST") return refuse(stream, [":status", "405", "allow", "POST"]);
    if (subtype === undefined) return refuse(stream, [":status", "415", "accept-post", "application/grpc"]);
    const path = own[":path"] ?? "";
    const route = this.#routes.get(path);
    if (route === undefined) {
      return refuseCall(stream, new ServiceError(501, "", `there is no method ${path} here`));
    }
    const codec = route.codecs.get(subtype);
    if (codec === undefined) return refuse(stream, [":status", "415", "accept-post", "application/grpc"]);
    const encoding = own["grpc-encoding"] ?? "identity";
    const requestCompression = findCompression(encoding);
    if (requestCompression === undefined && encoding !== "identity") {
      const error = new ServiceError(501, "", `grpc-encoding "${encoding}" is not one of ${acceptedEncodings}`);
      return refuseCall(stream, error, ["grpc-accept-encoding", acceptedEncodings]);
    }
    const { compression, maxMessageBytes } = this.#options;
    const answersCompressed = compression !== undefined && isAccepted(own["grpc-accept-encoding"], compression.name);
    const timeoutText = own["grpc-timeout"];
    const timeoutMs = timeoutText === undefined ? undefined : parseTimeout(timeoutText);
    if (timeoutText !== undefined && timeoutMs === undefined) {
      return refuseCall(stream, new ServiceError(500, "", `grpc-timeout "${timeoutText}" is not a timeout`));
    }
    const call = new GrpcCall({
      method: route.method,
      metadata,
      deadline: earliest(
        timeoutMs === undefined ? undefined : deadlineIn(timeoutMs),
        route.timeoutMs === undefined ? undefined : deadlineIn(route.timeoutMs),
      ),
      stream,
      contentType: codec.contentType,
      input: codec.input,
      output: codec.output,
      requestCompression,
      replyCompression: answersCompressed ? compression : undefined,
      maxMessageBytes,
      onOver: this.#forget,
    });
    this.#calls.add(call);
    // It never rejects: everything that is thrown becomes a status.
    void call.serve(route.handler);
    return call;
  }

  #forget = (call: GrpcCall): void => {
    this.#calls.delete(call);
  };
}

const codecs: readonly Codec[] = [protoCodec, jsonCodec];

function createRoutes(options: ResolvedOptions): ReadonlyMap<string, GrpcRoute> {
  const middleware = chain(...options.middleware);
  const routes = new Map<string, GrpcRoute>();
  for (const { methods } of options.services) {
    for (const { method, handler } of methods) {
      if (routes.has(method.operation)) throw serviceConflict(method.operation);
      routes.set(method.operation, {
        method,
        handler: middleware(handler),
        timeoutMs: method.kind === "unary" && options.timeoutMs > 0 ? options.timeoutMs : undefined,
        codecs: new Map(codecs.flatMap((codec) => compileCodec(codec, method))),
      });
    }
  }
  return routes;
}

// Protobuf goes by two names: "application/grpc" means it as well.
function compileCodec(codec: Codec, { desc }: Method): [string, RouteCodec][] {
  const input = codec.compile(desc.input);
  const output = codec.compile(desc.output);
  const named: [string, RouteCodec] = [codec.name, { contentType: `application/grpc+${codec.name}`, input, output }];
  return codec === protoCodec ? [named, ["", { contentType: "application/grpc", input, output }]] : [named];
}

/** What follows `application/grpc+`, "" when nothing does, undefined when the content type is another. */
function subtypeOf(contentType: string): string | undefined {
  const match = /^application\/grpc(?:\+([a-z0-9.-]+))?\s*(?:;.*)?$/i.exec(contentType);
  return match === null ? undefined : (match[1] ?? "").toLowerCase();
}

const deaf: StreamListener = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };

// The caller does not speak gRPC: an HTTP answer.
function refuse(stream: ServerWireStream, headers: WireHeaders): StreamListener {
  stream.sendHeaders(headers, true);
  stream.reset(ResetCode.NO_ERROR);
  return deaf;
}

function refuseCall(stream: ServerWireStream, error: ServiceError, headers: WireHeaders = []): StreamListener {
  return refuse(stream, [":status", "200", "content-type", "application/grpc", ...headers, ...encodeStatus(error)]);
}
