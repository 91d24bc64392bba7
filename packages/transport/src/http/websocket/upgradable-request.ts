import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { http } from "../../node-http.ts";

/**
 * A request that node:http treats as an upgrade only if it is one to WebSocket. With a listener for upgrades it would hand over
 * every request that offers one, and Java's HTTP client offers HTTP/2 with each.
 */
export class UpgradableRequest extends http.IncomingMessage {
  /** Whether its sender offers to change the protocol, as node:http found. */
  declare offersUpgrade: boolean | null;

  get upgrade(): boolean {
    if (this.offersUpgrade !== true) return false;
    return this.method === "CONNECT" || this.headers.upgrade?.toLowerCase() === "websocket";
  }

  set upgrade(value: boolean | null) {
    this.offersUpgrade = value;
  }
}

/** A connection that may become a WebSocket. */
export interface UpgradeOffer {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What came after the request. */
  readonly head: Buffer;
}

interface Offer extends UpgradeOffer {
  readonly response: ServerResponse;
  /** Ends what watches the connection until somebody takes it. */
  readonly unwatch: () => void;
}

const offers = new WeakMap<IncomingMessage, Offer>();

/**
 * Makes the response to a request for an upgrade, by which it may be refused; undefined when another one is still under way.
 *
 * @param onLeave called when the caller leaves before the connection is taken
 */
export function offerUpgrade(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  onLeave: () => void,
): ServerResponse | undefined {
  const response = new http.ServerResponse(request);
  response.shouldKeepAlive = false;
  try {
    response.assignSocket(socket as IncomingMessage["socket"]);
  } catch {
    // The caller did not wait for the reply to what it asked before.
    return undefined;
  }
  response.once("finish", () => {
    response.detachSocket(socket as IncomingMessage["socket"]);
    (socket as IncomingMessage["socket"]).destroySoon();
  });
  offers.set(request, { request, socket, head, response, unwatch: watchLeave(socket, onLeave) });
  return response;
}

/**
 * A socket that nobody reads notices neither end nor reset: this one is read into its buffer, where what a caller says before it is
 * let in waits for who takes the connection. Of a caller that did say something, the end is noticed only then.
 */
function watchLeave(socket: Duplex, onLeave: () => void): () => void {
  const onReadable = (): void => {
    // Reading from an empty buffer takes nothing, and lets an end come out.
    if (socket.readableLength === 0) socket.read();
  };
  const onError = (): void => {}; // the close that follows tells it all
  socket.on("readable", onReadable).on("end", onLeave).on("close", onLeave).on("error", onError);
  return () => socket.off("readable", onReadable).off("end", onLeave).off("close", onLeave).off("error", onError);
}

/** Whether a request can be upgraded: it came over HTTP/1.1, asks for it, and was not answered. */
export function isUpgradable(request: IncomingMessage): boolean {
  return offers.has(request);
}

/** Takes the connection of a request, whose response can no longer be used. Once. */
export function takeUpgrade(request: IncomingMessage): UpgradeOffer | undefined {
  const offer = offers.get(request);
  if (offer === undefined || offer.response.headersSent) return undefined;
  offers.delete(request);
  offer.unwatch();
  offer.response.detachSocket(offer.socket as IncomingMessage["socket"]);
  return offer;
}
