import type { Discovery } from "./discovery.ts";
import type { Instance } from "./instance.ts";
import { ListWatch } from "./list-watch.ts";
import { MemoryRegistry } from "./memory-registry.ts";
import type { Registrar } from "./registrar.ts";

/** What a registry can be asked for. */
export type RegistryOperation = "register" | "deregister" | "list" | "watch";

/** An open watch: what it was last given, and what pushes that on. */
interface OpenWatch {
  readonly watch: ListWatch;
  last: readonly Instance[] | undefined;
}

/**
 * A registry that fails on cue, for tests of what a service does when its registry is ill. Without a cue it does what the
 * registry inside it does.
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

  /** What it was asked for so far, in order, with the name of the service. */
  get calls(): readonly { readonly operation: RegistryOperation; readonly name: string }[] {
    return this.#calls;
  }

  /** The operation fails, so many times or until {@link heal}. Watches that are open fail too, and count as one. */
  fail(
    operation: RegistryOperation,
    error: Error = new Error(`${operation} fails on cue`),
    times: number = Number.POSITIVE_INFINITY,
  ): void {
    this.#failures.set(operation, { error, times });
    if (operation !== "watch" || this.#open.size === 0) return;
    this.#takeFailure("watch");
    for (const { watch } of this.#open) watch.fail(error);
  }

  /** The operation takes until {@link heal}, or until its signal aborts. A watch tells nothing new until then. */
  hold(operation: RegistryOperation): void {
    if (!this.#holds.has(operation)) this.#holds.set(operation, Promise.withResolvers());
  }

  /** Lists and watches tell of nobody, as after a registry that lost its memory, until {@link heal}. */
  empty(): void {
    this.#isEmpty = true;
    this.#tellAll();
  }

  /** All is well again: what was held goes on, and watches tell what there is. */
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

  /** Hands on what the registry inside tells. */
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
