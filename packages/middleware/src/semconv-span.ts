import {
  type Call,
  GrpcCode,
  type HttpInfo,
  type Metadata,
  type Peer,
  type ServiceError,
  serviceNameHeader,
  toGrpcCode,
} from "@clew/rpc";
import { type Attributes, type Span, SpanStatusCode } from "@opentelemetry/api";
import { parseAddress, setAddress } from "./address.ts";
import { errorTypeOf } from "./outcome.ts";
import { rpcSystemOf } from "./rpc-system.ts";
import {
  CLIENT_ADDRESS,
  ERROR_TYPE,
  HTTP_REQUEST_BODY_SIZE,
  HTTP_REQUEST_METHOD,
  HTTP_REQUEST_METHOD_ORIGINAL,
  HTTP_REQUEST_RESEND_COUNT,
  HTTP_RESPONSE_STATUS_CODE,
  HTTP_ROUTE,
  NETWORK_PEER_ADDRESS,
  NETWORK_PEER_PORT,
  NETWORK_PROTOCOL_VERSION,
  RPC_METHOD,
  RPC_STATUS_CODE,
  RPC_SYSTEM_NAME,
  SERVER_ADDRESS,
  SERVER_PORT,
  SERVICE_PEER_NAME,
  URL_FULL,
  URL_PATH,
  URL_QUERY,
  URL_SCHEME,
  USER_AGENT_ORIGINAL,
} from "./semantic-conventions.ts";
import { recordFailure, type SpanWriter, semconvMessageNames } from "./span-writer.ts";

/** Spans by OpenTelemetry's stable semantic conventions for HTTP and RPC. */
export const semconvSpan: SpanWriter = { describe, start, writeSizes, end, messageNames: semconvMessageNames };

/** `GET /v1/books/{id}` for a call over HTTP/JSON, `package.Service/Method` for any other. */
export function nameBySemconv({ http, operation }: Call): string {
  if (http === undefined) return operation.startsWith("/") ? operation.slice(1) : operation;
  return `${knownVerbs.has(http.verb) ? http.verb : "HTTP"} ${http.route}`;
}

const knownVerbs: ReadonlySet<string> = new Set(
  "CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT QUERY TRACE".split(" "),
);

function describe({ http, operation, transport }: Call): Attributes {
  const attributes: Attributes = {};
  // The name without the leading slash is OpenTelemetry's form of the method; a raw HTTP route has another, and is no RPC.
  if (operation.startsWith("/")) {
    attributes[RPC_METHOD] = operation.slice(1);
    attributes[RPC_SYSTEM_NAME] = rpcSystemOf(transport);
  }
  if (http === undefined) return attributes;
  const isKnown = knownVerbs.has(http.verb);
  // Anybody can invent a method: as the value of an attribute that is grouped by, they are one.
  attributes[HTTP_REQUEST_METHOD] = isKnown ? http.verb : "_OTHER";
  if (!isKnown) attributes[HTTP_REQUEST_METHOD_ORIGINAL] = http.verb;
  attributes[HTTP_ROUTE] = http.route;
  return attributes;
}

function start(span: Span, call: Call): void {
  // The name is for HTTP; the conventions have none for a call, whatever carries it.
  if (call.resends > 0) span.setAttribute(HTTP_REQUEST_RESEND_COUNT, call.resends);
  if (call.side === "client") return;
  // First, and frozen: the one set of attributes for all calls of a connection. Clew's spans take it as it is.
  const client = forwardedOf(call.metadata);
  span.setAttributes(describeCaller(call, client !== undefined));
  if (client !== undefined) span.setAttribute(CLIENT_ADDRESS, parseAddress(client).host);
  if (call.http !== undefined) startHttp(span, call.http);
}

function startHttp(span: Span, { path, query }: HttpInfo): void {
  span.setAttribute(URL_PATH, path);
  if (query !== undefined && query !== "") span.setAttribute(URL_QUERY, redactQuery(query));
}

/** Who calls: what a connection says once, and headers that say the same in nearly every call over it. */
interface Caller {
  readonly authority: string | undefined;
  readonly agent: string | undefined;
  readonly service: string | undefined;
  readonly scheme: string | undefined;
  readonly version: string | undefined;
  /** For somebody else, who is known by the call alone. */
  readonly isProxy: boolean;
  readonly attributes: Attributes;
}

const callers = new WeakMap<Peer, Caller>();

function describeCaller({ peer, authority, http, metadata }: Call, isProxy: boolean): Attributes {
  const agent = http === undefined ? undefined : metadata.get("user-agent");
  const service = metadata.get(serviceNameHeader);
  const scheme = http === undefined ? undefined : (http.scheme ?? "http");
  const version = http?.version;
  const known = callers.get(peer);
  if (
    known !== undefined &&
    known.authority === authority &&
    known.agent === agent &&
    known.service === service &&
    known.scheme === scheme &&
    known.version === version &&
    known.isProxy === isProxy
  ) {
    return known.attributes;
  }
  const attributes: Attributes = {};
  putAddress(attributes, authority, SERVER_ADDRESS, SERVER_PORT);
  putAddress(attributes, peer.address, NETWORK_PEER_ADDRESS, NETWORK_PEER_PORT);
  if (!isProxy) putAddress(attributes, peer.address, CLIENT_ADDRESS);
  if (scheme !== undefined) attributes[URL_SCHEME] = scheme;
  if (version !== undefined) attributes[NETWORK_PROTOCOL_VERSION] = version;
  if (agent !== undefined) attributes[USER_AGENT_ORIGINAL] = agent;
  if (service !== undefined) attributes[SERVICE_PEER_NAME] = service;
  callers.set(peer, { authority, agent, service, scheme, version, isProxy, attributes: Object.freeze(attributes) });
  return attributes;
}

function putAddress(attributes: Attributes, text: string | undefined, hostName: string, portName?: string): void {
  if (text === undefined || text === "") return;
  const { host, port } = parseAddress(text);
  attributes[hostName] = host;
  if (port !== undefined && portName !== undefined) attributes[portName] = port;
}

// What the conventions name, and the token of RFC 6750 section 2.3.
const secretParameters = /(^|[?&])(AWSAccessKeyId|Signature|sig|X-Goog-Signature|access_token)=[^&]*/gi;

/** A query, or a URL with one. */
export function redactQuery(text: string): string {
  return text.replace(secretParameters, "$1$2=REDACTED");
}

/** Where a call began, as far as proxies tell: `Forwarded` (RFC 7239), or else `X-Forwarded-For`. */
export function forwardedOf(metadata: Metadata): string | undefined {
  const forwarded = metadata.get("forwarded");
  const first =
    forwarded === undefined
      ? metadata.get("x-forwarded-for")?.split(",", 1)[0]
      : /(?:^|;)\s*for="?([^";]+)/i.exec(forwarded.split(",", 1)[0]!)?.[1];
  return first?.trim() || undefined;
}

// The body as it was sent, where that is known beforehand, and the messages as protobuf. The conventions have no name for those.
function writeSizes(span: Span, call: Call, received: number | undefined, sent: number | undefined): void {
  const length = call.http === undefined ? undefined : call.metadata.get("content-length");
  if (length !== undefined) span.setAttribute(HTTP_REQUEST_BODY_SIZE, Number(length));
  const isServer = call.side === "server";
  const request = isServer ? received : sent;
  const response = isServer ? sent : received;
  if (request !== undefined) span.setAttribute("rpc.request.size", request);
  if (response !== undefined) span.setAttribute("rpc.response.size", response);
}

function endClient(span: Span, { peer, sentHttp }: Call): void {
  setAddress(span, peer.address, SERVER_ADDRESS, SERVER_PORT);
  if (sentHttp === undefined) return;
  span.setAttribute(HTTP_REQUEST_METHOD, sentHttp.verb);
  span.setAttribute(URL_FULL, redactQuery(sentHttp.url));
  if (sentHttp.status !== undefined) span.setAttribute(HTTP_RESPONSE_STATUS_CODE, sentHttp.status);
}

const grpcNames: readonly string[] = Object.keys(GrpcCode);

function end(span: Span, call: Call, code: number, error: ServiceError | undefined): void {
  if (call.side === "client") endClient(span, call);
  if (call.http !== undefined) span.setAttribute(HTTP_RESPONSE_STATUS_CODE, code);
  else span.setAttribute(RPC_STATUS_CODE, grpcNames[toGrpcCode(code)] ?? "UNKNOWN");
  if (error !== undefined) recordFailure(span, code, error);
  const errorType = errorTypeOf(call, code, error);
  if (errorType === undefined) return;
  span.setAttribute(ERROR_TYPE, errorType);
  span.setStatus({ code: SpanStatusCode.ERROR, ...(error !== undefined && { message: error.message }) });
}
