import { ReceiveWindow, type RoundTripClock } from "./flow-control.ts";
import { Reservations } from "./reservations.ts";
import type { Stream } from "./stream.ts";

export interface ReceiveFlowInit {
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  readonly maxWindowBytes: number;
  /** What paused streams may hold before the connection's window is no longer given back. */
  readonly maxHeldBytes: number;
  /** What streams may reserve together, and by how much their windows may grow together. */
  readonly maxUnfinishedBytes: number;
  readonly stallTimeoutMs: number;
  /** A stream has reserved what others wait for, and sends next to nothing. */
  readonly onStalledStream: (stream: Stream) => void;
  readonly clock: RoundTripClock;
  /** Says WINDOW_UPDATE; stream 0 is the connection. */
  readonly updateWindow: (id: number, increment: number) => void;
}

/**
 * The receiving half of flow control (RFC 9113 section 5.2): what streams and connection have received, and when it is given
 * back. What reaches a stream's listener counts as used, unless the stream is paused. The connection gets back even that, so
 * that a paused stream does not stop the others, until all paused streams together hold too much. A stream that waits for
 * its reservation gets nothing back, and the connection everything, since only the others can end its waiting.
 */
export class ReceiveFlow {
  readonly #init: ReceiveFlowInit;
  readonly #window: ReceiveWindow;
  #heldBytes = 0;
  // Of the connection's window, what is not given back because paused streams hold too much.
  #owedBytes = 0;
  readonly #reservations: Reservations;
  // What a window has grown by cannot be taken back, and can be filled with what is never finished.
  #grownBytes = 0;

  constructor(init: ReceiveFlowInit) {
    this.#init = init;
    this.#window = new ReceiveWindow(init.connectionWindowBytes, init.maxWindowBytes);
    this.#reservations = new Reservations({
      maxBytes: init.maxUnfinishedBytes,
      timeoutMs: init.stallTimeoutMs,
      onGranted: (stream, withheldBytes) => this.#useOn(stream, withheldBytes),
      onStalled: init.onStalledStream,
      isHeldBack: () => this.#owedBytes > 0,
    });
  }

  /** Counts what arrived on the connection; false when it is more than its window. */
  receive(bytes: number): boolean {
    return this.#window.receive(bytes);
  }

  /** Counts what arrived on a stream; false when it is more than its window. */
  receiveOn(stream: Stream, bytes: number): boolean {
    stream.window ??= new ReceiveWindow(this.#init.streamWindowBytes, this.#init.maxWindowBytes);
    return stream.window.receive(bytes);
  }

  /** Gives the connection back what no stream has use for. */
  use(bytes: number): void {
    const increment = this.#window.use(bytes, this.#init.clock);
    if (increment > 0) this.#init.updateWindow(0, increment);
  }

  /** What came on a stream was handed to its listener. */
  deliver(stream: Stream, bytes: number): void {
    if (stream.isPaused && !stream.isClosed) {
      stream.heldBytes += bytes;
      this.#heldBytes += bytes;
      if (this.#heldBytes > this.#init.maxHeldBytes) this.#owedBytes += bytes;
      else this.use(bytes);
      return;
    }
    this.use(bytes);
    this.#useOn(stream, bytes);
  }

  /** A paused stream goes on. */
  resume(stream: Stream): void {
    const bytes = stream.heldBytes;
    this.release(stream);
    this.#useOn(stream, bytes);
  }

  /** A stream needs room for `bytes`, of which a part may have come; 0 for none any more. */
  reserve(stream: Stream, bytes: number): void {
    if (bytes > 0 && !stream.isClosed) this.#reservations.reserve(stream, bytes);
    else this.#reservations.release(stream);
  }

  /** A stream is over. */
  forget(stream: Stream): void {
    this.release(stream);
    if (stream.reservation !== undefined) this.#reservations.release(stream);
    if (stream.window !== undefined) this.#grownBytes -= stream.window.size - this.#init.streamWindowBytes;
  }

  /** The connection is over. */
  stop(): void {
    this.#reservations.stop();
  }

  /** A stream holds nothing any more: it goes on, or it is over. */
  release(stream: Stream): void {
    if (stream.heldBytes === 0) return;
    this.#heldBytes -= stream.heldBytes;
    stream.heldBytes = 0;
    if (this.#owedBytes === 0 || this.#heldBytes > this.#init.maxHeldBytes) return;
    const owed = this.#owedBytes;
    this.#owedBytes = 0;
    this.use(owed);
  }

  #useOn(stream: Stream, bytes: number): void {
    if (stream.isRemoteOver || stream.isClosed) return;
    const reservation = stream.reservation;
    if (reservation !== undefined && !reservation.isGranted) {
      reservation.withheldBytes += bytes;
      return;
    }
    const window = stream.window!;
    const size = window.size;
    const increment = window.use(bytes, this.#init.clock, this.#init.maxUnfinishedBytes - this.#grownBytes);
    if (increment === 0) return;
    this.#grownBytes += window.size - size;
    this.#init.updateWindow(stream.id, increment);
  }
}
