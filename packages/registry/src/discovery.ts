import type { Instance } from "./instance.ts";

/** The side of a registry that callers use. */
export interface Discovery {
  /**
   * Returns the instances of a service that are alive now; an empty list if there are none. Rejects when the registry cannot be
   * asked.
   */
  list(name: string, signal?: AbortSignal): Promise<readonly Instance[]>;
  /**
   * Yields the list of a service's instances whenever it changes. Each list is complete; the first is the current one, which
   * may be empty. A slow reader gets only the newest list, not every one. It ends when `signal` aborts and fails when the
   * watching fails; to continue, the caller starts a new watch. A watch has one reader, and does not keep the process alive.
   */
  watch(name: string, signal: AbortSignal): AsyncIterable<readonly Instance[]>;
}
