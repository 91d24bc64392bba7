import type { IncomingMessage, ServerResponse } from "node:http";

/**
 * Answers a raw HTTP request. What it throws is answered as an error, if it did not begin a reply. Over HTTP/2 request and
 * response are stand-ins that have what handlers use of node:http's: see Http2Request and Http2Response.
 */
export type RawHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  variables: Readonly<Record<string, string>>,
) => void | Promise<void>;

/** A path outside of any service. */
export interface Route {
  /** `GET`; `*` for any. */
  readonly verb: string;
  /** A path template of google.api.http: `/api/traces/{id}`, `/{path=**}`. */
  readonly path: string;
  readonly handle: RawHandler;
}

/** A function around every request, also those no route knows, before any call exists: CORS, compression, access rules. */
export type Filter = (next: RawHandler) => RawHandler;
