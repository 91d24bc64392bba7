/** The status of a service. */
export type ServingStatus = "SERVING" | "NOT_SERVING" | "UNKNOWN";

/**
 * The health of a server and its services, which `grpc.health.v1.Health` and the readiness endpoint report. Every service is
 * SERVING from the start. While the server drains, nothing is SERVING, whatever was set.
 */
export class Health {
  readonly #statuses: Map<string, ServingStatus> = new Map([["", "SERVING"]]);
  readonly #listeners: Set<() => void> = new Set();
  #isStarted = false;
  #isDraining = false;

  /** @param services the full names of the services */
  constructor(services: Iterable<string>) {
    for (const name of services) this.#statuses.set(name, "SERVING");
  }

  /** The full names of the services, and "" for the server. */
  get services(): Iterable<string> {
    return this.#statuses.keys();
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Returns the status of a service by its full name, or of the server for ""; undefined for an unknown name. */
  status(serviceName: string): ServingStatus | undefined {
    const status = this.#statuses.get(serviceName);
    return status !== undefined && this.#isDraining ? "NOT_SERVING" : status;
  }

  /** Sets the status of a service. An unknown name is added. */
  setStatus(serviceName: string, status: ServingStatus): void {
    this.#statuses.set(serviceName, status);
    this.#tell();
  }

  /** Called when the server accepts requests. */
  start(): void {
    this.#isStarted = true;
    this.#tell();
  }

  /** From now on nothing is SERVING. Watchers are notified, and their watches end. */
  drain(): void {
    this.#isDraining = true;
    this.#tell();
  }

  /** Calls `listener` at every change. Returns a function that removes it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
