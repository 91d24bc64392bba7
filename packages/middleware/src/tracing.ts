import type { Context } from "@clew/context";
import { type Call, GrpcCode, type Metadata, type Middleware, serviceNameHeader, toGrpcCode } from "@clew/rpc";
import {
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
  type Tracer,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import { tellServiceName } from "./metadata.ts";
import { codeOf, failureOf } from "./outcome.ts";
import {
  ERROR_TYPE,
  HTTP_REQUEST_METHOD,
  HTTP_REQUEST_RESEND_COUNT,
  HTTP_RESPONSE_STATUS_CODE,
  HTTP_ROUTE,
  NETWORK_PEER_ADDRESS,
  NETWORK_PEER_PORT,
  RPC_METHOD,
  RPC_STATUS_CODE,
  RPC_SYSTEM_NAME,
  SERVER_ADDRESS,
  SERVER_PORT,
  SERVICE_PEER_NAME,
  URL_PATH,
} from "./semantic-conventions.ts";
import { watchCall } from "./watch-call.ts";

export interface TracingOptions {
  /** Where spans come from: Clew's provider or any other of OpenTelemetry's API. Default: the global one. */
  tracerProvider?: TracerProvider;
  /** How a trace crosses the wire. Default: the global one. */
  propagator?: TextMapPropagator;
  /** The instrumentation scope of the spans. Default: "clew". */
  tracerName?: string;
}

/**
 * One span for each call, named by its operation. On a server it continues the caller's trace and becomes the active span
 * of everything the handler does; on a client it is a child of the active span and goes out with the call's metadata. So does the
 * App's name, as `x-md-service-name`, which on the server is the span's `service.peer.name`.
 */
export function tracing(options: TracingOptions = {}): Middleware {
  const tracerName = options.tracerName ?? "clew";
  const propagator = options.propagator ?? propagation;
  let tracer: Tracer | undefined;
  let namesPeer = false;
  // Asked for at the first call: the global provider may be registered after the middleware was made.
  const getTracer = (): Tracer => {
    if (tracer === undefined) {
      tracer = (options.tracerProvider ?? trace).getTracer(tracerName);
      // SkyWalking's header names whom it is sent to, and that is known when a node was picked.
      namesPeer = propagator.fields().includes("sw8");
    }
    return tracer;
  };
  return (next) => (call) => {
    const span =
      call.side === "server"
        ? startServerSpan(getTracer(), propagator, call)
        : startClientSpan(getTracer(), propagator, call, namesPeer);
    return span.isRecording() ? watchCall(call, next, (thrown) => endSpan(span, call, thrown)) : next(call);
  };
}

// What passes a trace through a call's metadata. A header sent twice counts as one list (RFC 9110 section 5.3).
const getter: TextMapGetter<Metadata> = {
  get: (metadata, name) => {
    const values = metadata.getAll(name);
    return values.length > 1 ? values.join(",") : values[0];
  },
  keys: (metadata) => metadata.keys(),
};
const setter: TextMapSetter<Metadata> = { set: (metadata, name, value) => metadata.set(name, value) };

function startServerSpan(tracer: Tracer, propagator: Pick<TextMapPropagator, "extract">, call: Call): Span {
  const parent = propagator.extract(call.context, call.metadata, getter);
  const span = tracer.startSpan(call.operation, { kind: SpanKind.SERVER }, parent);
  call.context = trace.setSpan(parent, span) as Context;
  if (span.isRecording()) {
    setCallAttributes(span, call);
    setAddress(span, call.peer.address, NETWORK_PEER_ADDRESS, NETWORK_PEER_PORT);
    const caller = call.metadata.get(serviceNameHeader);
    if (caller !== undefined) span.setAttribute(SERVICE_PEER_NAME, caller);
  }
  return span;
}

function startClientSpan(
  tracer: Tracer,
  propagator: Pick<TextMapPropagator, "inject">,
  call: Call,
  namesPeer: boolean,
): Span {
  const span = tracer.startSpan(call.operation, { kind: SpanKind.CLIENT }, call.context);
  call.context = trace.setSpan(call.context, span) as Context;
  propagator.inject(call.context, call.metadata, setter);
  tellServiceName(call);
  if (span.isRecording()) setCallAttributes(span, call);
  if (namesPeer) {
    call.onPeer((sent) => {
      setAddress(span, sent.peer.address, SERVER_ADDRESS, SERVER_PORT);
      propagator.inject(call.context, sent.metadata, setter);
    });
  }
  return span;
}

function setCallAttributes(span: Span, call: Call): void {
  // The name without the leading slash is OpenTelemetry's form of the method; a raw HTTP route has another, and is no RPC.
  if (call.operation.startsWith("/")) {
    span.setAttribute(RPC_METHOD, call.operation.slice(1));
    span.setAttribute(RPC_SYSTEM_NAME, call.transport);
  }
  // The name is for HTTP; the conventions have none for a call, whatever carries it.
  if (call.resends > 0) span.setAttribute(HTTP_REQUEST_RESEND_COUNT, call.resends);
  const { http } = call;
  if (http === undefined) return;
  span.setAttribute(HTTP_REQUEST_METHOD, http.verb);
  span.setAttribute(HTTP_ROUTE, http.route);
  span.setAttribute(URL_PATH, http.path);
}

/** `10.0.0.5:9000` and `[::1]:9000` as two attributes. */
function setAddress(span: Span, address: string, addressName: string, portName: string): void {
  if (address === "") return;
  const colon = address.lastIndexOf(":");
  const port = Number(address.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port)) {
    span.setAttribute(addressName, address);
    return;
  }
  span.setAttribute(
    addressName,
    address.slice(address.startsWith("[") ? 1 : 0, address.startsWith("[") ? colon - 1 : colon),
  );
  span.setAttribute(portName, port);
}

const grpcNames: readonly string[] = Object.keys(GrpcCode);

function endSpan(span: Span, call: Call, thrown: unknown): void {
  const error = failureOf(call, thrown);
  const code = codeOf(call, thrown);
  if (call.side === "client") setAddress(span, call.peer.address, SERVER_ADDRESS, SERVER_PORT);
  if (call.http !== undefined) span.setAttribute(HTTP_RESPONSE_STATUS_CODE, code);
  else span.setAttribute(RPC_STATUS_CODE, grpcNames[toGrpcCode(code)] ?? "UNKNOWN");
  if (error !== undefined) {
    span.setAttribute(ERROR_TYPE, error.reason || String(code));
    // The cause is what a developer looks for; it is in the trace and never on the wire.
    const { name, message, stack } = error.cause instanceof Error ? error.cause : error;
    span.recordException({ name, message, ...(stack !== undefined && { stack }) });
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
  }
  span.end();
}
