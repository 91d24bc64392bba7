import { type Channel, channel as openChannel } from "node:diagnostics_channel";
import type { Call, ServiceError } from "@clew/rpc";

/** The message of the channels `clew.server.call` and `clew.client.call`, published when a call begins and when it is over. */
export interface CallAnnouncement {
  readonly stage: "begin" | "end";
  readonly call: Call;
  /** The error if the call failed; only at the end. */
  readonly error: ServiceError | undefined;
}

const channels: Readonly<Record<Call["side"], Channel>> = {
  server: openChannel("clew.server.call"),
  client: openChannel("clew.client.call"),
};

/**
 * Announces to subscribers that a call begins: on a server before any middleware sees it, on a client when it is sent. Without a
 * subscriber this costs a single check.
 */
export function announceBegin(call: Call): void {
  const channel = channels[call.side];
  if (channel.hasSubscribers) channel.publish({ stage: "begin", call, error: undefined } satisfies CallAnnouncement);
}

/** Announces to subscribers that a call is over. */
export function announceEnd(call: Call, error?: ServiceError): void {
  const channel = channels[call.side];
  if (channel.hasSubscribers) channel.publish({ stage: "end", call, error } satisfies CallAnnouncement);
}
