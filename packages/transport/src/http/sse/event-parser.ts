import { StringDecoder } from "node:string_decoder";
import type { StreamEvent } from "./event.ts";

/** Reads a stream of events from bytes, by the rules browsers have for it (WHATWG HTML, section 9.2.6). */
export class EventParser {
  /** How long the sender wants to be left alone before a new connection, in milliseconds; undefined while it has not said. */
  retryMs: number | undefined;
  /** The id of the last event that had one; "" before any. */
  lastId = "";
  readonly #maxLength: number;
  readonly #onEvent: (event: StreamEvent) => void;
  readonly #decoder: StringDecoder = new StringDecoder("utf8");
  /** What came of a line that is not over. */
  #line = "";
  #endsInReturn = false;
  #isFirst = true;
  // The event that is being read.
  #type = "";
  #id = "";
  #data: string[] = [];
  #length = 0;

  /** `maxLength` is how long the data of one event, or one line, may be, in characters. */
  constructor(maxLength: number, onEvent: (event: StreamEvent) => void) {
    this.#maxLength = maxLength;
    this.#onEvent = onEvent;
  }

  /** Reads what came. Returns false for an event that is too long; nothing may be pushed then. */
  push(bytes: Uint8Array): boolean {
    let text = this.#decoder.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    if (text === "") return true;
    if (this.#isFirst) {
      this.#isFirst = false;
      if (text.startsWith("\uFEFF")) text = text.slice(1);
    }
    // A CR LF in two pieces is one line end.
    let at = this.#endsInReturn && text.startsWith("\n") ? 1 : 0;
    this.#endsInReturn = text.endsWith("\r");
    const lineEnd = /\r\n?|\n/g;
    lineEnd.lastIndex = at;
    for (let match = lineEnd.exec(text); match !== null; match = lineEnd.exec(text)) {
      const line = this.#line + text.slice(at, match.index);
      this.#line = "";
      if (!this.#readLine(line)) return false;
      at = lineEnd.lastIndex;
    }
    this.#line += text.slice(at);
    return this.#line.length <= this.#maxLength;
  }

  #readLine(line: string): boolean {
    if (line === "") {
      this.#dispatch();
      return true;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return true;
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    switch (name) {
      case "event":
        this.#type = value;
        break;
      case "data":
        this.#data.push(value);
        this.#length += value.length + 1;
        break;
      case "id":
        if (!value.includes("\0")) this.#id = value;
        break;
      case "retry":
        if (/^\d{1,9}$/.test(value)) this.retryMs = Number(value);
        break;
    }
    return this.#length <= this.#maxLength;
  }

  // An event without data is none, but its id counts.
  #dispatch(): void {
    const type = this.#type;
    const data = this.#data;
    this.#type = "";
    this.#data = [];
    this.#length = 0;
    this.lastId = this.#id;
    if (data.length > 0) this.#onEvent({ type: type === "" ? "message" : type, id: this.#id, data: data.join("\n") });
  }
}
