import type { ServerResponse } from "node:http";
import type { Metadata, ServiceError } from "@clew/rpc";

/** How long a connection stays open for its caller to read a reply that came before the request was over. */
const lingerMs = 500;

/** Names that frame a reply or belong to its body: not for a handler to set. */
const ownHeaders: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "content-type",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** A reply as it goes over the wire. */
export interface HttpReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array | string;
  readonly metadata?: Metadata | undefined;
  /** Headers of the transport itself. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The connection ends with this reply, because the request's body is still under way and nobody will read it. */
  readonly abandonsBody?: boolean;
}

/**
 * Writes a reply in one go.
 *
 * @throws TypeError when the metadata has a name or a value that no header can have; nothing is sent then.
 */
export function sendReply(response: ServerResponse, reply: HttpReply): void {
  const { metadata, body } = reply;
  const headers: string[] = ["content-type", reply.contentType, "content-length", String(byteLength(body))];
  if (metadata !== undefined) {
    for (const [name, value] of metadata) if (!ownHeaders.has(name)) headers.push(name, value);
  }
  for (const name in reply.headers) headers.push(name, reply.headers[name]!);
  if (reply.abandonsBody) response.shouldKeepAlive = false;
  response.writeHead(reply.status, headers);
  if (reply.abandonsBody) linger(response, body);
  else response.end(body);
}

/** Writes an error in Kratos's shape: `{"code":404,"reason":"USER_NOT_FOUND","message":"no user ann","metadata":{}}`. */
export function sendError(
  response: ServerResponse,
  error: ServiceError,
  rest: Pick<HttpReply, "metadata" | "headers" | "abandonsBody"> = {},
): void {
  sendReply(response, {
    ...rest,
    status: toStatus(error.code),
    contentType: "application/json",
    body: JSON.stringify(error),
  });
}

/** The HTTP status of an error's code; 500 for one that is no status of a reply that has a body. */
export function toStatus(code: number): number {
  return Number.isInteger(code) && code >= 200 && code <= 599 && code !== 204 && code !== 205 && code !== 304
    ? code
    : 500;
}

// Ending at once would make the system answer the rest of the body with a reset, which can overtake the reply at the caller
// (RFC 9112 section 9.6). So: the whole reply now, the end when the caller left or had its time.
function linger(response: ServerResponse, body: Uint8Array | string): void {
  response.write(body);
  const timer = setTimeout(() => response.end(), lingerMs);
  timer.unref();
  response.once("close", () => clearTimeout(timer));
}

function byteLength(body: Uint8Array | string): number {
  return typeof body === "string" ? Buffer.byteLength(body) : body.length;
}
