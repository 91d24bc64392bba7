import { type Context, createContextKey } from "@opentelemetry/api";

// The key that OpenTelemetry's instrumentations look for as well: keys made from the same words are the same symbol.
const suppressKey = createContextKey("OpenTelemetry SDK Context Key SUPPRESS_TRACING");

/** Returns a context in which no span is recorded. Exporters work in one, so that they do not trace their own requests. */
export function suppressTracing<C extends Context>(context: C): C {
  return context.setValue(suppressKey, true) as C;
}

export function isTracingSuppressed(context: Context): boolean {
  return context.getValue(suppressKey) === true;
}
