import { joinFailures, resourcesClosed } from "./errors.ts";
import { TimeLimit } from "./time-limit.ts";

/**
 * What a program opened, closed in reverse order. An App makes one for the function that composes its servers, and closes it
 * when the last of them has stopped; a test makes its own.
 *
 *     const db = await resources.use(openDatabase(url), (db) => db.close());
 *     const cache = await resources.use(openCache(db)); // has Symbol.asyncDispose
 */
export class Resources {
  readonly #closers: (() => unknown)[] = [];
  #closing: Promise<void> | undefined;

  /**
   * Waits for what is being opened, returns it, and closes it at the end: by `close`, or else by its own `Symbol.asyncDispose` or
   * `Symbol.dispose`. What is open only after the end is closed at once.
   *
   * @throws what the opening threw; CLEW_APP_RESOURCES when all is closed already.
   */
  use<T extends AsyncDisposable | Disposable>(opening: T | PromiseLike<T>): Promise<T>;
  use<T>(opening: T | PromiseLike<T>, close: (resource: T) => unknown): Promise<T>;
  async use<T>(opening: T | PromiseLike<T>, close: (resource: T) => unknown = dispose): Promise<T> {
    const resource = await opening;
    if (this.#closing !== undefined) {
      await close(resource);
      throw resourcesClosed();
    }
    this.#closers.push(() => close(resource));
    return resource;
  }

  /** Runs `close` at the end, before what was opened earlier is closed. */
  defer(close: () => unknown): void {
    if (this.#closing !== undefined) throw resourcesClosed();
    this.#closers.push(close);
  }

  /**
   * Closes everything, the last opened first, one after the other. Rejects with what failed, one error as it is, several as an
   * AggregateError; the others are closed all the same, and so they are when one takes longer than `timeoutMs`.
   */
  async close(timeoutMs = 10_000): Promise<void> {
    this.#closing ??= this.#closeAll(timeoutMs);
    await this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #closeAll(timeoutMs: number): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#closers.splice(0).reverse()) {
      const limit = new TimeLimit("stopTimeoutMs", timeoutMs);
      try {
        await limit.race(close, "closing a resource");
      } catch (error) {
        failures.push(error);
      } finally {
        limit.end();
      }
    }
    if (failures.length > 0) throw joinFailures("resources", failures);
  }
}

function dispose(resource: unknown): unknown {
  const { [Symbol.asyncDispose]: disposeAsync, [Symbol.dispose]: disposeNow } = resource as Partial<
    AsyncDisposable & Disposable
  >;
  return disposeAsync === undefined ? disposeNow?.call(resource) : disposeAsync.call(resource);
}
