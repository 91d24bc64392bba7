/** A unix socket that a client calls. */
export interface UnixEndpoint {
  readonly socketPath: string;
  readonly isSecure: boolean;
}

/**
 * Reads an endpoint that names a unix socket: `unix:/run/a.sock`, or with a protocol, as servers report it: `http+unix:///run/a.sock`,
 * `https+unix:///run/a.sock`. Undefined for any other endpoint. The path is percent-encoded, as in a URL.
 */
export function parseUnixEndpoint(text: string, protocol: string): UnixEndpoint | undefined {
  const match = /^(?:([a-z]+)\+)?unix:(?:\/\/(?=\/))?([^?#]+)$/i.exec(text);
  if (match === null) return undefined;
  const scheme = match[1]?.toLowerCase() ?? protocol;
  if (scheme !== protocol && scheme !== `${protocol}s`) return undefined;
  return { socketPath: decodePath(match[2]!), isSecure: scheme !== protocol };
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
