import type { Instance } from "./instance.ts";

/** The side of a registry that a running service uses. */
export interface Registrar {
  /**
   * Resolves when callers can find the instance, and keeps it there (a lease renewed, a health check answered) until
   * {@link deregister}. Registering one again replaces what was there. Rejects when `signal` aborts; the registry may have
   * taken the instance by then, so whoever gives up deregisters.
   */
  register(instance: Instance, signal?: AbortSignal): Promise<void>;
  /** Takes the instance out, and stops keeping it there also when that fails. One that is not registered is no failure. */
  deregister(instance: Instance, signal?: AbortSignal): Promise<void>;
}
