import { type FlatAttributes, findAttribute } from "../attributes.ts";
import { cut, maxPeerLength } from "./text-limits.ts";

// Where a client called, in the order of how near it is to what the user wrote; old and stable names.
const addressNames = [
  ["server.address", "server.port"],
  ["net.peer.name", "net.peer.port"],
  ["network.peer.address", "network.peer.port"],
  ["net.sock.peer.addr", "net.sock.peer.port"],
  ["messaging.url", ""],
] as const;

/**
 * `host:port` of the other end, as a client's span tells of it; without an address the name of the service there, and empty without
 * one. SkyWalking draws no line to an exit without a peer.
 */
export function peerOf(attributes: FlatAttributes): string {
  for (const [addressName, portName] of addressNames) {
    const address = findAttribute(attributes, addressName);
    if (typeof address !== "string" || address === "") continue;
    const port = portName === "" ? undefined : findAttribute(attributes, portName);
    return cut(port === undefined ? address : joinAddress(address, port), maxPeerLength);
  }
  for (const name of ["url.full", "http.url"]) {
    const url = findAttribute(attributes, name);
    if (typeof url !== "string" || !URL.canParse(url)) continue;
    const { hostname, port, protocol } = new URL(url);
    if (hostname !== "") return cut(`${hostname}:${port || (protocol === "https:" ? 443 : 80)}`, maxPeerLength);
  }
  for (const name of ["service.peer.name", "peer.service"]) {
    const service = findAttribute(attributes, name);
    if (typeof service === "string" && service !== "") return cut(service, maxPeerLength);
  }
  return "";
}

function joinAddress(address: string, port: unknown): string {
  return address.includes(":") && !address.startsWith("[") ? `[${address}]:${port}` : `${address}:${port}`;
}
