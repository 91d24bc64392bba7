import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { isBodyLeft } from "./body.ts";

/** How long a connection stays open for its caller to read a reply that came before the request was over. */
const lingerMs = 500;

// Ending at once would make the system answer the rest of the body with a reset, which can overtake the reply at the caller
// (RFC 9112 section 9.6). So: the whole reply now, the end when the caller left or had its time.
export function linger(response: ServerResponse, body: Uint8Array | string | undefined): void {
  if (body === undefined) response.flushHeaders();
  else response.write(body);
  const timer = setTimeout(() => response.end(), lingerMs);
  timer.unref();
  response.once("close", () => clearTimeout(timer));
}

/** A reply as a raw route writes it, whole. */
export interface UnreadReply {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Uint8Array | string;
}

/**
 * Answers a request whose body, or the rest of it, nobody will read: where something is left of it, its caller still gets the whole
 * reply, and the connection ends.
 */
export function replyUnread(request: IncomingMessage, response: ServerResponse, reply: UnreadReply): void {
  const { status, headers, body } = reply;
  const abandonsBody = isBodyLeft(request, 0);
  if (abandonsBody) response.shouldKeepAlive = false;
  response.writeHead(status, headers);
  if (abandonsBody) linger(response, body);
  else response.end(body);
}
