import type { TraceState as OtelTraceState } from "@opentelemetry/api";

// W3C Trace Context level 2, section 3.3.1.
const maxMembers = 32;
const maxLength = 512;
// Section 3.3.1.5: when there is too much, entries above this length go first.
const longMember = 128;
const keyPattern = /^[a-z0-9][a-z0-9_\-*/@]{0,255}$/;
const valuePattern = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** What other tracing systems wrote about a trace, newest first: the `tracestate` header. Never changes; `set` gives another. */
export class TraceState implements OtelTraceState {
  readonly #members: ReadonlyMap<string, string>;
  #text: string | undefined;

  private constructor(members: ReadonlyMap<string, string>) {
    this.#members = members;
  }

  static readonly empty: TraceState = new TraceState(new Map());

  /** Reads the header. Undefined when it says nothing or breaks the rules: then it must not travel on, but the trace does. */
  static parse(header: string): TraceState | undefined {
    const members = new Map<string, string>();
    for (const part of header.split(",")) {
      const member = trimSpace(part);
      if (member === "") continue;
      const equals = member.indexOf("=");
      const key = member.slice(0, equals);
      const value = member.slice(equals + 1);
      if (equals < 1 || !keyPattern.test(key) || !valuePattern.test(value)) return undefined;
      // The first entry of a key is the newest.
      if (!members.has(key)) members.set(key, value);
      if (members.size > maxMembers) return undefined;
    }
    return members.size === 0 ? undefined : new TraceState(shorten(members));
  }

  get(key: string): string | undefined {
    return this.#members.get(key);
  }

  /** With this entry in front. As it was, when key or value break the rules. */
  set(key: string, value: string): TraceState {
    if (!keyPattern.test(key) || !valuePattern.test(value)) return this;
    const members = new Map([[key, value]]);
    for (const [otherKey, otherValue] of this.#members) {
      if (otherKey !== key && members.size < maxMembers) members.set(otherKey, otherValue);
    }
    return new TraceState(shorten(members));
  }

  unset(key: string): TraceState {
    const members = new Map(this.#members);
    members.delete(key);
    return new TraceState(members);
  }

  serialize(): string {
    if (this.#text === undefined) {
      const parts: string[] = [];
      for (const [key, value] of this.#members) parts.push(`${key}=${value}`);
      this.#text = parts.join(",");
    }
    return this.#text;
  }
}

/** Takes whole entries away until the rest fits in a header: first long ones, then the oldest. */
function shorten(members: Map<string, string>): Map<string, string> {
  let length = -1;
  for (const [key, value] of members) length += key.length + value.length + 2;
  for (const limit of [longMember, 0]) {
    for (const key of [...members.keys()].reverse()) {
      if (length <= maxLength) return members;
      const size = key.length + members.get(key)!.length + 1;
      if (size <= limit || members.size === 1) continue;
      members.delete(key);
      length -= size + 1;
    }
  }
  return members;
}

/**
 * Without the spaces and tabs around it; other white space is not allowed there and stays. Not by a regular expression: one that looks
 * for the end begins anew at each blank, and a header of 16 KB of them took 0.1 s.
 */
function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text, start)) start++;
  while (end > start && isSpace(text, end - 1)) end--;
  return text.slice(start, end);
}

function isSpace(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return code === 0x20 || code === 0x09;
}
