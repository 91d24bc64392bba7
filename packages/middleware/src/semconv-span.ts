import { type Call, GrpcCode, type HttpInfo, type ServiceError, serviceNameHeader, toGrpcCode } from "@clew/rpc";
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
import { recordError, type SpanWriter } from "./span-writer.ts";

/** Spans by OpenTelemetry's stable semantic conventions for HTTP and RPC. */
export const semconvSpan: SpanWriter = { describe, start, writeSizes, end };

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
  const { http, authority, metadata } = call;
  if (http !== undefined) startHttp(span, call, http);
  if (authority !== undefined) setAddress(span, authority, SERVER_ADDRESS, SERVER_PORT);
  setAddress(span, call.peer.address, NETWORK_PEER_ADDRESS, NETWORK_PEER_PORT);
  const client = originOf(call);
  if (client !== "") span.setAttribute(CLIENT_ADDRESS, client);
  const caller = metadata.get(serviceNameHeader);
  if (caller !== undefined) span.setAttribute(SERVICE_PEER_NAME, caller);
}

function startHttp(span: Span, { metadata }: Call, { path, query, scheme, version }: HttpInfo): void {
  span.setAttribute(URL_PATH, path);
  if (query !== undefined && query !== "") span.setAttribute(URL_QUERY, redactQuery(query));
  span.setAttribute(URL_SCHEME, scheme ?? "http");
  if (version !== undefined) span.setAttribute(NETWORK_PROTOCOL_VERSION, version);
  const agent = metadata.get("user-agent");
  if (agent !== undefined) span.setAttribute(USER_AGENT_ORIGINAL, agent);
}

// What the conventions name, and the token of RFC 6750 section 2.3.
const secretParameters = /(^|[?&])(AWSAccessKeyId|Signature|sig|X-Goog-Signature|access_token)=[^&]*/gi;

/** A query, or a URL with one. */
function redactQuery(text: string): string {
  return text.replace(secretParameters, "$1$2=REDACTED");
}

/** Where a call began, as far as proxies tell: `Forwarded` (RFC 7239), `X-Forwarded-For`, or else who is at the other end. */
function originOf({ metadata, peer }: Call): string {
  const forwarded = metadata.get("forwarded");
  const first =
    forwarded === undefined
      ? metadata.get("x-forwarded-for")?.split(",", 1)[0]
      : /(?:^|;)\s*for="?([^";]+)/i.exec(forwarded.split(",", 1)[0]!)?.[1];
  return parseAddress(first?.trim() || peer.address).host;
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
  if (error !== undefined) {
    span.setAttribute("clew.code", code);
    if (error.reason !== "") span.setAttribute("clew.reason", error.reason);
    recordError(span, error);
  }
  const errorType = errorTypeOf(call, code, error);
  if (errorType === undefined) return;
  span.setAttribute(ERROR_TYPE, errorType);
  span.setStatus({ code: SpanStatusCode.ERROR, ...(error !== undefined && { message: error.message }) });
}
