import { current, run } from "@clew/context";
import {
  type Context,
  defaultTextMapGetter,
  propagation,
  ROOT_CONTEXT,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
} from "@opentelemetry/api";
import { toClewContext } from "./context-manager.ts";
import type { Environment } from "./environment.ts";
import { propagatorFromEnv } from "./propagator-from-env.ts";
import { markCarried, unmarkCarried } from "./remote-context.ts";

/** A trace and its baggage as plain strings, for a message, a queue or `workerData`. */
export type CarriedContext = Readonly<Record<string, string>>;

/** Returns the context, written by the global propagator, with which {@link withCarriedContext} continues the trace elsewhere. */
export function carryContext(context: Context = current()): CarriedContext {
  const carried: Record<string, string> = {};
  propagation.inject(context, carried);
  return carried;
}

/** Calls `fn` with the carried trace and baggage; if `carried` contains none, or is of any other type, `fn` is called unchanged. */
export function withCarriedContext<R>(carried: unknown, fn: () => R): R {
  const extracted = propagation.extract(markCarried(current()), carried, carriedGetter);
  return run(toClewContext(unmarkCarried(extracted)), fn);
}

/** Returns the carried trace and baggage as a context, for a provider that is not registered yet. */
export function contextFromCarried(carried: unknown, propagator: TextMapPropagator = propagatorFromEnv()): Context {
  return unmarkCarried(propagator.extract(markCarried(ROOT_CONTEXT), carried, carriedGetter));
}

/**
 * Returns the environment for a child process that continues this trace: `env` plus TRACEPARENT, TRACESTATE and BAGGAGE, or the other
 * variables that the global propagator writes (OpenTelemetry, Environment Variables as Context Propagation Carriers). Existing values
 * of these variables are replaced. The child reads them with `startTracing({ continueFrom: "environment" })`.
 */
export function contextEnvironment(env: Environment = process.env, context: Context = current()): NodeJS.ProcessEnv {
  const carrier: NodeJS.ProcessEnv = { ...env };
  for (const field of propagation.fields()) delete carrier[toVariable(field)];
  propagation.inject(context, carrier, environmentSetter);
  return carrier;
}

/** Returns the context that {@link contextEnvironment} wrote, or the root context if there is none. */
export function contextFromEnvironment(
  env: Environment = process.env,
  propagator: TextMapPropagator = propagatorFromEnv(env),
): Context {
  return propagator.extract(ROOT_CONTEXT, env, environmentGetter);
}

/** Names of variables consist of capitals, digits and underscores. */
function toVariable(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, "_");
}

// A message is untrusted: it may have any type and any contents.
const carriedGetter: TextMapGetter<unknown> = {
  get(carrier, key) {
    if (typeof carrier !== "object" || carrier === null) return undefined;
    const value: unknown = defaultTextMapGetter.get(carrier as Record<string, string>, key);
    return typeof value === "string" ? value : undefined;
  },
  keys: (carrier) => (typeof carrier === "object" && carrier !== null ? Object.keys(carrier) : []),
};

const environmentSetter: TextMapSetter<NodeJS.ProcessEnv> = {
  set: (carrier, key, value) => {
    carrier[toVariable(key)] = value;
  },
};

const environmentGetter: TextMapGetter<Environment> = {
  get: (carrier, key) => carrier[toVariable(key)],
  keys: (carrier) => Object.keys(carrier),
};
