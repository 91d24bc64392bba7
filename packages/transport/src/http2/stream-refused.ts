/**
 * What a request failed with that the server refused before it looked at it (REFUSED_STREAM, RFC 9113 section 8.7), as the cause of its
 * ServiceError: by the code whoever repeats calls knows that this one was not begun.
 */
export function streamRefused(cause: Error | undefined): Error {
  const error = new Error("the stream was reset (HTTP/2: REFUSED_STREAM)", cause && { cause });
  return Object.assign(error, { code: "CLEW_HTTP2_REFUSED" });
}
