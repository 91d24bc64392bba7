import { AsyncLocalStorage } from "node:async_hooks";

/**
 * Names one value of a {@link Context} and carries its type. Made by {@link createKey}; it is a plain symbol at run time,
 * so an OpenTelemetry context key works as well.
 */
export type Key<T> = symbol & { readonly __value?: T };

/** Makes a key. Two calls with the same description give two different keys. */
export function createKey<T>(description: string): Key<T> {
  return Symbol(description) as Key<T>;
}

/**
 * An immutable bag of values that flows with asynchronous work. Setting a value returns a new bag; the old one stays as it
 * was. The method names are OpenTelemetry's, so a Clew context is an OpenTelemetry context as it stands.
 *
 * A bag is a chain of single entries, the newest first: setting costs one small object, and a lookup walks past the few
 * entries set later. Service code rarely holds more than five.
 */
export class Context {
  readonly #parent: Context | undefined;
  readonly #key: symbol | undefined;
  readonly #value: unknown;

  private constructor(parent: Context | undefined, key: symbol | undefined, value: unknown) {
    this.#parent = parent;
    this.#key = key;
    this.#value = value;
  }

  /** The empty context, below every other. */
  static readonly root: Context = new Context(undefined, undefined, undefined);

  /** The value set last under this key, or undefined. */
  getValue<T>(key: Key<T>): T | undefined {
    for (let entry: Context | undefined = this; entry !== undefined; entry = entry.#parent) {
      if (entry.#key === key) return entry.#value as T | undefined;
    }
    return undefined;
  }

  /** A new context that holds `value` under `key` and everything this one holds. */
  setValue<T>(key: Key<T>, value: T): Context {
    return new Context(this, key, value);
  }

  /** A new context that holds everything this one does, without `key`. */
  deleteValue(key: Key<unknown>): Context {
    return new Context(this, key, undefined);
  }
}

/**
 * What the storage carries: the owner of one flow of asynchronous work, and the context of that flow. The owner may put
 * another context in its place while the flow has not yet branched; that is how a server's tracing middleware makes its
 * span current without a second `run` (215 ns on Node 24, against 8 for reading).
 */
export interface Holder {
  context: Context;
}

// The one AsyncLocalStorage of the framework: with n of them every await costs n times (34 ns bare, 53 with one, 148 with four).
const storage = new AsyncLocalStorage<Holder>();

/** The context of the work that runs now; the root context outside of any. */
export function current(): Context {
  return storage.getStore()?.context ?? Context.root;
}

/** Calls `fn` with `context` as the current one, for it and all asynchronous work it starts. Returns what `fn` returns. */
export function run<A extends unknown[], R>(context: Context, fn: (...args: A) => R, ...args: A): R {
  return storage.run({ context }, fn, ...args);
}

/** Like {@link run}, but the flow reads its context from `holder` at each look, so that its owner may replace it. */
export function runHolder<A extends unknown[], R>(holder: Holder, fn: (...args: A) => R, ...args: A): R {
  return storage.run(holder, fn, ...args);
}

/** A function that calls `fn` with the context that is current now, whenever and from wherever it is called. */
export function bind<This, A extends unknown[], R>(fn: (this: This, ...args: A) => R): (this: This, ...args: A) => R {
  const context = current();
  return function (this: This, ...args: A): R {
    return storage.run({ context }, () => fn.apply(this, args));
  };
}

/** A function that calls what it is given with the context that is current now. */
export function snapshot(): <R>(fn: () => R) => R {
  const context = current();
  return (fn) => storage.run({ context }, fn);
}
