import { type ServerProcess, startServerProcess } from "../server-process.ts";

/** What a sink can do to who sends it spans. */
export const sinkModes = [
  /** Takes everything at once. */
  "well",
  /** Answers 500 and 503. */
  "fails",
  /** Answers 429 and 503 with Retry-After. */
  "throttles",
  /** Takes half of each request and says so. */
  "partial",
  /** Answers with what is no answer: bytes that are no protobuf, a page of a megabyte, no HTTP. */
  "garbage",
  /** Takes everything, three seconds later. */
  "slow",
  /** Resets the connection once the request is there. */
  "resets",
  /** Says 200, and resets the connection before it has said it all. */
  "cuts",
  /** Accepts and never answers. */
  "hangs",
  /** Does not listen, and lets go of who was connected. */
  "away",
] as const;
export type SinkMode = (typeof sinkModes)[number];

/** What came to a sink so far. */
export interface SinkStats {
  /** Spans that it told their sender it had. */
  readonly taken: number;
  /** Spans that it told their sender it would not have, out of requests it took. */
  readonly rejected: number;
  /** Requests, by what it did to them. */
  readonly requests: Readonly<Record<SinkMode, number>>;
}

/** An OTLP collector in a process of its own. */
export interface Sink {
  readonly endpoint: string;
  /** Resolves with what came before, when it has changed. */
  become(mode: SinkMode): Promise<SinkStats>;
  stop(): Promise<void>;
}

/**
 * Starts a sink that takes everything, on the core of the load: on the server's own it would take its caches away. It ends with this
 * process.
 *
 * @param counts whether it looks into the requests and counts their spans. While it does, the load has to wait for it, and the server
 * for the load: where the server's CPU time is measured, nobody should.
 */
export async function startSink(counts = true): Promise<Sink> {
  const program = new URL("sink-process.ts", import.meta.url).pathname;
  const command = [process.execPath, program, ...(counts ? [] : ["blind"])];
  const server: ServerProcess = await startServerProcess("sink", command, 1);
  return {
    endpoint: `http://127.0.0.1:${server.port}`,
    become: (mode) => server.ask<SinkStats>(mode),
    stop: () => server.stop(),
  };
}
