/** The content type of a stream of events. */
export const eventStreamType = "text/event-stream";

/** One event of a stream (WHATWG HTML, section 9.2.6). */
export interface StreamEvent {
  /** `message`, `error` or `end` in streams of Clew. */
  readonly type: string;
  /** The last id that was sent, with this event or an earlier one; "" before the first id. */
  readonly id: string;
  readonly data: string;
}

export interface EventFields {
  readonly type: string;
  readonly data: string;
  readonly id?: string | undefined;
  /** How long the reader should wait before it connects again, in milliseconds. */
  readonly retryMs?: number | undefined;
}

/**
 * Writes an event: `event` first and then `data`, as Kratos 3 does. Each line of the data becomes a `data` line, and the reader
 * joins them again.
 */
export function encodeEvent({ type, data, id, retryMs }: EventFields): string {
  let text = `event: ${type}\n`;
  if (id !== undefined) text += `id: ${id}\n`;
  if (retryMs !== undefined) text += `retry: ${retryMs}\n`;
  if (!/[\r\n]/.test(data)) return `${text}data: ${data}\n\n`;
  for (const line of data.split(/\r\n|\r|\n/)) text += `data: ${line}\n`;
  return `${text}\n`;
}

/** A comment, which every reader ignores. It shows both sides, and every proxy between them, that the connection is alive. */
export const heartbeat = ":\n\n";

/** Whether an id can be sent: it must be one line, and readers ignore an id that contains a NUL. */
export function isEventId(id: string): boolean {
  return !/[\0\r\n]/.test(id);
}
