import type { IncomingMessage, ServerResponse } from "node:http";
import { checkOptionNames } from "@clew/options";
import { optionError, optionInvalid } from "../../errors.ts";
import type { Filter } from "../route.ts";
import { addVary, beforeHead, toList } from "./response-head.ts";

/**
 * Origins that are allowed: one origin as browsers write it (`https://app.example`), every origin that a pattern matches
 * completely, or those for which a function returns true.
 */
export type AllowedOrigin =
  | string
  | RegExp
  | ((origin: string, request: IncomingMessage) => boolean | Promise<boolean>);

export interface CorsOptions {
  /** The origins whose pages may send requests. `"*"` allows all. */
  origins: AllowedOrigin | readonly (string | RegExp)[];
  /** The methods that a page may use. Default: GET, HEAD, POST, PUT, PATCH, DELETE. */
  methods?: readonly string[];
  /** The headers that a page may send in addition to those of gRPC-Web and Connect. Default: all that it asks for. */
  headers?: readonly string[];
  /**
   * The headers of a reply that a page may read in addition to those of gRPC-Web and Connect; `"*"` for all, which works only
   * without credentials. Default: none.
   */
  exposedHeaders?: readonly string[];
  /** Whether requests may carry cookies and other credentials. Not possible when all origins are allowed. Default: false. */
  credentials?: boolean;
  /**
   * How long a browser may cache the answer to a preflight, in seconds; 0 for not at all. Browsers have their own upper limits.
   * Default: 7200.
   */
  maxAgeSeconds?: number;
  /** Whether pages from a public network may call this server in a private network (Private Network Access). Default: false. */
  privateNetwork?: boolean;
}

/** The headers that browsers send for gRPC-Web and Connect, and that they must be able to read. */
const protocolHeaders: readonly string[] = [
  "Content-Type",
  "Connect-Protocol-Version",
  "Connect-Timeout-Ms",
  "Connect-Accept-Encoding",
  "Connect-Content-Encoding",
  "Grpc-Timeout",
  "X-Grpc-Web",
  "X-User-Agent",
];
const protocolExposedHeaders: readonly string[] = [
  "Grpc-Status",
  "Grpc-Message",
  "Grpc-Status-Details-Bin",
  "Connect-Accept-Encoding",
  "Connect-Content-Encoding",
];

interface ResolvedCorsOptions {
  /** Undefined when all origins are allowed. */
  readonly isAllowed: ((origin: string, request: IncomingMessage) => boolean | Promise<boolean>) | undefined;
  readonly methods: string;
  /** Undefined when a page may send every header that it asks for. */
  readonly headers: string | undefined;
  readonly exposedHeaders: string;
  readonly credentials: boolean;
  readonly maxAge: string;
  readonly privateNetwork: boolean;
}

const optionNames: Readonly<Record<keyof CorsOptions, true>> = {
  origins: true,
  methods: true,
  headers: true,
  exposedHeaders: true,
  credentials: true,
  maxAgeSeconds: true,
  privateNetwork: true,
};

/** @throws CLEW_TRANSPORT_OPTION */
function resolveCorsOptions(options: CorsOptions): ResolvedCorsOptions {
  checkOptionNames("cors", options, Object.keys(optionNames), optionError);
  const { methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], credentials = false } = options;
  const { exposedHeaders = [], maxAgeSeconds = 7200 } = options;
  const isAllowed = compileOrigins(options.origins);
  if (credentials && isAllowed === undefined) {
    throw optionInvalid("origins", '"*" with credentials', "a list of those that may send them");
  }
  for (const [name, list] of Object.entries({ methods, exposedHeaders, headers: options.headers ?? [] })) {
    for (const one of list) {
      // A token (RFC 9110 section 5.6.2). With credentials, browsers treat * as an ordinary name (Fetch section 3.3.4).
      if (!/^[\w!#$%&'*+.^`|~-]+$/.test(one)) throw optionInvalid(name, `"${one}" among others`, "a list of names");
      if (one === "*" && credentials) throw optionInvalid(name, '"*" with credentials', "a list of names");
    }
  }
  if (!(maxAgeSeconds >= 0 && maxAgeSeconds < Infinity)) {
    throw optionInvalid("maxAgeSeconds", maxAgeSeconds, "a number of seconds, 0 or more");
  }
  return {
    isAllowed,
    methods: methods.join(", "),
    headers: options.headers === undefined ? undefined : [...protocolHeaders, ...options.headers].join(", "),
    exposedHeaders: [...protocolExposedHeaders, ...exposedHeaders].join(", "),
    credentials,
    maxAge: String(Math.floor(maxAgeSeconds)),
    privateNetwork: options.privateNetwork ?? false,
  };
}

function compileOrigins(origins: CorsOptions["origins"]): ResolvedCorsOptions["isAllowed"] {
  if (typeof origins === "function") return origins;
  if (origins === undefined) throw optionInvalid("origins", undefined, 'origins such as "https://app.example", or "*"');
  const list = typeof origins === "string" || origins instanceof RegExp ? [origins] : [...origins];
  if (list.includes("*")) return undefined;
  const exact = new Set<string>();
  const patterns: RegExp[] = [];
  for (const one of list) {
    // The pattern must match completely: one for app.example must not allow app.example.evil.example.
    if (typeof one === "object") patterns.push(new RegExp(`^(?:${one.source})$`, one.flags.replace(/[gy]/g, "")));
    else if (one === "null" || isOrigin(one)) exact.add(one);
    else throw optionInvalid("origins", `"${one}"`, 'origins such as "https://app.example" or "http://localhost:5173"');
  }
  return (origin) => exact.has(origin) || patterns.some((pattern) => pattern.test(origin));
}

// Browsers send an origin without a path or a default port, in lower case (HTML section 7.1.1); other text could never match.
function isOrigin(text: string): boolean {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s]+$/.test(text)) return false;
  const url = URL.parse(text);
  return url !== null && (url.origin === "null" || url.origin === text);
}

/**
 * Allows pages of other origins to call the server (Fetch, section 3.3, "CORS protocol"). Preflights are answered here, before
 * any route. It includes what gRPC-Web and Connect need. A request from an origin that is not allowed is served without the
 * CORS headers, so that the browser hides the reply from the page. This is no protection against requests that do not come from
 * a browser.
 *
 * @throws CLEW_TRANSPORT_OPTION
 */
export function cors(options: CorsOptions): Filter {
  const resolved = resolveCorsOptions(options);
  return (next) => (request, response, variables) => {
    const { origin } = request.headers;
    const answer = (isAllowed: boolean): void | Promise<void> => {
      if (origin !== undefined && isPreflight(request)) {
        answerPreflight(resolved, request, response, isAllowed ? origin : undefined);
        return undefined;
      }
      setHeaders(resolved, response, isAllowed ? origin : undefined);
      return next(request, response, variables);
    };
    if (resolved.isAllowed === undefined || origin === undefined) return answer(true);
    const isAllowed = resolved.isAllowed(origin, request);
    return typeof isAllowed === "boolean" ? answer(isAllowed) : isAllowed.then(answer);
  };
}

// Every OPTIONS else is for who answers it (Fetch section 3.3.2).
function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === "OPTIONS" && headers["access-control-request-method"] !== undefined;
}

function answerPreflight(
  options: ResolvedCorsOptions,
  request: IncomingMessage,
  response: ServerResponse,
  origin: string | undefined,
): void {
  allowOrigin(options, response, origin);
  if (options.isAllowed !== undefined) addVary(response, "Origin");
  if (options.headers === undefined) addVary(response, "Access-Control-Request-Headers");
  if (options.privateNetwork) addVary(response, "Access-Control-Request-Private-Network");
  if (origin !== undefined) {
    response.setHeader("access-control-allow-methods", options.methods);
    const headers = options.headers ?? toList(request.headers["access-control-request-headers"]).join(", ");
    if (headers !== "") response.setHeader("access-control-allow-headers", headers);
    response.setHeader("access-control-max-age", options.maxAge);
    if (options.privateNetwork && request.headers["access-control-request-private-network"] === "true") {
      response.setHeader("access-control-allow-private-network", "true");
    }
  }
  response.writeHead(204);
  response.end();
}

function setHeaders(options: ResolvedCorsOptions, response: ServerResponse, origin: string | undefined): void {
  beforeHead(response, () => {
    allowOrigin(options, response, origin);
    // Also on the reply to who has no origin: a cache would give it to the next page that asks.
    if (options.isAllowed !== undefined) addVary(response, "Origin");
    if (origin === undefined && options.isAllowed !== undefined) return;
    const own = toList(response.getHeader("access-control-expose-headers"));
    response.setHeader("access-control-expose-headers", [...own, options.exposedHeaders].join(", "));
  });
}

function allowOrigin(options: ResolvedCorsOptions, response: ServerResponse, origin: string | undefined): void {
  if (options.isAllowed === undefined) response.setHeader("access-control-allow-origin", "*");
  else if (origin !== undefined) {
    response.setHeader("access-control-allow-origin", origin);
    if (options.credentials) response.setHeader("access-control-allow-credentials", "true");
  }
}
