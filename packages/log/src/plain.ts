import { isMasked, mask, maskText, type Redaction } from "./redaction.ts";

/** What a line may hold: JSON, and nothing that runs code of others when it is written. */
export type Plain = null | boolean | number | string | Plain[] | { [key: string]: Plain };

/** How deep a field is followed. */
const maxDepth = 10;

/** How many values one field may bring: a socket logged by mistake holds half the process. */
const maxValues = 1_000;

/** How much text a line may still take, in characters. */
export interface Budget {
  left: number;
}

interface Walk {
  readonly redaction: Redaction;
  readonly budget: Budget;
  readonly ancestors: unknown[];
  /** The keys that lead here. */
  readonly path: string[];
  left: number;
}

/**
 * A copy of the value under `key` that is plain JSON: errors with their cause chain, bigints and dates as text, bytes by their
 * number, what must not be written as `***`, circles and what is too deep or too much by a word in brackets, texts cut to what the
 * budget leaves. Undefined when there is nothing to write (functions, symbols). Never throws: a getter or toJSON that does is
 * written as `[threw ...]`.
 */
export function toPlain(value: unknown, key: string, redaction: Redaction, budget: Budget): Plain | undefined {
  budget.left -= cutKey(key).length + fixedChars;
  if (isMasked(redaction, key, noPath)) return mask;
  return typeof value === "boolean"
    ? value
    : copy(value, { redaction, budget, ancestors: [], path: [key], left: maxValues });
}

const noPath: readonly string[] = [];

/** A key that is longer than any name has to be, cut. */
export function cutKey(key: string): string {
  return key.length <= 256 ? key : `${key.slice(0, 256)}[cut ${key.length - 256}]`;
}

/** What a key takes beside its name, and any value that is no text. */
const fixedChars = 8;

/** A text as it may be written: masked, and cut where the line would become too long. */
export function plainText(text: string, redaction: Redaction, budget: Budget): string {
  const masked = redaction.values.length === 0 ? text : maskText(text, redaction);
  // What JSON escapes takes more; whether there is any is only looked at where it matters.
  const size = masked.length <= 256 ? masked.length : JSON.stringify(masked).length - 2;
  if (size <= budget.left) {
    budget.left -= size;
    return masked;
  }
  const kept = Math.max(0, Math.floor((budget.left * masked.length) / size));
  budget.left = 0;
  // Not between the halves of a pair.
  const end = kept > 0 && /[\ud800-\udbff]/.test(masked[kept - 1]!) ? kept - 1 : kept;
  return `${masked.slice(0, end)}[cut ${masked.length - end}]`;
}

function copy(value: unknown, walk: Walk): Plain | undefined {
  switch (typeof value) {
    case "string":
      return plainText(value, walk.redaction, walk.budget);
    case "boolean":
      return value;
    case "number":
      // JSON has no word for NaN and the infinities.
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
      return value.toString();
    case "object":
      if (value === null) return null;
      break;
    default:
      return undefined;
  }
  if (walk.ancestors.includes(value)) return "[circular]";
  if (walk.ancestors.length >= maxDepth) return "[too deep]";
  walk.ancestors.push(value);
  try {
    return copyObject(value, walk);
  } catch (error) {
    return threw(error);
  } finally {
    walk.ancestors.pop();
  }
}

function copyObject(value: object, walk: Walk): Plain | undefined {
  if (value instanceof Error) return copyError(value, walk);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (value instanceof Map) return copyEntries(value, walk);
  if (value instanceof Set) return copyList(value, walk);
  if (Array.isArray(value)) return copyList(value, walk);
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") {
    const json: unknown = toJSON.call(value);
    // An object whose toJSON gives the object itself is copied as it is.
    if (json !== value) return copy(json, walk);
  }
  return copyEntries(keysAndValues(value), walk);
}

function* keysAndValues(value: object): Iterable<[string, unknown]> {
  for (const key of Object.keys(value)) yield [key, readKey(value, key)];
}

/** The value under `key`, or a word about why there is none. */
export function readKey(value: object, key: string): unknown {
  try {
    return (value as Record<string, unknown>)[key];
  } catch (error) {
    return threw(error);
  }
}

function copyEntries(entries: Iterable<readonly [unknown, unknown]>, walk: Walk): Plain {
  const plain: { [key: string]: Plain } = Object.create(null);
  for (const [anyKey, value] of entries) {
    const key = String(anyKey);
    if (walk.left-- <= 0) {
      plain["[more]"] = "left out";
      break;
    }
    const shortKey = cutKey(key);
    walk.budget.left -= shortKey.length + fixedChars;
    if (walk.budget.left <= 0) {
      plain["[more]"] = "left out";
      break;
    }
    const copied = isMasked(walk.redaction, key, walk.path) ? mask : copyUnder(key, value, walk);
    if (copied !== undefined) plain[shortKey] = copied;
  }
  return plain;
}

function copyUnder(key: string, value: unknown, walk: Walk): Plain | undefined {
  walk.path.push(key);
  const copied = copy(value, walk);
  walk.path.pop();
  return copied;
}

function copyList(values: Iterable<unknown>, walk: Walk): Plain {
  const plain: Plain[] = [];
  for (const value of values) {
    walk.budget.left -= fixedChars;
    if (walk.left-- <= 0 || walk.budget.left <= 0) {
      plain.push("[more left out]");
      break;
    }
    plain.push(copyUnder(String(plain.length), value, walk) ?? null);
  }
  return plain;
}

// The order in which a reader wants them; anything else the error carries (errno, syscall, port) follows the message.
const errorKeys = ["name", "code", "reason", "message"];
const errorTail = ["metadata", "errors", "stack", "cause"];

function copyError(error: Error, walk: Walk): Plain {
  const own = Object.keys(error).filter((key) => !errorKeys.includes(key) && !errorTail.includes(key));
  const entries: [string, unknown][] = [];
  for (const key of [...errorKeys, ...own, ...errorTail]) {
    if (!(key in error)) continue;
    const value = readKey(error, key);
    if (key === "metadata" && isEmptyObject(value)) continue;
    if (value !== undefined && value !== "") entries.push([key, value]);
  }
  return copyEntries(entries, walk);
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/** What stands in place of a value that threw when it was asked for. */
export function threw(error: unknown): string {
  try {
    return `[threw ${String(error)}]`;
  } catch {
    return "[threw]";
  }
}
