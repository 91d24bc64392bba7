import type { AddressInfo, Server as NetServer } from "node:net";
import { networkInterfaces } from "node:os";
import { addressInUse, addressInvalid, addressRefused } from "./errors.ts";

/** Where a server listens. Without a host it listens on all interfaces. */
export interface Address {
  readonly host: string | undefined;
  readonly port: number;
  /** As it was given, for messages. */
  readonly text: string;
}

/**
 * Reads `":8000"`, `"127.0.0.1:8000"`, `"localhost:8000"`, `"[::1]:8000"`. Port 0 is any free port.
 *
 * @throws CLEW_TRANSPORT_ADDRESS when it is none of these.
 */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([^[\]]+)\]|([^:[\]/\s]*)):(\d{1,5})$/.exec(text);
  if (match === null) throw addressInvalid(text);
  const host = match[1] ?? match[2];
  const port = Number(match[3]);
  if (port > 65535) throw addressInvalid(text);
  return { host: host === undefined || host === "" ? undefined : host, port, text };
}

/**
 * Opens the server's socket; resolves when it accepts connections.
 *
 * @throws CLEW_TRANSPORT_ADDRESS_IN_USE, CLEW_TRANSPORT_ADDRESS_REFUSED with the system's error as the cause.
 */
export function listen(server: NetServer, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      reject(error.code === "EADDRINUSE" ? addressInUse(address.text, error) : addressRefused(address.text, error));
    };
    server.once("error", fail);
    server.listen({ host: address.host, port: address.port }, () => {
      server.off("error", fail);
      resolve();
    });
  });
}

/**
 * The URL others reach a listening server at. A server on all interfaces goes by the first address of this machine that
 * others can see (IPv4 before IPv6), as Kratos has it, and by the loopback when there is none.
 */
export function endpointOf(scheme: string, bound: AddressInfo, address?: Address): URL {
  const host = address?.host ?? bound.address;
  const reachable = isWildcard(host) ? findOwnHost() : host;
  return new URL(`${scheme}://${reachable.includes(":") ? `[${reachable}]` : reachable}:${bound.port}`);
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

function findOwnHost(): string {
  const outer = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((one) => !one.internal && !one.address.startsWith("fe80:") && !one.address.startsWith("169.254."));
  return (outer.find((one) => one.family === "IPv4") ?? outer[0])?.address ?? "127.0.0.1";
}
