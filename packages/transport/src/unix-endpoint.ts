/**
 * The path in an endpoint that is a unix socket: `unix:/run/a.sock`, `unix:///run/a.sock`, or with the protocol before it,
 * `http+unix:/run/a.sock`. Undefined for any other endpoint. It may be percent-encoded, as a URL is.
 */
export function parseUnixEndpoint(text: string, protocol: string): string | undefined {
  const match = /^(?:([a-z]+)\+)?unix:(?:\/\/)?(\/[^?#]+)$/i.exec(text);
  if (match === null || (match[1] !== undefined && match[1].toLowerCase() !== protocol)) return undefined;
  try {
    return decodeURIComponent(match[2]!);
  } catch {
    return match[2]!;
  }
}
