import { randomBytes } from "node:crypto";
import { checkOptions, wholeNumberFrom } from "@clew/options";
import { type Call, ServiceError } from "@clew/rpc";
import { optionError } from "../../errors.ts";
import { eventsOf } from "./call-events.ts";

export interface EventFeedOptions {
  /** How many events to keep for readers that are slow, or lost their connection. Default: 1024. */
  keep?: number;
}

/**
 * Events that many calls stream to their readers: each is kept once, whoever reads it, and nothing but the last few. A reader
 * that comes back goes on after the last event it has.
 *
 *     published   #7  #8  #9 #10 #11 #12          keep: 4
 *                          ▲ kept      ▲
 *     a reader at #11 is fast; one at #8 is too slow, and fails
 */
export class EventFeed<T extends object> {
  readonly #keep: number;
  readonly #events: T[] = [];
  /** How many there were in all; the last one kept has this number. */
  #count = 0;
  #isClosed = false;
  #published: PromiseWithResolvers<void> = Promise.withResolvers();
  // An id of another process says nothing about the events of this one.
  readonly #name = randomBytes(6).toString("base64url");

  /** @throws CLEW_TRANSPORT_OPTION */
  constructor(options: EventFeedOptions = {}) {
    checkOptions("EventFeed", options, { keep: wholeNumberFrom(1) }, optionError);
    this.#keep = options.keep ?? 1024;
  }

  /** Gives an event to everybody who follows. */
  publish(event: T): void {
    if (this.#isClosed) return;
    this.#events[this.#count++ % this.#keep] = event;
    this.#wake();
  }

  /** No more will come: who follows ends after what there is. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  /**
   * What is published from now on, or after the last event that the call's reader has, for a handler to answer with. It fails
   * with 410 EVENTS_LOST for a reader that missed some which are no longer kept: it shall begin anew.
   */
  async *follow(call: Call): AsyncGenerator<T, void, undefined> {
    const events = eventsOf(call);
    let next = events.lastId === undefined ? this.#count : this.#after(events.lastId);
    for (;;) {
      if (next < this.#count - this.#keep) throw eventsLost(call);
      if (next < this.#count) {
        const event = this.#events[next % this.#keep]!;
        events.setId(`${this.#name}-${++next}`);
        yield event;
      } else if (this.#isClosed) return;
      else await call.orCancelled(this.#published.promise);
    }
  }

  #after(id: string): number {
    const number = id.startsWith(`${this.#name}-`) ? Number(id.slice(this.#name.length + 1)) : -1;
    // A number that none of ours can be is as good as one that is long gone.
    return Number.isInteger(number) && number >= 0 && number <= this.#count ? number : Number.NEGATIVE_INFINITY;
  }

  #wake(): void {
    const published = this.#published;
    this.#published = Promise.withResolvers();
    published.resolve();
  }
}

function eventsLost(call: Call): ServiceError {
  return new ServiceError(410, "EVENTS_LOST", `${call.operation}: the events after the last one are no longer there`);
}
