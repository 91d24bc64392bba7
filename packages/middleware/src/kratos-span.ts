import { type Call, type ServiceError, serviceNameHeader } from "@clew/rpc";
import { type Attributes, type Span, SpanStatusCode } from "@opentelemetry/api";
import { setAddress } from "./address.ts";
import { recordError, type SpanWriter, semconvMessageNames } from "./span-writer.ts";

/**
 * Spans as Kratos v3 writes them: the names are those of OpenTelemetry's conventions of 2021, a status code is the number of a
 * Kratos error, and every error is one, whose ever it was.
 */
export const kratosSpan: SpanWriter = { describe, start, writeSizes, end, messageNames: semconvMessageNames };

function describe({ http, operation, transport }: Call): Attributes {
  const attributes: Attributes = { "rpc.system": transport };
  if (http !== undefined) {
    attributes["http.method"] = http.verb;
    attributes["http.route"] = http.route;
  }
  const [, service, method] = /^\/([^/]+)\/([^/]+)$/.exec(operation) ?? [];
  if (service === undefined || method === undefined) return { ...attributes, "rpc.operation": operation };
  return { ...attributes, "rpc.service": service, "rpc.method": method };
}

function start(span: Span, call: Call): void {
  if (call.http !== undefined) span.setAttribute("http.target", call.http.path);
  if (call.side === "client") return;
  setAddress(span, call.peer.address, "net.peer.ip", "net.peer.port");
  const caller = call.metadata.get(serviceNameHeader);
  if (caller !== undefined) span.setAttribute("peer.service", caller);
}

function writeSizes(span: Span, _call: Call, received: number | undefined, sent: number | undefined): void {
  if (received !== undefined) span.setAttribute("recv_msg.size", received);
  if (sent !== undefined) span.setAttribute("send_msg.size", sent);
}

function end(span: Span, call: Call, code: number, error: ServiceError | undefined): void {
  if (call.side === "client") setAddress(span, call.peer.address, "net.peer.ip", "net.peer.port");
  if (error === undefined) {
    span.setStatus({ code: SpanStatusCode.OK });
    return;
  }
  span.setAttribute("rpc.status_code", code);
  recordError(span, error);
  span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
}
