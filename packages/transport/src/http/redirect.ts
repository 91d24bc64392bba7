import { ServiceError } from "@clew/rpc";
import { statusInvalid } from "../errors.ts";

const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Redirects the caller when a middleware, a raw handler or a filter throws it. Over HTTP the caller gets the redirect; over other
 * protocols it is an error with the reason REDIRECT and the location in its metadata. 307 and 308 keep the verb and the body; 303
 * makes the caller use GET.
 */
export class Redirect extends ServiceError {
  override readonly name: string = "Redirect";
  readonly location: string;

  /** @throws CLEW_TRANSPORT_STATUS when the status is not 301, 302, 303, 307 or 308. */
  constructor(url: string | URL, status = 302) {
    if (!redirectStatuses.has(status)) throw statusInvalid(status, "one of 301, 302, 303, 307 or 308");
    const location = escapeLocation(String(url));
    super(status, "REDIRECT", `look at ${location}`, { metadata: { location } });
    this.location = location;
  }
}

/** Escapes a URL for a header: characters that are not ASCII, or that end a line, are percent-encoded. */
function escapeLocation(url: string): string {
  return url.toWellFormed().replace(/[^\x21-\x7e]/gu, encodeURIComponent);
}
