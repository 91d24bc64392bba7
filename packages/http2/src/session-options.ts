import { optionInvalid } from "./errors.ts";
import { defaultWindowBytes, maxWindowBytes } from "./flow-control.ts";
import { type LimitOptions, type Limits, resolveLimits } from "./limits.ts";

export interface SessionOptions {
  /** What the peer may cost. Default: see {@link LimitOptions}. */
  limits?: LimitOptions;
  /** How much a stream may send before it hears from us, in bytes; it grows with use. Default: 256 KiB, least 65_535. */
  streamWindowBytes?: number;
  /** The same for all streams of the connection together. Default: 1 MiB, least 65_535. */
  connectionWindowBytes?: number;
  /** What a window may grow to, in bytes. Default: 8 MiB. */
  maxWindowBytes?: number;
  /** Bytes that were read from the socket before the session got it. Default: none. */
  head?: Buffer | undefined;
  /** Called once when the connection is over, with what ended it, or undefined when both ends agreed. Default: nobody is told. */
  onClose?: (error: Error | undefined) => void;
  /** The peer asked for a sign of life. Default: nobody is told. */
  onPing?: () => void;
  /** The peer takes no more streams: its code, and its words. Default: nobody is told. */
  onGoAway?: (code: number, debug: string) => void;
  /** A listener threw; its stream is reset. Default: the error is thrown on, from a task of its own. */
  onListenerError?: (error: unknown) => void;
  /** Milliseconds from any moment on, never backwards. Default: performance.now. */
  now?: () => number;
}

/** {@link SessionOptions} with nothing left open. */
export interface ResolvedSessionOptions {
  readonly limits: Limits;
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  readonly maxWindowBytes: number;
  readonly head: Buffer | undefined;
  readonly onClose: (error: Error | undefined) => void;
  readonly onPing: () => void;
  readonly onGoAway: (code: number, debug: string) => void;
  readonly onListenerError: (error: unknown) => void;
  readonly now: () => number;
}

/** @throws TypeError CLEW_HTTP2_OPTION. */
export function resolveSessionOptions(options: SessionOptions): ResolvedSessionOptions {
  const windows = {
    streamWindowBytes: options.streamWindowBytes ?? 256 * 1024,
    connectionWindowBytes: options.connectionWindowBytes ?? 1024 * 1024,
    maxWindowBytes: options.maxWindowBytes ?? 8 * 1024 * 1024,
  };
  for (const [name, given] of Object.entries(windows)) {
    // Less than the protocol's own default would be broken by data that is under way before our SETTINGS arrive.
    if (!(given >= defaultWindowBytes && given <= maxWindowBytes)) {
      throw optionInvalid(name, given, "a number from 65_535 to 2^31-1");
    }
  }
  return {
    ...windows,
    limits: resolveLimits(options.limits),
    head: options.head,
    onClose: options.onClose ?? (() => {}),
    onPing: options.onPing ?? (() => {}),
    onGoAway: options.onGoAway ?? (() => {}),
    onListenerError: options.onListenerError ?? throwLater,
    now: options.now ?? (() => performance.now()),
  };
}

function throwLater(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
