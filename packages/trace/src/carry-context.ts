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

/** The trace and the baggage of some work, as plain text: for a message, a queue, `workerData`. */
export type CarriedContext = Readonly<Record<string, string>>;

/** What to send along so that {@link withCarriedContext} goes on with this trace elsewhere: what the global propagator writes. */
export function carryContext(context: Context = current()): CarriedContext {
  const carried: Record<string, string> = {};
  propagation.inject(context, carried);
  return carried;
}

/** Calls `fn` with the trace and the baggage that were carried here; as it is when `carried` holds none, whatever it is. */
export function withCarriedContext<R>(carried: unknown, fn: () => R): R {
  const extracted = propagation.extract(markCarried(current()), carried, carriedGetter);
  return run(toClewContext(unmarkCarried(extracted)), fn);
}

/** The same as a context, for a provider that is not registered yet. */
export function contextFromCarried(carried: unknown, propagator: TextMapPropagator = propagatorFromEnv()): Context {
  return unmarkCarried(propagator.extract(markCarried(ROOT_CONTEXT), carried, carriedGetter));
}

/**
 * The environment for a child process that is to go on with this trace: `env`, and TRACEPARENT, TRACESTATE and BAGGAGE, or what else
 * the global propagator writes (OpenTelemetry, Environment Variables as Context Propagation Carriers). What `env` had of them is
 * replaced. The child reads it with `startTracing({ continueFrom: "environment" })`.
 */
export function contextEnvironment(env: Environment = process.env, context: Context = current()): NodeJS.ProcessEnv {
  const carrier: NodeJS.ProcessEnv = { ...env };
  for (const field of propagation.fields()) delete carrier[toVariable(field)];
  propagation.inject(context, carrier, environmentSetter);
  return carrier;
}

/** The context that {@link contextEnvironment} wrote, the root context when there is none. */
export function contextFromEnvironment(
  env: Environment = process.env,
  propagator: TextMapPropagator = propagatorFromEnv(env),
): Context {
  return propagator.extract(ROOT_CONTEXT, env, environmentGetter);
}

/** Names of variables have capitals, digits and underscores. */
function toVariable(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, "_");
}

// A message comes from anywhere: it may be anything, and hold anything.
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
