import { type Metadata, ServiceError } from "@clew/rpc";

/** How a call that a node was picked for ended. */
export interface Outcome {
  /** What was thrown; undefined for a reply. */
  readonly error?: unknown;
  /** The trailers of the reply, where there were any: some servers tell their load in them. */
  readonly replyTrailers?: Metadata | undefined;
}

/**
 * Whether the outcome speaks against the node: it could not be reached, does not accept, or did not answer in time (502, 503,
 * 504), or something was thrown that is no ServiceError. An error that the service chose to answer does not, nor does a caller
 * that gave up.
 */
export function isNodeFailure({ error }: Outcome): boolean {
  if (error === undefined) return false;
  return !(error instanceof ServiceError) || (error.code >= 502 && error.code <= 504);
}
