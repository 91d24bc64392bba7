import type { Logger } from "@clew/log";
import { timedOut } from "./errors.ts";
import type { Server } from "./server.ts";
import { TimeLimit } from "./time-limit.ts";

export interface StopOptions {
  /** When the servers are told to cut off what they have not finished, in milliseconds. */
  readonly stopTimeoutMs: number;
  /** When nobody waits for them any more, in milliseconds. */
  readonly limitMs: number;
  /** One after the other, the last first, instead of side by side. */
  readonly isOneByOne: boolean;
  readonly logger: Logger;
}

/** The servers of an app, from their start to their stop. */
export class ServerGroup {
  #servers: readonly Server[] = [];
  readonly #started: Set<Server> = new Set();
  readonly #onFailed: (error: unknown) => void;
  #isDraining = false;

  /** @param onFailed told what a server fails with after its start */
  constructor(onFailed: (error: unknown) => void) {
    this.#onFailed = onFailed;
  }

  /** Starts them side by side; returns what failed when all have started or failed. */
  async start(servers: readonly Server[], limit: TimeLimit): Promise<unknown[]> {
    this.#servers = servers;
    const failures: unknown[] = [];
    await Promise.all(
      servers.map(async (server) => {
        const starting = (async () => server.start())();
        try {
          await limit.race(() => starting, `the start of ${nameOf(server)}`);
          this.#started.add(server);
          // Asked for at once: a server that fails before anybody looked would end the process.
          (async () => server.failed?.())().catch(this.#onFailed);
        } catch (error) {
          failures.push(error);
          // One that accepts after all is too late.
          starting.then(() => server.stop(AbortSignal.abort(error))).catch(() => {});
        }
      }),
    );
    return failures;
  }

  /** Where the first endpoint of each is. */
  mainEndpoints(): URL[] {
    return this.#servers.flatMap((server) => endpointsOf(server).slice(0, 1));
  }

  endpoints(): URL[] {
    return this.#servers.flatMap(endpointsOf);
  }

  /** Has those that started tell who asks that they are not ready, once; returns what failed. */
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

  /** Stops those that started, all within one limit; returns what failed. */
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
