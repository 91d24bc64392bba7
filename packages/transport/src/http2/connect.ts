import { connect as connectPlain, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectSecure, type TLSSocket } from "node:tls";
import { alpnProtocol } from "@clew/http2";

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  /** The unix socket to connect to, instead of host and port. */
  readonly socketPath?: string | undefined;
  /** Undefined for plain TCP, with prior knowledge that HTTP/2 is spoken. */
  readonly tls: ConnectionOptions | undefined;
  /** Over TLS, whether a server may choose HTTP/1.1 as well. */
  readonly allowsHttp1?: boolean | undefined;
  /** How long connecting may take, in milliseconds. */
  readonly connectTimeoutMs: number;
}

/** `host:port` of where a connection leads, or the path of a unix socket. */
export function addressOf({ host, port, socketPath }: Pick<ConnectOptions, "host" | "port" | "socketPath">): string {
  return socketPath ?? `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Whether HTTP/2 is spoken on a socket that {@link connect} made. */
export function speaksHttp2(socket: Socket): boolean {
  return !("encrypted" in socket) || (socket as TLSSocket).alpnProtocol === alpnProtocol;
}

/** A socket that is connected, and over TLS has agreed on the protocol. Rejects with the system's error, or when the signal aborts. */
export function connect(options: ConnectOptions, signal: AbortSignal): Promise<Socket> {
  const { connectTimeoutMs, tls, allowsHttp1 = false } = options;
  const address = addressOf(options);
  const socket = openSocket(options);
  return new Promise((resolve, reject) => {
    const abort = (): void => void socket.destroy(signal.reason as Error);
    const timer = setTimeout(() => {
      // The code is undici's for the same: what may be tried again is told by it.
      const error = new Error(`no connection to ${address} within ${connectTimeoutMs} ms`);
      socket.destroy(Object.assign(error, { code: "UND_ERR_CONNECT_TIMEOUT" }));
    }, connectTimeoutMs);
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      socket.off("error", fail);
      socket.off("close", hungUp);
    };
    const fail = (error: Error): void => {
      settle();
      // It may fail again while it closes; nobody is left to tell.
      socket.on("error", () => {});
      reject(error);
    };
    const hungUp = (): void => fail(new Error(`${address} closed the connection`));
    signal.addEventListener("abort", abort, { once: true });
    socket.on("error", fail);
    // A peer may hang up without an error.
    socket.on("close", hungUp);
    socket.once(tls === undefined ? "connect" : "secureConnect", () => {
      if (!allowsHttp1 && !speaksHttp2(socket)) {
        socket.destroy(new Error(`${address} does not speak HTTP/2: it did not choose "${alpnProtocol}" by ALPN`));
        return;
      }
      settle();
      resolve(socket);
    });
    if (signal.aborted) abort();
  });
}

function openSocket({ host, port, socketPath, tls, allowsHttp1 }: ConnectOptions): Socket {
  const where = socketPath === undefined ? { host, port } : { path: socketPath };
  if (tls === undefined) return connectPlain({ ...where, noDelay: true });
  // An address is no name to ask for (RFC 6066 section 3).
  const name = isIP(host) === 0 ? { servername: host } : {};
  const ALPNProtocols = allowsHttp1 ? [alpnProtocol, "http/1.1"] : [alpnProtocol];
  const socket = connectSecure({ ...name, ...tls, ...where, ALPNProtocols });
  socket.setNoDelay(true);
  return socket;
}
