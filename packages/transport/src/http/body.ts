import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { callCancelled, indexOfHeader, ServiceError } from "@clew/rpc";
import { mergeChunks } from "../merge-chunks.ts";
import { Http2Request } from "./http2-request.ts";

/** Responses whose caller waits for a 100 before it sends its body (RFC 9110 section 10.1.1). */
const awaitingContinue = new WeakSet<ServerResponse>();

/** Leaves the 100 to who reads the body: a caller whose body nobody wants shall not send it. */
export function awaitContinue(response: ServerResponse): void {
  awaitingContinue.add(response);
}

/** Tells the caller to go on, if it waits for that. */
export function sendContinue(response: ServerResponse): void {
  if (awaitingContinue.delete(response)) response.writeContinue();
}

/** Whether a request comes with a body, also an empty one in chunks (RFC 9112 section 6.3). */
export function hasBody(request: IncomingMessage): boolean {
  // Over HTTP/2 a body need not say so (RFC 9113 section 8.1): what did not end with its headers has one.
  if (request.httpVersionMajor >= 2) return !request.complete;
  // Most requests have none, and their headers are then nobody's by name.
  const { rawHeaders } = request;
  if (indexOfHeader(rawHeaders, "transfer-encoding") !== -1) return true;
  const at = indexOfHeader(rawHeaders, "content-length");
  return at !== -1 && rawHeaders[at + 1] !== "0";
}

/** How much of a body nobody read is let pass, so that the connection can be kept. */
const smallBodyBytes = 64 * 1024;

/** Whether the request's body is still under way, and too long to let it pass. Over HTTP/2 it is no trouble to others. */
export function isBodyLeft(request: IncomingMessage, limitBytes: number): boolean {
  if (request.complete || request.httpVersionMajor >= 2 || !hasBody(request)) return false;
  const length = request.headers["content-length"];
  return length === undefined || Number(length) > Math.min(smallBodyBytes, limitBytes);
}

/** Once this much of a body is there it asks for room: for nearly all that is a look at their length. */
export const unreadBytes: number = 64 * 1024;

// A body that fits into a stream's first window is whole without any room but that.
const unreservedBytes = 256 * 1024;

/** How much room a body needs until it is whole, 0 for none. One that does not say how long it is may be as long as any. */
export function roomOf(headers: IncomingHttpHeaders, limitBytes: number): number {
  const bytes = Number(headers["content-length"] ?? limitBytes);
  return bytes > unreservedBytes ? bytes : 0;
}

/** Asks for room beside the other bodies of the connection; 0 for none any more. HTTP/1.1 has one request at a time, and all the room. */
export function reserveRoom(request: unknown, bytes: number): void {
  if (request instanceof Http2Request) request.reserve(bytes);
}

const noBytes = new Uint8Array(0);

/**
 * Reads a request's body. One that says it is over the limit is not read at all; of one that turns out to be, nothing more is.
 * What `request` still holds then is the caller's to leave there.
 *
 * @throws ServiceError 413 BODY_TOO_LARGE, or 499 when the caller goes away
 */
export function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  limitBytes: number,
  operation: string,
): Promise<Uint8Array> {
  if (!hasBody(request)) return Promise.resolve(noBytes);
  if (Number(request.headers["content-length"] ?? 0) > limitBytes) return Promise.reject(bodyTooLarge(limitBytes));
  sendContinue(response);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    let mergedChunks = 0;
    let hasReserved = false;
    const stop = (): void => {
      if (hasReserved) reserveRoom(request, 0);
      request.off("data", onData);
      request.off("end", onEnd);
      request.off("error", onError);
      request.off("close", onClose);
    };
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > limitBytes) {
        stop();
        request.pause();
        reject(bodyTooLarge(limitBytes));
        return;
      }
      chunks.push(chunk);
      mergedChunks = mergeChunks(chunks, mergedChunks);
      if (hasReserved || length <= unreadBytes) return;
      hasReserved = true;
      reserveRoom(request, roomOf(request.headers, limitBytes));
    };
    const onEnd = (): void => {
      stop();
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length));
    };
    const onError = (error: Error): void => {
      stop();
      // Errors that come later have been told.
      request.on("error", () => {});
      reject(callCancelled(operation, error));
    };
    const onClose = (): void => {
      stop();
      reject(callCancelled(operation));
    };
    request.on("data", onData);
    request.on("end", onEnd);
    request.on("error", onError);
    request.on("close", onClose);
  });
}

export function bodyTooLarge(limitBytes: number): ServiceError {
  return new ServiceError(413, "BODY_TOO_LARGE", `the body is over the limit of ${limitBytes} bytes`);
}
