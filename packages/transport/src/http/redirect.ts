import { ServiceError } from "@clew/rpc";
import { statusInvalid } from "../errors.ts";

const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * To be thrown by a middleware, a raw handler or a filter: over HTTP the caller is sent elsewhere, everywhere else it is an error
 * with the reason REDIRECT and the location in its metadata. 307 and 308 keep the verb and the body, 303 asks with GET.
 */
export class Redirect extends ServiceError {
  override readonly name: string = "Redirect";
  readonly location: string;

  /** @throws CLEW_TRANSPORT_STATUS when the status is none of 301, 302, 303, 307, 308. */
  constructor(url: string | URL, status = 302) {
    if (!redirectStatuses.has(status)) throw statusInvalid(status, "301, 302, 303, 307 or 308");
    const location = escapeLocation(String(url));
    super(status, "REDIRECT", `look at ${location}`, { metadata: { location } });
    this.location = location;
  }
}

/** A URL as a header may have it: what is not ASCII, or ends a line, is percent-encoded. */
function escapeLocation(url: string): string {
  return url.toWellFormed().replace(/[^\x21-\x7e]/gu, encodeURIComponent);
}
