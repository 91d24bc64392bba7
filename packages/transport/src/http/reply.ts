import type { ServerResponse } from "node:http";
import { type Metadata, ServiceError } from "@clew/rpc";
import { type ErrorText, writeJson } from "./error-body.ts";
import { Redirect } from "./redirect.ts";

/** Headers that frame a reply or belong to its body: a handler cannot set them. */
export const ownHeaders: ReadonlySet<string> = new Set([
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

/** A reply as it is sent. */
export interface HttpReply {
  readonly status: number;
  /** Undefined for a reply without a body. */
  readonly contentType: string | undefined;
  readonly body: Uint8Array | string;
  readonly metadata?: Metadata | undefined;
  /** Headers of the transport itself. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /**
   * How much of a request's body that nobody will read may still come, so that a connection of HTTP/1.1 is
   * kept. Default: nothing.
   */
  readonly bodyLimitBytes?: number | undefined;
}

/**
 * Returns the fields of a reply's head as a flat list: name, value, name, value.
 *
 * @throws TypeError for metadata whose name looks like a pseudo-header of HTTP/2. Everything else is checked where it is
 * written.
 */
export function createFields(reply: HttpReply, length: number): string[] {
  const fields = createOwnFields(reply, length);
  if (reply.metadata !== undefined) {
    for (const [name, value] of reply.metadata) {
      if (name.startsWith(":"))
        throw new TypeError(`metadata "${name}" cannot be sent: a header's name must not begin with a colon`);
      // White space at the ends is none of the value's (RFC 9110 section 5.5), and HTTP/2 does not carry it.
      if (!ownHeaders.has(name)) fields.push(name, value.trim());
    }
  }
  for (const name in reply.headers) fields.push(name, reply.headers[name]!);
  return fields;
}

function createOwnFields({ status, contentType }: HttpReply, length: number): string[] {
  // A 204 has no length (RFC 9110 section 8.6).
  if (status === 204) return contentType === undefined ? [] : ["content-type", contentType];
  if (contentType === undefined) return ["content-length", String(length)];
  // All at once: an array that grows has room for 17 more.
  return ["content-type", contentType, "content-length", String(length)];
}

/** Makes metadata headers of a reply that a raw handler will write. */
export function addMetadata(response: ServerResponse, metadata: Metadata): void {
  for (const name of metadata.keys()) {
    if (!ownHeaders.has(name)) response.setHeader(name, metadata.getAll(name));
  }
}

/**
 * Creates the reply for an error, in Kratos's shape: `{"code":404,"reason":"USER_NOT_FOUND","message":"no user
 * ann","metadata":{}}`, or as `text` for a caller that wants another form.
 */
export function createErrorReply(
  error: ServiceError,
  rest: Pick<HttpReply, "metadata" | "headers" | "bodyLimitBytes"> = {},
  text: ErrorText = writeJson(error),
): HttpReply {
  if (error instanceof Redirect) {
    const headers = { ...rest.headers, location: error.location };
    return { ...rest, status: error.code, contentType: undefined, body: "", headers };
  }
  return { ...rest, status: toStatus(error.code), ...text };
}

/** Creates the reply to a request that failed before it reached a route. */
export function createRefusal(problem: Refusal, headerLimitBytes: number): HttpReply {
  switch (problem) {
    case "headers too large":
      return createErrorReply(
        new ServiceError(431, "HEADERS_TOO_LARGE", `the headers are over the limit of ${headerLimitBytes} bytes`),
      );
    case "too slow":
      return createErrorReply(new ServiceError(408, "REQUEST_TIMEOUT", "the request took too long to arrive"));
    case "malformed":
      return createErrorReply(new ServiceError(400, "BAD_REQUEST", "this is not an HTTP request"));
  }
}

export type Refusal = "headers too large" | "too slow" | "malformed";

/** Returns the HTTP status for an error's code; 500 for a code that would signal success to the caller, or that has no body. */
export function toStatus(code: number): number {
  return Number.isInteger(code) && code >= 300 && code <= 599 && code !== 304 ? code : 500;
}

/** Whether a reply of this status has a body (RFC 9110 section 6.4.1; a 3xx of ours says all in its headers). */
export function hasReplyBody(status: number): boolean {
  return status < 300 && status !== 204 && status !== 205;
}
