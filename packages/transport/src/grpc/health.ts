import { type Call, type Service, ServiceError, service } from "@clew/rpc";
import {
  Health as HealthDesc,
  HealthCheckResponse_ServingStatus as WireStatus,
} from "../gen/grpc/health/v1/health_pb.ts";

/** How a service is. */
export type ServingStatus = "SERVING" | "NOT_SERVING" | "UNKNOWN";

/**
 * How a server and its services are, as `grpc.health.v1.Health` tells it. Everything serves from the start; while the server
 * drains nothing does, whatever is set.
 */
export class Health {
  readonly #statuses: Map<string, ServingStatus> = new Map([["", "SERVING"]]);
  readonly #watchers: Set<() => void> = new Set();
  #isDraining = false;

  /** @param services the full names of the services */
  constructor(services: Iterable<string>) {
    for (const name of services) this.#statuses.set(name, "SERVING");
  }

  /** How a service is by its full name, or with "" the server; undefined for one that nobody knows. */
  status(serviceName: string): ServingStatus | undefined {
    const status = this.#statuses.get(serviceName);
    return status !== undefined && this.#isDraining ? "NOT_SERVING" : status;
  }

  /** Says how a service is; a name that was not known is from now on. */
  setStatus(serviceName: string, status: ServingStatus): void {
    this.#statuses.set(serviceName, status);
    this.#wake();
  }

  /** Nothing serves any more; who watches is told, and sent away. */
  drain(): void {
    this.#isDraining = true;
    this.#wake();
  }

  /** The contract's implementation. */
  createService(): Service {
    return service(HealthDesc, {
      check: ({ service: name }) => {
        const status = this.status(name);
        if (status === undefined) throw new ServiceError(404, "", `there is no service "${name}" here`);
        return { status: WireStatus[status] };
      },
      list: () => {
        const statuses: Record<string, { status: WireStatus }> = {};
        for (const name of this.#statuses.keys()) statuses[name] = { status: WireStatus[this.status(name)!] };
        return { statuses };
      },
      watch: ({ service: name }, call) => this.#watch(name, call),
    });
  }

  async *#watch(name: string, call: Call): AsyncIterable<{ status: WireStatus }> {
    let told: WireStatus | undefined;
    while (call.cancelled === undefined) {
      const status = WireStatus[this.status(name) ?? "SERVICE_UNKNOWN"];
      if (status !== told) {
        told = status;
        yield { status };
      } else if (this.#isDraining) {
        // It would keep the server from ever being done; who still wants to know asks the next one.
        throw new ServiceError(503, "SERVER_STOPPED", "the server stops");
      } else await this.#changed(call);
    }
  }

  /** Resolves when some status changed, or the call is over. */
  #changed(call: Call): Promise<void> {
    return new Promise((resolve) => {
      const release = call.onCancel(() => wake());
      const wake = (): void => {
        this.#watchers.delete(wake);
        release();
        resolve();
      };
      this.#watchers.add(wake);
    });
  }

  #wake(): void {
    for (const wake of [...this.#watchers]) wake();
  }
}
