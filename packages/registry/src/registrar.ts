import type { Instance } from "./instance.ts";

/** The side of a registry that a running service uses. */
export interface Registrar {
  /**
   * Resolves when callers can find the instance. The registrar keeps it registered (renews a lease, answers a health check)
   * until {@link deregister}. Registering an id again replaces the earlier instance. Rejects when `signal` aborts; the registry
   * may have accepted the instance by then, so a caller that gives up must deregister.
   */
  register(instance: Instance, signal?: AbortSignal): Promise<void>;
  /**
   * Removes the instance, and stops keeping it registered even if the removal fails. Removing an instance that is not
   * registered is not a failure.
   */
  deregister(instance: Instance, signal?: AbortSignal): Promise<void>;
}
