import type { Call } from "@clew/rpc";
import { eventIdInvalid } from "../../errors.ts";
import { isEventId } from "./event.ts";

/**
 * The events that a call's messages travel as. A handler that gives them ids can go on where a reader lost its connection:
 * a browser's EventSource, and our client with `resume`, connect again by themselves and say which event was their last.
 */
export interface CallEvents {
  /** The id of the last event the reader has of an earlier connection; undefined when it begins. */
  readonly lastId: string | undefined;
  /** Gives the next message this id. @throws CLEW_TRANSPORT_EVENT_ID for a text with a line break or a NUL. */
  setId(id: string | number | bigint): void;
  /** Tells the reader, with the next message, how long to wait before it connects again. */
  setRetry(ms: number): void;
}

const allEvents = new WeakMap<Call, Events>();

/** The events of a call. Over a transport that has none, such as gRPC, what is set goes nowhere and `lastId` is the header's. */
export function eventsOf(call: Call): CallEvents {
  let events = allEvents.get(call);
  if (events === undefined) {
    events = new Events(call);
    allEvents.set(call, events);
  }
  return events;
}

/** What was set since the last message, if anybody asked for the events; it is forgotten. */
export function takeEventFields(call: Call): { id: string | undefined; retryMs: number | undefined } | undefined {
  return allEvents.get(call)?.take();
}

class Events implements CallEvents {
  readonly lastId: string | undefined;
  #id: string | undefined;
  #retryMs: number | undefined;

  constructor(call: Call) {
    this.lastId = call.metadata.get("last-event-id");
  }

  setId(id: string | number | bigint): void {
    const text = String(id);
    if (!isEventId(text)) throw eventIdInvalid(text);
    this.#id = text;
  }

  setRetry(ms: number): void {
    this.#retryMs = Math.max(0, Math.round(ms));
  }

  take(): { id: string | undefined; retryMs: number | undefined } {
    const taken = { id: this.#id, retryMs: this.#retryMs };
    this.#id = undefined;
    this.#retryMs = undefined;
    return taken;
  }
}
