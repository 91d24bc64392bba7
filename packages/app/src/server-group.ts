import type { Logger } from "@clew/log";
import { timedOut } from "./errors.ts";
import type { Server } from "./server.ts";
import { TimeLimit } from "./time-limit.ts";

export interface StopOptions {
  /** After this time the servers are told to cut off their open work, in milliseconds. */
  readonly stopTimeoutMs: number;
  /** After this time the stop does not wait for the servers any longer, in milliseconds. */
  readonly limitMs: number;
  /** Whether the servers stop one after the other, the last first, instead of all at the same time. */
  readonly isOneByOne: boolean;
  readonly logger: Logger;
}

/** The servers of an app, from their start to their stop. */
export class ServerGroup {
  #servers: readonly Server[] = [];
  readonly #started: Set<Server> = new Set();
  readonly #onFailed: (error: unknown) => void;
  #isDraining = false;

  /** @param onFailed called with the error of a server that fails after its start */
  constructor(onFailed: (error: unknown) => void) {
    this.#onFailed = onFailed;
  }

  /** Starts all servers at the same time. Returns the failures once each server has started or failed. */
  async start(servers: readonly Server[], limit: TimeLimit): Promise<unknown[]> {
    this.#servers = servers;
    const failures: unknown[] = [];
    await Promise.all(
      servers.map(async (server) => {
        const starting = (async () => server.start())();
        try {
          await limit.race(() => starting, `the start of ${nameOf(server)}`);
          this.#started.add(server);
          // Asked for at once: an error that a server reports before anybody listens would end the process.
          (async () => server.failed?.())().catch(this.#onFailed);
        } catch (error) {
          failures.push(error);
          // A server that accepts after the limit is stopped: it is too late.
          starting.then(() => server.stop(AbortSignal.abort(error))).catch(() => {});
        }
      }),
    );
    return failures;
  }

  /** The first endpoint of each server. */
  mainEndpoints(): URL[] {
    return this.#servers.flatMap((server) => endpointsOf(server).slice(0, 1));
  }

  endpoints(): URL[] {
    return this.#servers.flatMap(endpointsOf);
  }

  /** Makes the servers that started report that they are not ready any more. Runs once. Returns the failures. */
  drain(): unknown[] {
    const failures: unknown[] = [];
    if (this.#isDraining) return failures;
    this.#isDraining = true;
    for (const server of this.#running()) {
      try {
        server.drain?.();
      } catch (error) {
        failures.push(error);
      }
    }
    return failures;
  }

  /** Stops the servers that started, all within one limit. Returns the failures. */
  async stop({ stopTimeoutMs, limitMs, isOneByOne, logger }: StopOptions): Promise<unknown[]> {
    const failures: unknown[] = [];
    const controller = new AbortController();
    const limit = new TimeLimit("stopTimeoutMs", limitMs);
    const timer = setTimeout(() => {
      logger.warn("cutting off what the servers have not finished", { stopTimeoutMs });
      controller.abort(timedOut("draining", "stopTimeoutMs", stopTimeoutMs));
    }, stopTimeoutMs);
    const stop = async (server: Server): Promise<void> => {
      try {
        await limit.race(() => server.stop(controller.signal), `the stop of ${nameOf(server)}`);
      } catch (error) {
        failures.push(error);
      }
    };
    if (isOneByOne) for (const server of this.#running().reverse()) await stop(server);
    else await Promise.all(this.#running().map(stop));
    clearTimeout(timer);
    limit.end();
    return failures;
  }

  #running(): Server[] {
    return this.#servers.filter((server) => this.#started.has(server));
  }
}

function endpointsOf(server: Server): readonly URL[] {
  return server.endpoints?.() ?? (server.endpoint === undefined ? [] : [server.endpoint()]);
}

function nameOf(server: Server): string {
  return server.constructor === Object ? "a server" : server.constructor.name;
}
