import { type Call, type Service, ServiceError, service } from "@clew/rpc";
import {
  Health as HealthDesc,
  HealthCheckResponse_ServingStatus as WireStatus,
} from "../gen/grpc/health/v1/health_pb.ts";
import type { Health } from "../health.ts";

/** Creates the service `grpc.health.v1.Health` for a server. */
export function createHealthService(health: Health): Service {
  return service(HealthDesc, {
    check: ({ service: name }) => {
      const status = health.status(name);
      if (status === undefined) throw new ServiceError(404, "", `this server has no service "${name}"`);
      return { status: WireStatus[status] };
    },
    list: () => {
      const statuses: Record<string, { status: WireStatus }> = {};
      for (const name of health.services) statuses[name] = { status: WireStatus[health.status(name)!] };
      return { statuses };
    },
    watch: ({ service: name }, call) => watch(health, name, call),
  });
}

async function* watch(health: Health, name: string, call: Call): AsyncIterable<{ status: WireStatus }> {
  let told: WireStatus | undefined;
  while (call.cancelled === undefined) {
    const status = WireStatus[health.status(name) ?? "SERVICE_UNKNOWN"];
    if (status !== told) {
      told = status;
      yield { status };
    } else if (health.isDraining) {
      // An open watch would keep the server from stopping; a client that still wants to know asks another server.
      throw new ServiceError(503, "SERVER_STOPPED", "the server is stopping");
    } else await changed(health, call);
  }
}

/** Resolves when some status changed, or the call is over. */
function changed(health: Health, call: Call): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      release();
      forget();
      resolve();
    };
    const release = health.onChange(wake);
    const forget = call.onCancel(wake);
  });
}
