import { EventEmitter } from "node:events";
import { Context, current, run } from "@clew/context";
import {
  type Context as OtelContext,
  type ContextManager as OtelContextManager,
  ROOT_CONTEXT,
} from "@opentelemetry/api";

/**
 * An OpenTelemetry context as the framework's storage takes it. They have the same three methods, so a foreign one flows as it
 * is; only OpenTelemetry's root becomes ours, whose bags are smaller.
 */
export function toClewContext(context: OtelContext): Context {
  return context === ROOT_CONTEXT ? Context.root : (context as unknown as Context);
}

type Listener = (...args: unknown[]) => unknown;
type ListenerMethod = (event: string | symbol, listener: Listener) => EventEmitter;

const addMethods = ["on", "addListener", "once", "prependListener", "prependOnceListener"] as const;
const removeMethods = ["off", "removeListener"] as const;

/**
 * OpenTelemetry's view of the one context storage: what a library instrumented for it makes current is current for us, and the
 * other way round. It holds nothing itself.
 */
export class ContextManager implements OtelContextManager {
  active(): OtelContext {
    return current();
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    context: OtelContext,
    fn: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    const own = toClewContext(context);
    if (thisArg === undefined) return run(own, fn, ...args);
    return run(own, () => fn.apply(thisArg, args));
  }

  /** A function that runs in `context`; of an event emitter, the emitter, with listeners added from now on running in it. */
  bind<T>(context: OtelContext, target: T): T {
    const own = toClewContext(context);
    if (typeof target === "function") return bindFunction(own, target as unknown as Listener) as unknown as T;
    if (target instanceof EventEmitter) bindEmitter(own, target);
    return target;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    return this;
  }
}

function bindFunction(context: Context, fn: Listener): Listener {
  const bound = function (this: unknown, ...args: unknown[]): unknown {
    return run(context, () => fn.apply(this, args));
  };
  Object.defineProperty(bound, "length", { value: fn.length });
  return bound;
}

function bindEmitter(context: Context, emitter: EventEmitter): void {
  const boundListeners = new WeakMap<Listener, Listener>();
  const methods = emitter as unknown as Record<string, ListenerMethod>;
  // once() is on() with a wrapper of its own: without this flag its listener would be bound twice and never found again.
  let isAdding = false;
  for (const name of addMethods) {
    const original = methods[name]!;
    methods[name] = function (this: EventEmitter, event, listener) {
      if (isAdding) return original.call(this, event, listener);
      let bound = boundListeners.get(listener);
      if (bound === undefined) {
        bound = bindFunction(context, listener);
        boundListeners.set(listener, bound);
      }
      isAdding = true;
      try {
        return original.call(this, event, bound);
      } finally {
        isAdding = false;
      }
    };
  }
  for (const name of removeMethods) {
    const original = methods[name]!;
    methods[name] = function (this: EventEmitter, event, listener) {
      return original.call(this, event, boundListeners.get(listener) ?? listener);
    };
  }
}
