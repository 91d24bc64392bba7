import type { Instance } from "./instance.ts";

/** The side of a registry that callers use. */
export interface Discovery {
  /** The instances of a service that are alive now; none is an empty list. Rejects when the registry cannot be asked. */
  list(name: string, signal?: AbortSignal): Promise<readonly Instance[]>;
  /**
   * The list of a service's instances as it changes: whole lists, the first of them what there is now, which may be empty. A
   * reader that is slow gets the newest list, not every one. Ends when `signal` aborts, and fails when watching does; whoever
   * needs more watches again. It has one reader, and does not keep the process alive.
   */
  watch(name: string, signal: AbortSignal): AsyncIterable<readonly Instance[]>;
}
