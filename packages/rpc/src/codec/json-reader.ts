import { base64Decode } from "@bufbuild/protobuf/wire";
import { depthLimit } from "./depth-limit.ts";
import { InexactInteger } from "./json-exact.ts";
import { setOwn } from "./set-own.ts";

// What JSON decoders call. Each takes a value that JSON.parse made, or a bigint where that rounds, and the name of the field for
// what is wrong with it.

/** What is wrong with the value of a field, or with a message. */
export function problem(name: string, text: string): Error {
  return new Error(`cannot decode ${name} from JSON: ${text}`);
}

/** A value as an error may show it. */
function shown(json: unknown): string {
  if (json === null) return "null";
  if (Array.isArray(json)) return "an array";
  if (typeof json === "object") return "an object";
  if (typeof json === "string") return json.length > 30 ? "a string" : JSON.stringify(json);
  return String(json);
}

export function expected(name: string, type: string, json: unknown): Error {
  return problem(name, `expected ${type}, got ${shown(json)}`);
}

export function readString(json: unknown, name: string): string {
  if (typeof json !== "string") throw expected(name, "a string", json);
  return json;
}

export function readBool(json: unknown, name: string): boolean {
  if (typeof json !== "boolean") throw expected(name, "true or false", json);
  return json;
}

export function unknownField(message: string, name: string): Error {
  return problem(message, `there is no field "${name}"`);
}

export function fieldTwice(message: string, name: string): Error {
  return problem(message, `the field "${name}" occurs twice`);
}

export function oneofTwice(message: string, oneof: string, name: string): Error {
  return problem(message, `another field of the oneof "${oneof}" is set beside "${name}"`);
}

export function tooDeep(message: string): Error {
  return problem(message, `messages are nested more than ${depthLimit} deep`);
}

// A number in a string is written as JSON writes numbers: no plus, no 0x10, no space around it, no name such as Infinity.
function numberOf(json: unknown): number {
  if (typeof json === "number") return json;
  if (typeof json === "bigint") return Number(json);
  if (typeof json !== "string" || !/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(json)) return Number.NaN;
  return Number(json);
}

export function readInt32(json: unknown, name: string): number {
  const value = numberOf(json);
  if (value !== (value | 0)) throw expected(name, "int32", json);
  return value | 0;
}

export function readUint32(json: unknown, name: string): number {
  const value = numberOf(json);
  if (value !== value >>> 0) throw expected(name, "uint32", json);
  return value >>> 0;
}

export function readDouble(json: unknown, name: string): number {
  switch (json) {
    case "NaN":
      return Number.NaN;
    case "Infinity":
      return Number.POSITIVE_INFINITY;
    case "-Infinity":
      return Number.NEGATIVE_INFINITY;
  }
  const value = numberOf(json);
  if (!Number.isFinite(value)) throw expected(name, "a number", json);
  return value;
}

export function readFloat(json: unknown, name: string): number {
  const value = readDouble(json, name);
  if (!Number.isFinite(Math.fround(value)) && Number.isFinite(value)) throw expected(name, "a float", json);
  return value;
}

const int64Min = -(2n ** 63n);
const int64Max = 2n ** 63n - 1n;
const uint64Max = 2n ** 64n - 1n;

export function readInt64(json: unknown, name: string): bigint {
  const value = toBigInt(json, name);
  if (value === undefined || value < int64Min || value > int64Max) throw expected(name, "int64", json);
  return value;
}

export function readUint64(json: unknown, name: string): bigint {
  const value = toBigInt(json, name);
  if (value === undefined || value < 0n || value > uint64Max) throw expected(name, "uint64", json);
  return value;
}

export function readInt64Text(json: unknown, name: string): string {
  return String(readInt64(json, name));
}

export function readUint64Text(json: unknown, name: string): string {
  return String(readUint64(json, name));
}

/** @throws InexactInteger for a number that may have been another before it was a double */
function toBigInt(json: unknown, name: string): bigint | undefined {
  if (typeof json === "number") {
    if (Number.isSafeInteger(json)) return BigInt(json);
    if (!Number.isInteger(json) || Math.abs(json) >= 2 ** 65) return undefined;
    throw new InexactInteger(expected(name, "a whole number of 64 bits", json).message);
  }
  if (typeof json !== "string") return typeof json === "bigint" ? json : undefined;
  // Up to fifteen digits are exact in a double: half the price of a search and BigInt's own parser.
  if (json.length < 16) {
    let value = 0;
    let at = 0;
    for (; at < json.length; at++) {
      const code = json.charCodeAt(at);
      if (code < 0x30 || code > 0x39) break;
      value = value * 10 + code - 0x30;
    }
    if (at === json.length && at > 0) return BigInt(value);
  }
  return /^-?[0-9]+$/.test(json) ? BigInt(json) : undefined;
}

export function readBytes(json: unknown, name: string): Uint8Array {
  if (typeof json !== "string") throw expected(name, "base64", json);
  const bytes = Buffer.from(json, "base64");
  // Node passes over what is no base64: then there are fewer bytes than the characters stand for.
  const digits = json.length - (json.endsWith("==") ? 2 : json.endsWith("=") ? 1 : 0);
  if (bytes.length === (digits * 3) >>> 2 && digits % 4 !== 1) {
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  try {
    if (/^[\w+/-]*={0,2}$/.test(json)) return base64Decode(json);
  } catch {
    // Told below.
  }
  throw expected(name, "base64", json);
}

/** The number of an enum's value, undefined for a name that it does not have where those are passed over. */
export function readEnum(
  json: unknown,
  numbers: ReadonlyMap<string, number>,
  closedNumbers: ReadonlySet<number> | undefined,
  isLenient: boolean,
  name: string,
): number | undefined {
  if (typeof json === "string") {
    const number = numbers.get(json);
    if (number !== undefined) return number;
    if (isLenient) return undefined;
  } else if (typeof json === "number" && json === (json | 0) && closedNumbers?.has(json) !== false) return json | 0;
  throw expected(name, "a value of the enum", json);
}

/** The form in which a map keeps a key that is a number. */
export function readIntKey(key: string, read: (json: unknown, name: string) => unknown, name: string): string {
  if (!/^-?[0-9]+$/.test(key)) throw expected(name, "a whole number", key);
  return String(read(key, name));
}

export function readBoolKey(key: string, name: string): string {
  if (key !== "true" && key !== "false") throw expected(name, "true or false", key);
  return key;
}

/** Puts a value into a map, unless its key, in another form, was there already. */
export function setEntry(record: object, key: string, value: unknown, name: string): void {
  if (Object.hasOwn(record, key)) throw problem(name, `the key "${key}" occurs twice`);
  setOwn(record, key, value);
}

/**
 * Refuses an object that has a name twice, of which JSON.parse keeps the last. `text` must be what JSON.parse took.
 */
export function refuseDuplicates(text: string): void {
  // The names of each object that is open; arrays have none.
  const open: (Set<string> | undefined)[] = [];
  let names: Set<string> | undefined;
  let isName = false;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x7b: // {
        open.push(names);
        names = new Set();
        isName = true;
        break;
      case 0x5b: // [
        open.push(names);
        names = undefined;
        isName = false;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        names = open.pop();
        break;
      case 0x2c: // ,
        isName = names !== undefined;
        break;
      case 0x22: {
        const start = at;
        do {
          at = text.indexOf('"', at + 1);
        } while (isEscaped(text, at));
        if (!isName || names === undefined) break;
        isName = false;
        const name = JSON.parse(text.slice(start, at + 1)) as string;
        if (names.has(name)) throw new Error(`cannot decode from JSON: the name "${name}" occurs twice`);
        names.add(name);
      }
    }
  }
}

function isEscaped(text: string, at: number): boolean {
  let count = 0;
  while (text.charCodeAt(at - 1 - count) === 0x5c) count++;
  return count % 2 === 1;
}

/** Refuses strings that are no Unicode. Only an escape such as \ud800 can make one. */
export function refuseSurrogates(json: unknown): void {
  if (typeof json === "string") {
    if (!json.isWellFormed()) throw new Error("cannot decode from JSON: a string has half of a surrogate pair");
  } else if (Array.isArray(json)) json.forEach(refuseSurrogates);
  else if (typeof json === "object" && json !== null) {
    for (const [name, value] of Object.entries(json)) {
      refuseSurrogates(name);
      refuseSurrogates(value);
    }
  }
}
