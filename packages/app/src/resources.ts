import { joinFailures, resourcesClosed } from "./errors.ts";
import { TimeLimit } from "./time-limit.ts";

/**
 * The resources that a program opened, closed in reverse order. An App creates one for the function that composes its
 * servers, and closes it when the last server has stopped. A test can create its own.
 *
 *     const db = await resources.use(openDatabase(url), (db) => db.close());
 *     const cache = await resources.use(openCache(db)); // has Symbol.asyncDispose
 */
export class Resources {
  readonly #closers: (() => unknown)[] = [];
  #closing: Promise<void> | undefined;

  /**
   * Waits until the resource is open, returns it, and closes it at the end: with `close` if given, otherwise with its own
   * `Symbol.asyncDispose` or `Symbol.dispose`. A resource that is open only after the end is closed at once.
   *
   * @throws the error of the opening; CLEW_APP_RESOURCES when everything is closed already.
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

  /** Runs `close` at the end, before the resources that were opened earlier are closed. */
  defer(close: () => unknown): void {
    if (this.#closing !== undefined) throw resourcesClosed();
    this.#closers.push(close);
  }

  /**
   * Closes everything one after the other, the last opened first. A resource that fails to close, or takes longer than
   * `timeoutMs`, does not keep the others from being closed. Rejects with the failure, or with an AggregateError of several.
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
