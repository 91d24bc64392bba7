import { readUint32, writeUint32 } from "./frame.ts";

/** The PINGs that wait for their answer. Each carries its number, so answers may come in any order. */
export class Pings {
  readonly #now: () => number;
  readonly #asked: Map<number, { readonly at: number; readonly onAnswer: (roundTripMs: number) => void }> = new Map();
  #next = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The payload of a new PING. */
  ask(onAnswer: (roundTripMs: number) => void): Buffer {
    const payload = Buffer.alloc(8);
    const number = this.#next++ >>> 0;
    writeUint32(payload, 4, number);
    this.#asked.set(number, { at: this.#now(), onAnswer });
    return payload;
  }

  /** Takes an answer that begins at `at`; the round trip in milliseconds and whom to tell, or undefined if nobody asked. */
  take(bytes: Uint8Array, at: number): { roundTripMs: number; onAnswer: (roundTripMs: number) => void } | undefined {
    const number = readUint32(bytes, at + 4);
    const asked = this.#asked.get(number);
    if (asked === undefined) return undefined;
    this.#asked.delete(number);
    return { roundTripMs: this.#now() - asked.at, onAnswer: asked.onAnswer };
  }
}
