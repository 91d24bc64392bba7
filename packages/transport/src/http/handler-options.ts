import { type Logger, silentLogger } from "@clew/log";
import type { Codec, Middleware, Service } from "@clew/rpc";
import { optionInvalid } from "../errors.ts";
import { longestTimerMs } from "../listener.ts";
import { defaultCodecs } from "./body-codec.ts";
import type { Filter, Route } from "./route.ts";

export interface HttpHandlerOptions {
  /** The services to serve. Their streaming methods are left out: HTTP/JSON carries none yet. Default: none. */
  services?: readonly Service[];
  /** Wrapped around every call of a service, the first outermost. Default: none. */
  middleware?: readonly Middleware[];
  /** Wrapped around every request, the first outermost. Default: none. */
  filters?: readonly Filter[];
  /** Paths outside of any service. Default: none. */
  routes?: readonly Route[];
  /** How long a call of a service may take, in milliseconds; 0 for no end. Raw routes have none. Default: 1000. */
  timeoutMs?: number;
  /** The longest body a call may send, in bytes. Default: 4 MiB. */
  bodyLimitBytes?: number;
  /** How long a whole request may take to arrive, in milliseconds; 0 for no end. Default: 300_000. */
  requestTimeoutMs?: number;
  /** How bodies are written, the first where the caller does not care. Default: JSON, protobuf, HTML form. */
  codecs?: readonly Codec[];
  /** How long all headers of a request may be together, in bytes; told to who goes over it. Default: 16 KiB. */
  headerLimitBytes?: number;
  /** Where a handler's failure that is no ServiceError is told. Default: nowhere. */
  logger?: Logger;
}

export type ResolvedHttpHandlerOptions = Readonly<Required<HttpHandlerOptions>>;

/** @throws CLEW_TRANSPORT_OPTION */
export function resolveHttpHandlerOptions(options: HttpHandlerOptions = {}): ResolvedHttpHandlerOptions {
  const resolved: ResolvedHttpHandlerOptions = {
    services: options.services ?? [],
    middleware: options.middleware ?? [],
    filters: options.filters ?? [],
    routes: options.routes ?? [],
    timeoutMs: options.timeoutMs ?? 1000,
    bodyLimitBytes: options.bodyLimitBytes ?? 4 * 1024 * 1024,
    requestTimeoutMs: options.requestTimeoutMs ?? 300_000,
    codecs: options.codecs ?? defaultCodecs,
    headerLimitBytes: options.headerLimitBytes ?? 16 * 1024,
    logger: options.logger ?? silentLogger,
  };
  if (!(resolved.bodyLimitBytes >= 0 && resolved.bodyLimitBytes < Infinity)) {
    throw optionInvalid("bodyLimitBytes", resolved.bodyLimitBytes, "a number of 0 or more");
  }
  if (!(resolved.timeoutMs >= 0 && resolved.timeoutMs <= longestTimerMs)) {
    throw optionInvalid("timeoutMs", resolved.timeoutMs, `a number of milliseconds from 0 to ${longestTimerMs}`);
  }
  if (resolved.codecs.length === 0) throw optionInvalid("codecs", "empty", "at least one codec");
  return resolved;
}
