/** The content type of a stream of events. */
export const eventStreamType = "text/event-stream";

/** One event of a stream (WHATWG HTML, section 9.2.6). */
export interface StreamEvent {
  /** `message`, `error` or `end` in streams of ours. */
  readonly type: string;
  /** The id of the last event that had one, of this event or an earlier one; "" before any. */
  readonly id: string;
  readonly data: string;
}

export interface EventFields {
  readonly type: string;
  readonly data: string;
  readonly id?: string | undefined;
  /** How long the reader is to wait before it connects again, in milliseconds. */
  readonly retryMs?: number | undefined;
}

/**
 * An event as it goes over the wire, `event` first and then `data`, as Kratos 3 writes them. Line breaks in the data make
 * several `data` lines, which the reader joins again.
 */
export function encodeEvent({ type, data, id, retryMs }: EventFields): string {
  let text = `event: ${type}\n`;
  if (id !== undefined) text += `id: ${id}\n`;
  if (retryMs !== undefined) text += `retry: ${retryMs}\n`;
  if (!/[\r\n]/.test(data)) return `${text}data: ${data}\n\n`;
  for (const line of data.split(/\r\n|\r|\n/)) text += `data: ${line}\n`;
  return `${text}\n`;
}

/** A comment, which every reader passes over: it shows each side, and every proxy between them, that the other is there. */
export const heartbeat = ":\n\n";

/** Whether an id can be written: it is one line, and readers pass over one with a NUL. */
export function isEventId(id: string): boolean {
  return !/[\0\r\n]/.test(id);
}
