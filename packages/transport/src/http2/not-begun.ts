// By this code whoever repeats calls knows that one was not begun.
const code = "CLEW_HTTP2_REFUSED";

/**
 * What a request failed with that the server refused before it looked at it (REFUSED_STREAM, RFC 9113 section 8.7), as the cause of its
 * ServiceError.
 */
export function streamRefused(cause: Error | undefined): Error {
  const error = new Error("the stream was reset (HTTP/2: REFUSED_STREAM)", cause && { cause });
  return Object.assign(error, { code });
}

/** What the calls of a client fail with that it did not send any more, as the cause of their ServiceError. */
export function clientClosed(): Error {
  return Object.assign(new Error("the client was closed"), { code });
}
