import { parentPort, type Transferable, Worker } from "node:worker_threads";

interface Ask {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly message: string; readonly code: string | undefined };
}

/** An object in a thread of its own, from outside: questions and answers over its port. */
export class Thread {
  readonly #worker: Worker;
  readonly #pending = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #nextId = 1;
  #failure: Error | undefined;

  /** `notice` hears what the thread says unasked. `name` is the file's, without its ending. */
  constructor(name: string, notice: (value: never) => void) {
    // Sources run by type stripping, and built.
    const file = new URL(`./${name}${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
    // What the process preloads (an agent, a loader) has no business in here, and that node:sqlite is young is known.
    const execArgv = ["--disable-warning=ExperimentalWarning"];
    this.#worker = new Worker(file, { name: `clew-${name}`, execArgv });
    this.#worker.on("message", (answer: Answer) => {
      if (answer.id === 0) notice(answer.value as never);
      else this.#settle(answer);
    });
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => this.#fail(new Error(`the ${name} has ended`)));
    // It keeps the process running only while somebody waits for an answer. At last: listening to it does so too.
    this.#worker.unref();
  }

  /** Asks for a method of the thread's object. Rejects with what it threw, or when the thread has ended. */
  call<T>(method: string, args: readonly unknown[], transfer: readonly Transferable[] = []): Promise<T> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      if (this.#pending.size === 1) this.#worker.ref();
      const ask: Ask = { id, method, args };
      this.#worker.postMessage(ask, transfer);
    });
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #settle(answer: Answer): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if (this.#pending.size === 0) this.#worker.unref();
    if (answer.error === undefined) pending?.resolve(answer.value as never);
    else pending?.reject(Object.assign(new Error(answer.error.message), { code: answer.error.code }));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}

/**
 * The inside of a {@link Thread}: answers with the methods of `handlers`. Returns what says something unasked.
 * A clone loses an error's code, so message and code travel on their own.
 */
export function serve(handlers: Record<string, (...args: never[]) => unknown>): (notice: unknown) => void {
  const port = parentPort!;
  const answer = (value: Answer): void => port.postMessage(value);
  port.on("message", ({ id, method, args }: Ask) => {
    const fail = (error: Error & { code?: string }): void =>
      answer({ id, error: { message: error.message, code: error.code } });
    try {
      const value = handlers[method]!(...(args as never[]));
      if (value instanceof Promise) value.then((value: unknown) => answer({ id, value }), fail);
      else answer({ id, value });
    } catch (error) {
      fail(error as Error);
    }
  });
  return (value) => answer({ id: 0, value });
}
