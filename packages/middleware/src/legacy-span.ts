import { type Call, type ServiceError, serviceNameHeader, toGrpcCode } from "@clew/rpc";
import { type Attributes, type Span, SpanStatusCode } from "@opentelemetry/api";
import { parseAddress, setAddress } from "./address.ts";
import { errorTypeOf } from "./outcome.ts";
import { rpcSystemOf } from "./rpc-system.ts";
import { forwardedOf, redactQuery } from "./semconv-span.ts";
import { recordFailure, type SpanWriter } from "./span-writer.ts";

/**
 * Spans under the names that OpenTelemetry's instrumentations for Node wrote before HTTP became stable (semantic conventions 1.7), for
 * dashboards and alerts that ask for them. What is an error is what it is by the stable ones.
 */
export const legacySpan: SpanWriter = {
  describe,
  start,
  writeSizes,
  end,
  messageNames: {
    event: "message",
    type: "message.type",
    id: "message.id",
    size: "message.uncompressed_size",
  },
};

/** Which method a call is of, under the names of then; nothing of a raw route. */
export function legacyMethod({ operation, transport }: Call): Attributes {
  const [, service, method] = /^\/([^/]+)\/([^/]+)$/.exec(operation) ?? [];
  if (service === undefined || method === undefined) return {};
  const system = transport === "connect" ? "connect_rpc" : rpcSystemOf(transport);
  return { "rpc.system": system, "rpc.service": service, "rpc.method": method };
}

function describe(call: Call): Attributes {
  const { http } = call;
  const attributes = legacyMethod(call);
  if (http === undefined) return attributes;
  attributes["http.method"] = http.verb;
  attributes["http.route"] = http.route;
  return attributes;
}

function start(span: Span, call: Call): void {
  if (call.resends > 0) span.setAttribute("http.resend_count", call.resends);
  if (call.side === "client") return;
  const { authority, http, metadata, peer } = call;
  setAddress(span, peer.address, "net.peer.ip", "net.peer.port");
  setAddress(span, authority ?? "", "net.host.name", "net.host.port");
  const caller = metadata.get(serviceNameHeader);
  if (caller !== undefined) span.setAttribute("peer.service", caller);
  if (http === undefined) return;
  const { path, query, scheme = "http", version } = http;
  span.setAttribute("http.target", query ? `${path}?${redactQuery(query)}` : path);
  span.setAttribute("http.scheme", scheme);
  if (version !== undefined) span.setAttribute("http.flavor", version);
  if (authority !== undefined) span.setAttribute("http.host", authority);
  const agent = metadata.get("user-agent");
  if (agent !== undefined) span.setAttribute("http.user_agent", agent);
  const client = forwardedOf(metadata);
  if (client !== undefined) span.setAttribute("http.client_ip", parseAddress(client).host);
}

function writeSizes(span: Span, call: Call, received: number | undefined, sent: number | undefined): void {
  const length = call.http === undefined ? undefined : call.metadata.get("content-length");
  if (length !== undefined) span.setAttribute("http.request_content_length", Number(length));
  const [request, response] = call.side === "server" ? [received, sent] : [sent, received];
  if (request !== undefined) span.setAttribute("rpc.request.size", request);
  if (response !== undefined) span.setAttribute("rpc.response.size", response);
}

function end(span: Span, call: Call, code: number, error: ServiceError | undefined): void {
  const { http, peer, sentHttp } = call;
  if (call.side === "client") {
    setAddress(span, peer.address, "net.peer.name", "net.peer.port");
    if (sentHttp !== undefined) {
      span.setAttribute("http.method", sentHttp.verb);
      span.setAttribute("http.url", redactQuery(sentHttp.url));
      if (sentHttp.status !== undefined) span.setAttribute("http.status_code", sentHttp.status);
    }
  }
  if (http !== undefined) span.setAttribute("http.status_code", code);
  else span.setAttribute("rpc.grpc.status_code", toGrpcCode(code));
  if (error !== undefined) recordFailure(span, code, error);
  if (errorTypeOf(call, code, error) === undefined) return;
  span.setStatus({ code: SpanStatusCode.ERROR, ...(error !== undefined && { message: error.message }) });
}
