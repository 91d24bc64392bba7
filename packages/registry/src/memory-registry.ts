import type { Discovery } from "./discovery.ts";
import { type Instance, parseInstance } from "./instance.ts";
import { ListWatch } from "./list-watch.ts";
import type { Registrar } from "./registrar.ts";

/** A registry inside one process: for tests, and for programs that run several services in one process. */
export class MemoryRegistry implements Registrar, Discovery {
  // Name to id to instance. A service that lost its last instance has no entry.
  readonly #services: Map<string, Map<string, Instance>> = new Map();
  readonly #watches: Map<string, Set<ListWatch>> = new Map();

  async register(instance: Instance, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const known = parseInstance(instance);
    const instances = this.#services.get(known.name) ?? new Map<string, Instance>();
    this.#services.set(known.name, instances);
    instances.set(known.id, known);
    this.#tell(known.name);
  }

  async deregister({ name, id }: Instance, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const instances = this.#services.get(name);
    if (!instances?.delete(id)) return;
    if (instances.size === 0) this.#services.delete(name);
    this.#tell(name);
  }

  async list(name: string, signal?: AbortSignal): Promise<readonly Instance[]> {
    signal?.throwIfAborted();
    return this.#list(name);
  }

  watch(name: string, signal: AbortSignal): AsyncIterable<readonly Instance[]> {
    return new ListWatch(name, signal, (watch) => {
      const watches = this.#watches.get(name) ?? new Set();
      this.#watches.set(name, watches);
      watches.add(watch);
      watch.push(this.#list(name));
      return () => {
        watches.delete(watch);
        if (watches.size === 0 && this.#watches.get(name) === watches) this.#watches.delete(name);
      };
    });
  }

  #list(name: string): readonly Instance[] {
    return [...(this.#services.get(name)?.values() ?? [])];
  }

  #tell(name: string): void {
    for (const watch of this.#watches.get(name) ?? []) watch.push(this.#list(name));
  }
}
