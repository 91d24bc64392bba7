import { lookup as lookUp } from "node:dns/promises";
import { createNode, type Node } from "./node.ts";
import type { Sleep } from "./sleep.ts";
import type { Scheme } from "./target.ts";

/** Finds the addresses of a host. */
export type Lookup = (host: string) => Promise<readonly string[]>;

/** As the system does it, with its hosts file; every address it has. */
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

/** The nodes behind a name, one for each address, looked up again and again until `signal` aborts. Fails when a look does. */
export async function* watchDns(options: DnsWatchOptions, signal: AbortSignal): AsyncGenerator<readonly Node[], void> {
  const { host, port, scheme, refreshMs, lookup, sleep } = options;
  while (!signal.aborted) {
    const addresses = [...new Set(await lookup(host))].sort();
    // A certificate is for the host, not for its addresses: the node keeps the name.
    const instance = { id: "", name: host, version: "", metadata: {}, endpoints: [] };
    yield addresses.map((one) => createNode(`${scheme}://${one.includes(":") ? `[${one}]` : one}:${port}`, instance));
    await sleep(refreshMs, signal);
  }
}
