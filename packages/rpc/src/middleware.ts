import type { Message } from "@bufbuild/protobuf";
import type { Call } from "./call.ts";
import { clock } from "./clock.ts";
import { handlerMissing, middlewareInvalid, middlewareOfAnother } from "./errors.ts";
import { MessageStream } from "./message-stream.ts";

/** The result of a handler: one message, or a stream of messages, depending on the method. */
export type Reply = Message | AsyncIterable<Message>;

/** Answers a call. The innermost handler on a server is the user's code; on a client it sends the call. */
export type Handler = (call: Call) => Promise<Reply>;

/** A function that wraps a handler. The same type serves servers and clients, and all four kinds of call. */
export type Middleware = (next: Handler) => Handler;

/**
 * Combines several middlewares into one; the first is the outermost.
 *
 * @throws CLEW_RPC_MIDDLEWARE for a value that is not a function or is a middleware of another framework. The same error is thrown,
 * when the chain is applied to a handler, for a middleware that does not return a handler.
 */
export function chain(...middleware: readonly Middleware[]): Middleware {
  const parts: Middleware[] = [];
  let neighbours: (() => Watch)[] = [];
  const join = (): void => {
    const joined = neighbours;
    if (joined.length > 0) parts.push((next) => watchCalls(joined, next));
    neighbours = [];
  };
  for (const [index, one] of middleware.entries()) {
    if (typeof one !== "function") throw middlewareInvalid(index, one);
    if (one.length > 1) throw middlewareOfAnother(index, one.length);
    const makeWatch = watches.get(one);
    if (makeWatch !== undefined) neighbours.push(makeWatch);
    else {
      join();
      parts.push((next) => makeHandler(one, index, next));
    }
  }
  join();
  const chained: Middleware = (next) => parts.reduceRight((handler, one) => one(handler), next);
  nameOperations(chained, [], middleware);
  return chained;
}

function makeHandler(middleware: Middleware, index: number, next: Handler): Handler {
  const handler: unknown = middleware(next);
  if (typeof handler !== "function") throw handlerMissing(index, handler);
  return handler as Handler;
}

/**
 * Observes calls. It is called when a call begins, and returns a function that is called once when the call is over, with the
 * error if the call failed. A stream is over at its end. If the watch itself throws, the call is refused with that error.
 */
export type Watch = (call: Call) => WatchEnd | undefined;

/**
 * `endMs` is the moment of the end by `performance.now()`: the clock is read once for all watches. If the call failed and the
 * function returns an Error, the caller gets that one instead. The reader of a stream has seen the first error already, so for
 * streams the returned value is ignored.
 */
export type WatchEnd = (thrown: unknown, endMs: number, call: Call) => unknown;

/** The function that makes the watch, for each middleware that only watches. */
const watches: WeakMap<Middleware, () => Watch> = new WeakMap();

/**
 * Makes a middleware that only observes: it changes neither request nor reply, and may replace the error of a call that failed.
 * Neighbours of this kind in a chain wait for the end of a call together, with one promise for all of them.
 *
 * @param makeWatch called once for each chain, of which there is usually one for each method
 */
export function watcher(makeWatch: () => Watch): Middleware {
  const middleware: Middleware = (next) => watchCalls([makeWatch], next);
  watches.set(middleware, makeWatch);
  return middleware;
}

/**
 * The operations that a middleware names, each with true if a server or client has it. A middleware inside another has its own
 * entry.
 */
const named: WeakMap<Middleware, readonly Map<string, boolean>[]> = new WeakMap();

/**
 * Declares the operations that a middleware is for, so that a wrong name can be reported.
 *
 * @param inner the middlewares that it is composed of, which may have declared names of their own
 */
export function nameOperations(
  middleware: Middleware,
  operations: readonly string[],
  inner: readonly Middleware[],
): void {
  const names = inner.flatMap((one) => named.get(one) ?? []);
  if (operations.length > 0) names.push(new Map(operations.map((operation) => [operation, false])));
  if (names.length > 0) named.set(middleware, names);
}

/**
 * Records that a server or client has these operations. Returns the operations that its middleware names and that no
 * server or client has had so far.
 */
export function meetOperations(middleware: readonly Middleware[], operations: ReadonlySet<string>): string[] {
  const unmet: string[] = [];
  for (const names of middleware.flatMap((one) => named.get(one) ?? [])) {
    for (const [name, isMet] of names) {
      if (operations.has(name)) names.set(name, true);
      else if (!isMet) unmet.push(name);
    }
  }
  return unmet;
}

function watchCalls(makers: readonly (() => Watch)[], next: Handler): Handler {
  const watching = makers.map((makeWatch) => makeWatch());
  return (call) => {
    let end: WatchEnd | undefined;
    try {
      for (let i = 0; i < watching.length; i++) {
        const onEnd = watching[i]!(call);
        if (onEnd !== undefined) end = end === undefined ? onEnd : endBoth(onEnd, end);
      }
    } catch (thrown) {
      return Promise.reject(end === undefined ? thrown : endThrown(call, thrown, end));
    }
    return end === undefined ? next(call) : watchCall(call, next, end);
  };
}

// In the order of nested middlewares: the last to begin is the first to end.
function endBoth(last: WatchEnd, before: WatchEnd): WatchEnd {
  return (thrown, endMs, call) => {
    let passed: unknown;
    try {
      passed = errorOr(thrown, last(thrown, endMs, call));
    } catch (error) {
      throw errorOr(error, before(error, endMs, call));
    }
    return errorOr(passed, before(passed, endMs, call));
  };
}

function errorOr(thrown: unknown, returned: unknown): unknown {
  return thrown !== undefined && returned instanceof Error ? returned : thrown;
}

/** Ends a call that failed, and returns the error to throw. */
function endThrown(call: Call, given: unknown, onEnd: WatchEnd): unknown {
  // A watch would take undefined for a call that went well.
  const thrown = given === undefined ? new Error("undefined was thrown") : given;
  return errorOr(thrown, onEnd(thrown, clock.now(), call));
}

/**
 * Passes the call on, and calls `onEnd` once when it is over: after a reply, at the end of a stream, or with the error that was
 * thrown.
 */
export function watchCall(call: Call, next: Handler, onEnd: WatchEnd): Promise<Reply> {
  let reply: Promise<Reply>;
  try {
    reply = next(call);
  } catch (thrown) {
    // A middleware that is not an async function throws right here.
    return Promise.reject(endThrown(call, thrown, onEnd));
  }
  return reply.then(
    (answer) => {
      if (isStream(answer)) return watchStream(answer, (thrown) => onEnd(thrown, clock.now(), call));
      onEnd(undefined, clock.now(), call);
      return answer;
    },
    (thrown: unknown) => {
      throw endThrown(call, thrown, onEnd);
    },
  );
}

/** Whether a reply is a stream. */
export function isStream(reply: Reply): reply is AsyncIterable<Message> {
  return Symbol.asyncIterator in reply;
}

/**
 * Calls `onEnd` once when a reply is over: at once for a message, after the last message of a stream, with the error if it
 * failed. Returns the reply to pass on. A stream whose reader stops early ends without an error.
 */
export function watchReply(reply: Reply, onEnd: (error?: unknown) => void): Reply {
  if (isStream(reply)) return watchStream(reply, onEnd);
  onEnd();
  return reply;
}

function watchStream(reply: AsyncIterable<Message>, onEnd: (error?: unknown) => void): Reply {
  if (reply instanceof MessageStream) {
    reply.onEnd(onEnd);
    return reply;
  }
  return { [Symbol.asyncIterator]: () => watchIterator(reply[Symbol.asyncIterator](), onEnd) };
}

function watchIterator(source: AsyncIterator<Message>, onEnd: (error?: unknown) => void): AsyncIterator<Message> {
  let hasEnded = false;
  const end = (error?: unknown): void => {
    if (hasEnded) return;
    hasEnded = true;
    onEnd(error);
  };
  return {
    async next() {
      try {
        const result = await source.next();
        if (result.done) end();
        return result;
      } catch (error) {
        end(error);
        throw error;
      }
    },
    async return(value) {
      try {
        return (await source.return?.(value)) ?? { done: true, value };
      } finally {
        end();
      }
    },
  };
}
