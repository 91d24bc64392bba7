/** What a line may hold: JSON, and nothing that runs code of others when it is written. */
export type Plain = null | boolean | number | string | Plain[] | { [key: string]: Plain };

/** How deep a field is followed. */
const maxDepth = 10;

/** How many values one field may bring: a socket logged by mistake holds half the process. */
const maxValues = 1_000;

interface Walk {
  readonly redact: ReadonlySet<string>;
  readonly ancestors: unknown[];
  left: number;
}

/**
 * A copy of `value` that is plain JSON: errors with their cause chain, bigints and dates as text, bytes by their number, masked
 * keys as `***`, circles and what is too deep or too much by a word in brackets. Undefined when there is nothing to write
 * (functions, symbols). Never throws: a getter or toJSON that does is written as `[threw ...]`.
 */
export function toPlain(value: unknown, redact: ReadonlySet<string>): Plain | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    default:
      return copy(value, { redact, ancestors: [], left: maxValues });
  }
}

/** Whether the value under this key is to be masked. `redact` holds lower-case keys. */
export function isMasked(key: string, redact: ReadonlySet<string>): boolean {
  return redact.size > 0 && redact.has(key.toLowerCase());
}

/** What stands for a masked value. */
export const mask = "***";

function copy(value: unknown, walk: Walk): Plain | undefined {
  switch (typeof value) {
    case "string":
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
  for (const key of Object.keys(value)) yield [key, read(value, key)];
}

/** The value under `key`, or a word about why there is none. */
function read(value: object, key: string): unknown {
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
    const copied = isMasked(key, walk.redact) ? mask : copy(value, walk);
    if (copied !== undefined) plain[key] = copied;
  }
  return plain;
}

function copyList(values: Iterable<unknown>, walk: Walk): Plain {
  const plain: Plain[] = [];
  for (const value of values) {
    if (walk.left-- <= 0) {
      plain.push("[more left out]");
      break;
    }
    plain.push(copy(value, walk) ?? null);
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
    const value = read(error, key);
    if (key === "metadata" && isEmptyObject(value)) continue;
    if (value !== undefined && value !== "") entries.push([key, value]);
  }
  return copyEntries(entries, walk);
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function threw(error: unknown): string {
  try {
    return `[threw ${String(error)}]`;
  } catch {
    return "[threw]";
  }
}
