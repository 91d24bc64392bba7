import { randomBytes } from "node:crypto";
import { checkOptions, wholeNumberFrom } from "@clew/options";
import { type Call, ServiceError } from "@clew/rpc";
import { optionError } from "../../errors.ts";
import { eventsOf } from "./call-events.ts";

export interface EventFeedOptions {
  /** The number of events that are kept for readers that are slow or lost their connection. Default: 1024. */
  keep?: number;
}

/**
 * A sequence of events that many calls stream to their readers. Each event is kept only once, however many readers there are,
 * and only the last few events are kept. A reader that reconnects continues after the last event it received.
 *
 *     published   #7  #8  #9 #10 #11 #12          keep: 4
 *                          ▲ kept      ▲
 *     a reader at #11 is fast; one at #8 is too slow, and fails
 */
export class EventFeed<T extends object> {
  readonly #keep: number;
  readonly #events: T[] = [];
  /** The number of events published so far, which is the number of the last event. */
  #count = 0;
  #isClosed = false;
  #published: PromiseWithResolvers<void> = Promise.withResolvers();
  // Part of every id, because the id of an event from another process says nothing about the events of this one.
  readonly #name = randomBytes(6).toString("base64url");

  /** @throws CLEW_TRANSPORT_OPTION */
  constructor(options: EventFeedOptions = {}) {
    checkOptions("EventFeed", options, { keep: wholeNumberFrom(1) }, optionError);
    this.#keep = options.keep ?? 1024;
  }

  /** Sends an event to all readers. */
  publish(event: T): void {
    if (this.#isClosed) return;
    this.#events[this.#count++ % this.#keep] = event;
    this.#wake();
  }

  /** Ends the feed: readers get the remaining events, and then the end. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  /**
   * Yields the events published from now on or, for a reader that reconnects, those after its last event; a handler returns it
   * as its reply. Fails with 410 EVENTS_LOST for a reader that missed events which are no longer kept: it must start anew.
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
    // A number that this feed never used is treated like one that is long gone.
    return Number.isInteger(number) && number >= 0 && number <= this.#count ? number : Number.NEGATIVE_INFINITY;
  }

  #wake(): void {
    const published = this.#published;
    this.#published = Promise.withResolvers();
    published.resolve();
  }
}

function eventsLost(call: Call): ServiceError {
  return new ServiceError(
    410,
    "EVENTS_LOST",
    `${call.operation}: the events after the reader's last event are no longer kept`,
  );
}
