/** What a client sends before its first frame (RFC 9113 section 3.4). */
export const clientPreface: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** The protocol's name in TLS's ALPN extension. */
export const alpnProtocol = "h2";

/**
 * Whether a connection that begins with `bytes` speaks HTTP/2 with prior knowledge: true or false once it is certain,
 * undefined while more bytes are needed. `PRI` is reserved for this, so three bytes tell it from HTTP/1.1.
 */
export function isHttp2Preface(bytes: Uint8Array): boolean | undefined {
  const length = Math.min(bytes.length, clientPreface.length);
  for (let i = 0; i < length; i++) {
    if (bytes[i] !== clientPreface[i]) return false;
  }
  return length === clientPreface.length ? true : undefined;
}
