import { type Metadata, ServiceError } from "@clew/rpc";

/** How a call that a node was picked for ended. */
export interface Outcome {
  /** The error that was thrown; undefined for a reply. */
  readonly error?: unknown;
  /** The trailers of the reply, if there were any: some servers report their load in them. */
  readonly replyTrailers?: Metadata | undefined;
}

/**
 * Whether the outcome is a failure of the node: it could not be reached, refused, or did not answer in time (502, 503, 504), or
 * an error was thrown that is not a ServiceError. Any other error that the service answers is not a failure of the node, and
 * neither is a caller that gave up.
 */
export function isNodeFailure({ error }: Outcome): boolean {
  if (error === undefined) return false;
  return !(error instanceof ServiceError) || (error.code >= 502 && error.code <= 504);
}
