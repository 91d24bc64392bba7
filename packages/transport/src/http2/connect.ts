import { connect as connectPlain, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectSecure, type TLSSocket } from "node:tls";
import { alpnProtocol, ClientSession, type ClientSessionOptions } from "@clew/http2";

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  /** Undefined for plain TCP, with prior knowledge that HTTP/2 is spoken. */
  readonly tls: ConnectionOptions | undefined;
  /** How long connecting may take, in milliseconds. */
  readonly connectTimeoutMs: number;
  readonly session: ClientSessionOptions;
}

/** A session and the socket it is on. */
export interface Connected {
  readonly session: ClientSession;
  readonly socket: Socket;
}

/** Connects; rejects with the system's error, or when the signal aborts. */
export function connect(options: ConnectOptions, signal: AbortSignal): Promise<Connected> {
  const { connectTimeoutMs, tls } = options;
  const authority = `${options.host.includes(":") ? `[${options.host}]` : options.host}:${options.port}`;
  const socket = openSocket(options);
  return new Promise((resolve, reject) => {
    const abort = (): void => void socket.destroy(signal.reason as Error);
    const timer = setTimeout(() => {
      socket.destroy(new Error(`no connection to ${authority} within ${connectTimeoutMs} ms`));
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
    const hungUp = (): void => fail(new Error(`${authority} closed the connection`));
    signal.addEventListener("abort", abort, { once: true });
    socket.on("error", fail);
    // A peer may hang up without an error.
    socket.on("close", hungUp);
    socket.once(tls === undefined ? "connect" : "secureConnect", () => {
      const spoken = tls === undefined ? alpnProtocol : (socket as TLSSocket).alpnProtocol;
      if (spoken !== alpnProtocol) {
        socket.destroy(new Error(`${authority} does not speak HTTP/2: it did not choose "${alpnProtocol}" by ALPN`));
        return;
      }
      settle();
      resolve({ session: new ClientSession(socket, options.session), socket });
    });
    if (signal.aborted) abort();
  });
}

function openSocket({ host, port, tls }: ConnectOptions): Socket {
  if (tls === undefined) return connectPlain({ host, port, noDelay: true });
  // An address is no name to ask for (RFC 6066 section 3).
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connectSecure({ ...name, ...tls, host, port, ALPNProtocols: [alpnProtocol] });
  socket.setNoDelay(true);
  return socket;
}
