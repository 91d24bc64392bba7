import type { Call } from "@clew/rpc";
import { statusInvalid } from "../errors.ts";
import { HttpServerCall } from "./call.ts";
import { Redirect } from "./redirect.ts";

/**
 * Gives the reply of a call over HTTP another status than 200: `setStatus(call, 201)`. With 204 and 205, and from 300 on, the
 * reply has no body. Elsewhere it does nothing; a failure is a ServiceError, not a status.
 *
 * @throws CLEW_TRANSPORT_STATUS when the status is not from 200 to 399.
 */
export function setStatus(call: Call, status: number): void {
  if (!Number.isInteger(status) || status < 200 || status > 399)
    throw statusInvalid(status, "a status from 200 to 399");
  if (call instanceof HttpServerCall) call.status = status;
}

/**
 * Sends the caller elsewhere, as the reply of a method: `return redirect(call, "/login")`. To middleware it is a call that went
 * well. A caller that does not speak HTTP gets an error, see {@link Redirect}, which a middleware or a raw handler throws itself.
 *
 * @throws CLEW_TRANSPORT_STATUS when the status is none of 301, 302, 303, 307, 308.
 */
export function redirect(call: Call, url: string | URL, status = 302): Record<never, never> {
  const target = new Redirect(url, status);
  if (!(call instanceof HttpServerCall)) throw target;
  call.status = status;
  call.replyMetadata.set("location", target.location);
  return {};
}
