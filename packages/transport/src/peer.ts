import type { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Peer } from "@clew/rpc";

const peers = new WeakMap<Socket, Peer>();

/**
 * Returns the other end of a socket: the same object for every call over that socket.
 *
 * @param path the unix socket over which it came; once given, it is the peer's address from then on
 */
export function peerOf(socket: Socket, path = ""): Peer {
  let peer = peers.get(socket);
  if (peer === undefined) {
    peer = new SocketPeer(socket, path);
    peers.set(socket, peer);
  }
  return peer;
}

/** Returns the socket of a peer that {@link peerOf} made. */
export function socketOf(peer: Peer): Socket {
  return SocketPeer.socketOf(peer as SocketPeer);
}

class SocketPeer implements Peer {
  readonly address: string;
  readonly #socket: Socket;
  #certificate: X509Certificate | undefined;

  constructor(socket: Socket, path: string) {
    const { remoteAddress = "", remotePort = 0, remoteFamily } = socket;
    const host = remoteAddress.startsWith("::ffff:")
      ? remoteAddress.slice(7)
      : remoteFamily === "IPv6"
        ? `[${remoteAddress}]`
        : remoteAddress;
    this.address = host === "" ? path : `${host}:${remotePort}`;
    this.#socket = socket;
  }

  // Not a property, because handlers see the peer but must not use its socket.
  static socketOf(peer: SocketPeer): Socket {
    return peer.#socket;
  }

  get certificate(): X509Certificate | undefined {
    // With rejectUnauthorized off, anybody may send any certificate: then it proves nothing.
    if (!isSecure(this.#socket) || !this.#socket.authorized) return undefined;
    this.#certificate ??= this.#socket.getPeerX509Certificate();
    return this.#certificate;
  }
}

function isSecure(socket: Socket): socket is TLSSocket {
  return "encrypted" in socket;
}
