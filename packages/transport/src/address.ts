import { lstatSync, readFileSync, unlinkSync } from "node:fs";
import { type AddressInfo, connect, type ListenOptions, type Server as NetServer } from "node:net";
import { networkInterfaces } from "node:os";
import { resolve as resolvePath } from "node:path";
import { addressInUse, addressInvalid, addressRefused } from "./errors.ts";

/** The address on which a server listens. Without a host it listens on all interfaces. */
export interface Address {
  readonly host: string | undefined;
  readonly port: number;
  /** The unix socket to listen on, instead of a port. */
  readonly path?: string;
  /** The address as it was given, for messages. */
  readonly text: string;
}

/**
 * Reads `":8000"`, `"127.0.0.1:8000"`, `"localhost:8000"`, `"[::1]:8000"`, `"unix:/run/shop.sock"`. Port 0 means any free port.
 *
 * @throws CLEW_TRANSPORT_ADDRESS when the text has none of these forms.
 */
export function parseAddress(text: string): Address {
  const path = /^unix:(?:\/\/(?=\/))?([^\0]+)$/.exec(text)?.[1];
  if (path !== undefined) return { host: undefined, port: 0, path: resolvePath(path), text };
  const match = /^(?:\[([^[\]]+)\]|([^:[\]/\s]*)):(\d{1,5})$/.exec(text);
  if (match === null) throw addressInvalid(text);
  const host = match[1] ?? match[2];
  const port = Number(match[3]);
  if (port > 65535) throw addressInvalid(text);
  return { host: host === undefined || host === "" ? undefined : host, port, text };
}

/**
 * Opens the server's socket; resolves when it accepts connections. The file of a unix socket on which nobody listens any more,
 * left by a process that died, is replaced. The file is removed when the server closes.
 *
 * @throws CLEW_TRANSPORT_ADDRESS_IN_USE, CLEW_TRANSPORT_ADDRESS_REFUSED with the system's error as the cause.
 */
export async function listen(server: NetServer, { host, port, path, text }: Address): Promise<void> {
  try {
    if (path === undefined) await open(server, { host, port });
    else await openPath(server, path);
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === "EADDRINUSE"
      ? addressInUse(text, error)
      : addressRefused(text, error);
  }
}

/** Takes over a socket that was opened before the process started, by its file descriptor. */
export async function listenOnDescriptor(server: NetServer, fd: number): Promise<void> {
  try {
    await open(server, { fd });
  } catch (error) {
    throw addressRefused(`file descriptor ${fd}`, error);
  }
}

async function openPath(server: NetServer, path: string): Promise<void> {
  try {
    await open(server, { path });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || !(await isStale(path))) throw error;
    unlinkSync(path);
    await open(server, { path });
  }
}

function open(server: NetServer, options: ListenOptions & { fd?: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Whether a file is a socket on which nobody listens. Any other file is left alone. */
function isStale(path: string): Promise<boolean> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  });
}

/**
 * Returns the URL at which other processes reach a listening server. For a server on all interfaces it has the first address of
 * this machine that others can reach (IPv4 before IPv6), as in Kratos, or the loopback address if there is none. For a unix
 * socket it is `http+unix:///run/shop.sock`.
 */
export function endpointOf(scheme: string, bound: AddressInfo | string, address?: Address): URL {
  if (typeof bound === "string") {
    return new URL(`${scheme}+unix://${encodeURI(resolvePath(bound)).replace(/[?#]/g, encodeURIComponent)}`);
  }
  const host = address?.host ?? bound.address;
  const reachable = isWildcard(host) ? findOwnHost() : host;
  return new URL(`${scheme}://${reachable.includes(":") ? `[${reachable}]` : reachable}:${bound.port}`);
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

function findOwnHost(): string {
  const outer = Object.entries(networkInterfaces())
    .map(([name, addresses = []]) => ({ index: indexOf(name), addresses }))
    .sort((one, other) => one.index - other.index)
    .flatMap(({ addresses }) => addresses)
    .filter((one) => !one.internal && !one.address.startsWith("fe80:") && !one.address.startsWith("169.254."));
  return (outer.find((one) => one.family === "IPv4") ?? outer[0])?.address ?? "127.0.0.1";
}

/**
 * The number of a network interface. The machine's own interfaces come before those of its containers. Node lists interfaces in the
 * order of the system, which on Linux is the order of their numbers only up to 256. Other systems have no such file; their order is
 * kept.
 */
function indexOf(name: string): number {
  try {
    return Number(readFileSync(`/sys/class/net/${name.split(":", 1)[0]}/ifindex`, "utf8"));
  } catch {
    return 0;
  }
}
