import { lookup as lookUp } from "node:dns/promises";
import { createNode, type Node } from "./node.ts";
import type { Sleep } from "./sleep.ts";
import type { Scheme } from "./target.ts";

/** Looks up the addresses of a host. */
export type Lookup = (host: string) => Promise<readonly string[]>;

/** Asks the system, including its hosts file, for all addresses. */
export const systemLookup: Lookup = async (host) => {
  const found = await lookUp(host, { all: true, order: "verbatim" });
  return found.map(({ address }) => address);
};

export interface DnsWatchOptions {
  readonly host: string;
  readonly port: number;
  readonly scheme: Scheme;
  readonly refreshMs: number;
  readonly lookup: Lookup;
  readonly sleep: Sleep;
}

/**
 * Yields the nodes behind a name, one for each address. The name is looked up repeatedly until `signal` aborts. Fails when a
 * look-up fails.
 */
export async function* watchDns(options: DnsWatchOptions, signal: AbortSignal): AsyncGenerator<readonly Node[], void> {
  const { host, port, scheme, refreshMs, lookup, sleep } = options;
  while (!signal.aborted) {
    const addresses = [...new Set(await lookup(host))].sort();
    // A certificate is for the host, not for its addresses, so the node keeps the host's name.
    const instance = { id: "", name: host, version: "", metadata: {}, endpoints: [] };
    yield addresses.map((one) => createNode(`${scheme}://${one.includes(":") ? `[${one}]` : one}:${port}`, instance));
    await sleep(refreshMs, signal);
  }
}
