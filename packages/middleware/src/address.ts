import type { Span } from "@opentelemetry/api";

/** `10.0.0.5:9000` and `[::1]:9000` in their parts; anything else, such as the path of a socket, is a host alone. */
export interface Address {
  readonly host: string;
  readonly port: number | undefined;
}

// Connections are few where calls are many: to look an address up costs a third of taking it apart (0.1 us).
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
