/** How a service is. */
export type ServingStatus = "SERVING" | "NOT_SERVING" | "UNKNOWN";

/**
 * How a server and its services are: what `grpc.health.v1.Health` and the readiness endpoint tell. Every service serves from the
 * start; while the server drains nothing does, whatever is set.
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

  /** How a service is by its full name, or with "" the server; undefined for one that nobody knows. */
  status(serviceName: string): ServingStatus | undefined {
    const status = this.#statuses.get(serviceName);
    return status !== undefined && this.#isDraining ? "NOT_SERVING" : status;
  }

  /** Says how a service is; a name that was not known is from now on. */
  setStatus(serviceName: string, status: ServingStatus): void {
    this.#statuses.set(serviceName, status);
    this.#tell();
  }

  /** The server accepts requests from now on. */
  start(): void {
    this.#isStarted = true;
    this.#tell();
  }

  /** Nothing serves any more; who watches is told, and sent away. */
  drain(): void {
    this.#isDraining = true;
    this.#tell();
  }

  /** Calls `listener` at every change. Returns a function that takes it back. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
