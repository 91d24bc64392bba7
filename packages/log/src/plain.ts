import { isMasked, mask, maskText, type Redaction } from "./redaction.ts";

/** What a line may contain: JSON, with nothing that runs foreign code when it is written. */
export type Plain = null | boolean | number | string | Plain[] | { [key: string]: Plain };

/** How many levels of a field are written. */
const maxDepth = 10;

/** The maximum number of values in one field: a socket that is logged by mistake refers to half of the process. */
const maxValues = 1_000;

/** How much more text a line may take, in characters. */
export interface Budget {
  left: number;
}

interface Walk {
  readonly redaction: Redaction;
  readonly budget: Budget;
  readonly ancestors: unknown[];
  /** The keys that lead to this value. */
  readonly path: string[];
  left: number;
}

/**
 * Copies the value under `key` to plain JSON:
 * - errors keep their cause chain; bigints and dates become text, bytes become their count;
 * - a redacted value becomes `***`;
 * - a circle, and values that are too deep or too many, become a word in brackets;
 * - text is cut to what the budget leaves.
 *
 * Returns undefined when there is nothing to write (functions, symbols). Never throws: a getter or toJSON that throws is written
 * as `[threw ...]`.
 */
export function toPlain(value: unknown, key: string, redaction: Redaction, budget: Budget): Plain | undefined {
  budget.left -= cutKey(key).length + fixedChars;
  if (isMasked(redaction, key, noPath)) return mask;
  return typeof value === "boolean"
    ? value
    : copy(value, { redaction, budget, ancestors: [], path: [key], left: maxValues });
}

const noPath: readonly string[] = [];

/** Cuts a key that is longer than any name needs to be. */
export function cutKey(key: string): string {
  return key.length <= 256 ? key : `${key.slice(0, 256)}[cut ${key.length - 256}]`;
}

/** The length of a key beyond its name, and of any value that is not text. */
const fixedChars = 8;

/** Returns the text as it may be written: masked, and cut where the line would become too long. */
export function plainText(text: string, redaction: Redaction, budget: Budget): string {
  const masked = redaction.values.length === 0 ? text : maskText(text, redaction);
  // JSON escapes make the text longer. They are counted only for text that is long enough to matter.
  const size = masked.length <= 256 ? masked.length : JSON.stringify(masked).length - 2;
  if (size <= budget.left) {
    budget.left -= size;
    return masked;
  }
  const kept = Math.max(0, Math.floor((budget.left * masked.length) / size));
  budget.left = 0;
  // Never cuts between the two halves of a surrogate pair.
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
      // JSON cannot express NaN and the infinities.
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
    // If toJSON returns the object itself, the object is copied as it is.
    if (json !== value) return copy(json, walk);
  }
  return copyEntries(keysAndValues(value), walk);
}

function* keysAndValues(value: object): Iterable<[string, unknown]> {
  for (const key of Object.keys(value)) yield [key, readKey(value, key)];
}

/** Reads the value under `key`, or returns a text that says why it cannot be read. */
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

// The order in which a reader wants them; other fields of the error (errno, syscall, port) follow the message.
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

/** Stands for a value that threw when it was read. */
export function threw(error: unknown): string {
  try {
    return `[threw ${String(error)}]`;
  } catch {
    return "[threw]";
  }
}
