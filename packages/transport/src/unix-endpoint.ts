/** A unix socket that is called. */
export interface UnixEndpoint {
  readonly socketPath: string;
  readonly isSecure: boolean;
}

/**
 * The unix socket that an endpoint names: `unix:/run/a.sock`, or with the protocol before it, as servers tell it:
 * `http+unix:///run/a.sock`, `https+unix:///run/a.sock`. Undefined for any other endpoint. The path is percent-encoded, as a URL's is.
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
