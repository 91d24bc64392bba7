import type { Span } from "@opentelemetry/api";

/**
 * The host and port of `10.0.0.5:9000` or `[::1]:9000`. Any other text, such as the path of a socket, is a host without
 * a port.
 */
export interface Address {
  readonly host: string;
  readonly port: number | undefined;
}

// There are few connections and many calls: a look-up costs a third of parsing the address (0.1 us).
const known = new Map<string, Address>();
const maxKnown = 1024;
const maxKnownChars = 128;

export function parseAddress(text: string): Address {
  let address = known.get(text);
  if (address === undefined) {
    address = parse(text);
    if (known.size >= maxKnown) known.clear();
    if (text.length <= maxKnownChars) known.set(text, address);
  }
  return address;
}

function parse(text: string): Address {
  const [, ipv6, host = ipv6, port] = /^(?:\[([^\]]*)\]|([^/:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (host === undefined) return { host: text, port: undefined };
  return { host, port: port === undefined ? undefined : Number(port) };
}

export function setAddress(span: Span, text: string, hostName: string, portName: string): void {
  if (text === "") return;
  const { host, port } = parseAddress(text);
  span.setAttribute(hostName, host);
  if (port !== undefined) span.setAttribute(portName, port);
}
