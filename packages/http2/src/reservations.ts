import type { Reservation, Stream } from "./stream.ts";

export interface ReservationsInit {
  /** How much there is to reserve. One message may be larger, when it is alone. */
  readonly maxBytes: number;
  /** How long a stream that others wait for may send next to nothing, in milliseconds. */
  readonly timeoutMs: number;
  /** A stream that waited may go on. */
  readonly onGranted: (stream: Stream, withheldBytes: number) => void;
  /** A stream has room that others wait for, and does not use it. */
  readonly onStalled: (stream: Stream) => void;
  /** Whether all streams are held back, so that none can be blamed for what does not come. */
  readonly isHeldBack: () => boolean;
}

// Between two looks. What drips in more slowly stands still.
const leastProgressBytes = 64 * 1024;

/**
 * Who may send the rest of a large message, so that messages which are almost whole, on every stream of a connection, do not
 * hold more than is allowed. Room is given for a whole message at once, first come, first served: whoever has it can finish
 * without waiting for anybody, so honest senders never wait for each other in a circle.
 *
 *     reserve ─▶ #waiting ─▶ #granted ─▶ (the message is whole, or the stream over) release
 *                                └─ next to nothing came while others waited ─▶ onStalled
 */
export class Reservations {
  readonly #init: ReservationsInit;
  // Both are short: what fits into the limit, and what a connection may have of streams.
  readonly #granted: Stream[] = [];
  readonly #waiting: Stream[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(init: ReservationsInit) {
    this.#init = init;
  }

  reserve(stream: Stream, bytes: number): void {
    if (stream.reservation !== undefined) this.release(stream);
    const reservation: Reservation = { bytes, isGranted: false, withheldBytes: 0, sweptBytes: -1 };
    stream.reservation = reservation;
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#grant(stream, reservation);
      return;
    }
    this.#waiting.push(stream);
    this.#timer ??= setInterval(() => this.#look(), this.#init.timeoutMs).unref();
  }

  release(stream: Stream): void {
    const reservation = stream.reservation;
    if (reservation === undefined) return;
    stream.reservation = undefined;
    const row = reservation.isGranted ? this.#granted : this.#waiting;
    row.splice(row.indexOf(stream), 1);
    if (reservation.isGranted) this.#bytes -= reservation.bytes;
    else this.#init.onGranted(stream, reservation.withheldBytes);
    this.#advance();
  }

  /** Nobody waits any more: the connection is over. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #fits(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#init.maxBytes;
  }

  #grant(stream: Stream, reservation: Reservation): void {
    reservation.isGranted = true;
    this.#bytes += reservation.bytes;
    this.#granted.push(stream);
  }

  #advance(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const reservation = next.reservation!;
      if (!this.#fits(reservation.bytes)) return;
      this.#waiting.shift();
      this.#grant(next, reservation);
      this.#init.onGranted(next, reservation.withheldBytes);
    }
    this.stop();
  }

  #look(): void {
    const isHeldBack = this.#init.isHeldBack();
    // Those that are ended leave the row, and others come: they are looked at next time.
    for (const stream of [...this.#granted]) {
      const reservation = stream.reservation;
      if (reservation === undefined) continue;
      const seen = reservation.sweptBytes;
      reservation.sweptBytes = isHeldBack ? -1 : stream.receivedBytes;
      if (!isHeldBack && seen >= 0 && stream.receivedBytes - seen < leastProgressBytes) this.#init.onStalled(stream);
    }
  }
}
