// createGrpcHandler(options: GrpcHandlerOptions): GrpcHandler
//   .begin(context)                      what the context of every call begins with; once, when the server starts
//   .accept(stream, headers, peer?, transport?)   a request came: answers it; peerOf(socket) is the peer, without it only its address is known
//   .find(operation)                     the method that is called so
//   .refuse(stream, headers)             a request came whose headers are over the limit
//   .drain()                             no service is healthy any more; call it before connections are drained
//   .health                              how the services are, for who wants to say it
//   .cancel(reason)                      ends every open call now, its status is written when this returns
import { Context } from "@clew/context";
import type { HeaderFields, ServerStream, StreamListener } from "@clew/http2";
import type { Logger } from "@clew/log";
import {
  type Codec,
  chain,
  checkServices,
  type Handler,
  jsonCodec,
  type Method,
  type Middleware,
  type Peer,
  protoCodec,
  type Service,
  ServiceError,
} from "@clew/rpc";
import { checkCodecs } from "../check-codecs.ts";
import { defaultLogger } from "../default-logger.ts";
import { optionInvalid, serviceConflict } from "../errors.ts";
import { Health } from "../health.ts";
import { findMethodEntries, type MethodEntries } from "../method-entries.ts";
import { OpenSet } from "../open-set.ts";
import { createApiMetadataService } from "./api-metadata.ts";
import { GrpcCall } from "./call.ts";
import { acceptedEncodings, type Compression, findCompression, isAccepted, readCompression } from "./compression.ts";
import { createHealthService } from "./health-service.ts";
import { createReflectionServices } from "./reflection.ts";
import { readRequestHead } from "./request-head.ts";
import { compileRouteCodec, type RouteCodec } from "./route-codec.ts";
import { encodeStatus } from "./status.ts";
import { parseTimeout } from "./timeout.ts";

export interface GrpcHandlerOptions {
  /** The services to serve. Default: none, every call is answered with UNIMPLEMENTED. */
  services?: readonly Service[];
  /** Middleware around every call; the first is the outermost. Default: none. */
  middleware?: readonly Middleware[];
  /**
   * How long a unary call may take, in milliseconds, unless its caller allows less; 0 for no limit. For a stream only its own entry in
   * `methods` counts. Default: 1000.
   */
  timeoutMs?: number;
  /**
   * Other timeouts, by operation (`"/shop.Orders/Place"`) or for all unary methods of a service (`"/shop.Orders/*"`). Default: none.
   */
  methods?: MethodEntries<{ timeoutMs?: number }>;
  /** The largest message that is accepted, in bytes, before and after decompression. Default: 4 MiB. */
  maxMessageBytes?: number;
  /** How larger reply messages are compressed, for callers that accept it. Default: "identity", no compression. */
  compression?: "gzip" | "br" | "identity";
  /** The codecs for messages: those named "proto" and "json" replace the default ones. Default: protobuf, JSON. */
  codecs?: readonly Codec[];
  /**
   * Logs errors of handlers that are not a ServiceError, unless a middleware logged them. Default: a logger named `clew.server`, see
   * ListenerOptions.
   */
  logger?: Logger;
  /** Serve `grpc.health.v1.Health` without any middleware, if `services` does not contain it. Default: true. */
  health?: boolean;
  /**
   * Serve `grpc.reflection`, v1 and v1alpha, and `kratos.api.Metadata` without any middleware, if `services` does not contain them.
   * Default: true.
   */
  reflection?: boolean;
}

interface ResolvedOptions {
  readonly services: readonly Service[];
  readonly middleware: readonly Middleware[];
  readonly timeoutMs: number;
  readonly methods: MethodEntries<{ timeoutMs?: number }>;
  readonly maxMessageBytes: number;
  readonly compression: Compression | undefined;
  readonly codecs: readonly Codec[];
  readonly logger: Logger;
  readonly health: boolean;
  readonly reflection: boolean;
}

function resolveGrpcHandlerOptions(options: GrpcHandlerOptions): ResolvedOptions {
  const { timeoutMs = 1000, maxMessageBytes = 4 * 1024 * 1024 } = options;
  const given = options.codecs ?? [];
  checkCodecs("codecs", given);
  return {
    services: checkServices(options.services ?? []),
    middleware: options.middleware ?? [],
    timeoutMs,
    methods: options.methods ?? {},
    maxMessageBytes,
    compression: readCompression(options.compression),
    codecs: [protoCodec, jsonCodec].map((codec) => given.find(({ name }) => name === codec.name) ?? codec),
    logger: options.logger ?? defaultLogger(),
    health: options.health ?? true,
    reflection: options.reflection ?? true,
  };
}

function isTimeout(given: unknown): boolean {
  return typeof given === "number" && given >= 0;
}

/** What is known of a method before its first call. */
interface GrpcRoute {
  readonly method: Method;
  readonly handler: Handler;
  /** Infinity for no limit. */
  readonly timeoutMs: number;
  /** What plain `application/grpc` means. */
  readonly protoCodec: RouteCodec;
  /** By content subtype. */
  readonly codecs: ReadonlyMap<string, RouteCodec>;
}

/** Answers the streams of any number of HTTP/2 connections as gRPC. */
export interface GrpcHandler {
  /** The largest message it accepts, in bytes. */
  readonly maxMessageBytes: number;
  /** The health of the services. */
  readonly health: Health;
  /** Sets the context in which every later call begins. */
  begin(context: Context): void;
  /**
   * Answers a stream. Without `peer` only the address of the caller is known; `transport` is the name of the transport if it is not
   * gRPC.
   */
  accept(stream: ServerStream, headers: HeaderFields, peer?: Peer, transport?: string): StreamListener;
  /** Returns the method of an operation, `/package.Service/Method`; undefined when no service has it. */
  find(operation: string): Method | undefined;
  /** Answers a stream whose headers are over the limit. */
  refuse(stream: ServerStream, headers: HeaderFields): void;
  /** From now on no service is reported as healthy. */
  drain(): void;
  /** Ends every open call; their statuses are written when this returns. */
  cancel(reason: ServiceError): void;
}

/**
 * Compiles every route.
 *
 * @throws CLEW_TRANSPORT_OPTION, CLEW_TRANSPORT_SERVICE_CONFLICT.
 */
export function createGrpcHandler(options: GrpcHandlerOptions = {}): GrpcHandler {
  return new Streams(resolveGrpcHandlerOptions(options));
}

class Streams implements GrpcHandler {
  readonly health: Health;
  readonly #options: ResolvedOptions;
  readonly #routes: ReadonlyMap<string, GrpcRoute>;
  readonly #calls: OpenSet<GrpcCall> = new OpenSet();
  #context: Context = Context.root;

  constructor(options: ResolvedOptions) {
    this.#options = options;
    this.health = new Health(options.services.map(({ desc }) => desc.typeName));
    this.#routes = createRoutes(options, createOwnServices(options, this.health));
  }

  begin(context: Context): void {
    this.#context = context;
  }

  get maxMessageBytes(): number {
    return this.#options.maxMessageBytes;
  }

  find(operation: string): Method | undefined {
    return this.#routes.get(operation)?.method;
  }

  accept(stream: ServerStream, headers: HeaderFields, peer?: Peer, transport = "grpc"): StreamListener {
    const head = readRequestHead(headers);
    if (head.verb !== "POST") {
      // To HEAD there is no body.
      if (head.verb === "HEAD") return answer(stream, [":status", "405", "allow", "POST"]);
      return refuse(
        stream,
        ["405", "allow", "POST"],
        `${head.verb?.slice(0, 40)} is not allowed here; POST would work`,
      );
    }
    const subtype = subtypeOf(head.contentType);
    if (subtype === undefined) {
      const given = head.contentType === undefined ? "missing" : `"${head.contentType.slice(0, 100)}"`;
      const message = `the content type is ${given}; application/grpc would work`;
      return refuse(stream, ["415", "accept-post", "application/grpc"], message);
    }
    const path = head.path ?? "";
    const route = this.#routes.get(path);
    if (route === undefined) {
      return answerStatus(stream, new ServiceError(501, "", `this server has no method ${path}`));
    }
    const codec = subtype === "" ? route.protoCodec : route.codecs.get(subtype);
    if (codec === undefined) {
      const types = Array.from(route.codecs.keys(), (name) => `application/${transport}+${name}`).join(", ");
      return refuse(
        stream,
        ["415", "accept-post", types],
        `this server has no codec "${subtype}"; ${types} would work`,
      );
    }
    const { encoding, timeout } = head;
    let requestCompression: Compression | undefined;
    if (encoding !== undefined && encoding !== "identity") {
      requestCompression = findCompression(encoding);
      if (requestCompression === undefined) {
        const error = new ServiceError(501, "", `grpc-encoding "${encoding}" is not one of ${acceptedEncodings}`);
        return answerStatus(stream, error, ["grpc-accept-encoding", acceptedEncodings]);
      }
    }
    let timeoutMs = route.timeoutMs;
    let isCallersTimeout = false;
    if (timeout !== undefined) {
      const callerMs = parseTimeout(timeout);
      if (callerMs === undefined) {
        return answerStatus(stream, new ServiceError(500, "", `grpc-timeout "${timeout}" is not a timeout`));
      }
      if (callerMs < timeoutMs) {
        timeoutMs = callerMs;
        isCallersTimeout = true;
      }
    }
    const { compression } = this.#options;
    const call = new GrpcCall({
      method: route.method,
      transport,
      headers,
      peer: peer ?? { address: stream.peer },
      timeoutMs,
      isCallersTimeout,
      context: this.#context,
      stream,
      codec,
      requestCompression,
      replyCompression:
        compression !== undefined && isAccepted(head.acceptEncoding, compression.name) ? compression : undefined,
      maxMessageBytes: this.#options.maxMessageBytes,
      logger: this.#options.logger,
      calls: this.#calls,
    });
    // It never rejects: everything that is thrown becomes a status.
    void call.serve(route.handler);
    return call;
  }

  refuse(stream: ServerStream): void {
    answerStatus(stream, new ServiceError(429, "", "the headers of the call are over the limit"));
  }

  drain(): void {
    this.health.drain();
  }

  cancel(reason: ServiceError): void {
    for (const call of this.#calls) call.cancel(reason);
  }
}

/** What every server serves beside its services. */
function createOwnServices(options: ResolvedOptions, health: Health): readonly Service[] {
  const { services } = options;
  const own = options.health ? [createHealthService(health)] : [];
  if (options.reflection) {
    own.push(createApiMetadataService([...services, ...own]));
    own.push(...createReflectionServices([...services, ...own]));
  }
  const given = new Set(services.map(({ desc }) => desc.typeName));
  return own.filter(({ desc }) => !given.has(desc.typeName));
}

function createRoutes(options: ResolvedOptions, ownServices: readonly Service[]): ReadonlyMap<string, GrpcRoute> {
  const middleware = chain(...options.middleware);
  const entriesOf = findMethodEntries(options.methods, options.services);
  const timeoutOf = (method: Method): number => {
    let { timeoutMs } = options;
    for (const [key, entry] of entriesOf(method.operation)) {
      timeoutMs = entry.timeoutMs ?? timeoutMs;
      if (!isTimeout(timeoutMs))
        throw optionInvalid(`methods["${key}"].timeoutMs`, timeoutMs, "a number of milliseconds");
    }
    // A stream may take as long as it likes, unless its own entry says otherwise.
    if (method.kind !== "unary") timeoutMs = options.methods[method.operation]?.timeoutMs ?? 0;
    return timeoutMs > 0 ? timeoutMs : Number.POSITIVE_INFINITY;
  };
  const routes = new Map<string, GrpcRoute>();
  const add = (method: Method, handler: Handler): void => {
    if (routes.has(method.operation)) throw serviceConflict(method.operation);
    routes.set(method.operation, {
      method,
      handler,
      timeoutMs: timeoutOf(method),
      protoCodec: compileRouteCodec(options.codecs[0]!, method, "application/grpc"),
      codecs: new Map(
        options.codecs.map((codec) => [codec.name, compileRouteCodec(codec, method, `application/grpc+${codec.name}`)]),
      ),
    });
  };
  for (const { methods } of options.services)
    for (const { method, handler } of methods) add(method, middleware(handler));
  for (const { methods } of ownServices) for (const { method, handler } of methods) add(method, handler);
  return routes;
}

/** What follows `application/grpc+`, "" when nothing does, undefined when the content type is another. */
function subtypeOf(contentType: string | undefined): string | undefined {
  if (contentType === "application/grpc") return "";
  if (contentType === undefined) return undefined;
  const match = /^application\/grpc(?:\+([a-z0-9.-]+))?\s*(?:;.*)?$/i.exec(contentType);
  return match === null ? undefined : (match[1] ?? "").toLowerCase();
}

const deaf: StreamListener = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };

function answer(stream: ServerStream, headers: HeaderFields): StreamListener {
  stream.sendHeaders(headers, true);
  return deaf;
}

// The caller does not speak this gRPC: an HTTP answer, in words for people.
function refuse(stream: ServerStream, [status, ...headers]: string[], message: string): StreamListener {
  const body = Buffer.from(message);
  const type = ["content-type", "text/plain; charset=utf-8", "content-length", String(body.length)];
  stream.sendHeaders([":status", status!, ...headers, ...type], false);
  stream.sendData(body, true);
  return deaf;
}

function answerStatus(stream: ServerStream, error: ServiceError, headers: HeaderFields = []): StreamListener {
  return answer(stream, [":status", "200", "content-type", "application/grpc", ...headers, ...encodeStatus(error)]);
}
