import type { Discovery } from "./discovery.ts";
import type { Instance } from "./instance.ts";
import { ListWatch } from "./list-watch.ts";
import { MemoryRegistry } from "./memory-registry.ts";
import type { Registrar } from "./registrar.ts";

/** The operations of a registry. */
export type RegistryOperation = "register" | "deregister" | "list" | "watch";

/** An open watch: the last list it was given, and the function that gives it the next one. */
interface OpenWatch {
  readonly watch: ListWatch;
  last: readonly Instance[] | undefined;
}

/**
 * A registry that fails on command, to test what a service does when its registry is unavailable. Otherwise it passes
 * everything to the registry inside.
 */
export class FailingRegistry implements Registrar, Discovery {
  readonly #inner: Registrar & Discovery;
  readonly #failures: Map<RegistryOperation, { readonly error: Error; times: number }> = new Map();
  readonly #holds: Map<RegistryOperation, PromiseWithResolvers<void>> = new Map();
  readonly #open: Set<OpenWatch> = new Set();
  readonly #calls: { readonly operation: RegistryOperation; readonly name: string }[] = [];
  #isEmpty = false;

  /** Default: around a registry in memory. */
  constructor(inner: Registrar & Discovery = new MemoryRegistry()) {
    this.#inner = inner;
  }

  /** The operations called so far, in order, with the name of the service. */
  get calls(): readonly { readonly operation: RegistryOperation; readonly name: string }[] {
    return this.#calls;
  }

  /** Makes the operation fail, `times` times or until {@link heal}. Open watches fail too, which counts as one time. */
  fail(
    operation: RegistryOperation,
    error: Error = new Error(`${operation} fails on command`),
    times: number = Number.POSITIVE_INFINITY,
  ): void {
    this.#failures.set(operation, { error, times });
    if (operation !== "watch" || this.#open.size === 0) return;
    this.#takeFailure("watch");
    for (const { watch } of this.#open) watch.fail(error);
  }

  /** Makes the operation wait until {@link heal}, or until its signal aborts. A watch yields nothing new until then. */
  hold(operation: RegistryOperation): void {
    if (!this.#holds.has(operation)) this.#holds.set(operation, Promise.withResolvers());
  }

  /** Lists and watches return no instances until {@link heal}, like a registry that lost its memory. */
  empty(): void {
    this.#isEmpty = true;
    this.#tellAll();
  }

  /** Ends every failure: waiting operations continue, and watches yield the current list. */
  heal(): void {
    this.#failures.clear();
    this.#isEmpty = false;
    const holds = [...this.#holds.values()];
    this.#holds.clear();
    for (const hold of holds) hold.resolve();
    this.#tellAll();
  }

  async register(instance: Instance, signal?: AbortSignal): Promise<void> {
    await this.#begin("register", instance.name, signal);
    await this.#inner.register(instance, signal);
  }

  async deregister(instance: Instance, signal?: AbortSignal): Promise<void> {
    await this.#begin("deregister", instance.name, signal);
    await this.#inner.deregister(instance, signal);
  }

  async list(name: string, signal?: AbortSignal): Promise<readonly Instance[]> {
    await this.#begin("list", name, signal);
    const instances = await this.#inner.list(name, signal);
    return this.#isEmpty ? [] : instances;
  }

  watch(name: string, signal: AbortSignal): AsyncIterable<readonly Instance[]> {
    return new ListWatch(name, signal, (watch) => {
      this.#calls.push({ operation: "watch", name });
      const end = new AbortController();
      const open: OpenWatch = { watch, last: undefined };
      const failure = this.#takeFailure("watch");
      if (failure !== undefined) watch.fail(failure);
      else {
        this.#open.add(open);
        void this.#pass(name, open, end.signal);
      }
      return () => {
        this.#open.delete(open);
        end.abort();
      };
    });
  }

  /** Passes on the lists of the registry inside. */
  async #pass(name: string, open: OpenWatch, signal: AbortSignal): Promise<void> {
    try {
      for await (const list of this.#inner.watch(name, signal)) {
        open.last = list;
        this.#tell(open);
      }
    } catch (error) {
      open.watch.fail(error);
    }
  }

  #tellAll(): void {
    for (const open of this.#open) this.#tell(open);
  }

  #tell({ watch, last }: OpenWatch): void {
    if (last !== undefined && !this.#holds.has("watch")) watch.push(this.#isEmpty ? [] : last);
  }

  async #begin(operation: RegistryOperation, name: string, signal: AbortSignal | undefined): Promise<void> {
    this.#calls.push({ operation, name });
    const held = this.#holds.get(operation)?.promise;
    if (held !== undefined) await (signal === undefined ? held : Promise.race([held, rejectOnAbort(signal)]));
    const failure = this.#takeFailure(operation);
    if (failure !== undefined) throw failure;
  }

  #takeFailure(operation: RegistryOperation): Error | undefined {
    const failure = this.#failures.get(operation);
    if (failure === undefined) return undefined;
    if (--failure.times <= 0) this.#failures.delete(operation);
    return failure.error;
  }
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
