import { create, type DescField, type DescMessage, isFieldSet, type Message, ScalarType } from "@bufbuild/protobuf";
import { type Codec, ServiceError } from "@clew/rpc";
import { decodeUtf8 } from "../utf8.ts";
import { compileKeyText, compileText, type TextCodec } from "./field-text.ts";
import type { RuleVariable } from "./rule.ts";
import { decodeVariable } from "./template.ts";

// Path and query to message and back, by the rules of Kratos's form codec. A query holds what neither the path nor the body does:
//
//   page_size=5            a field by its proto name or its JSON name (pageSize)
//   author.name=ann        a field of a message
//   genres=A&genres=B      a list; genres[]=A as well
//   labels[k]=v            a map; labels.k=v as well

/** A message seen as its properties. */
type Properties = Record<string, unknown>;

/** The value of a oneof's property. */
interface OneofValue {
  readonly case: string;
  readonly value: unknown;
}

/** A field and how text gets into it; made once for each message type. */
interface Slot {
  readonly field: DescField;
  /** Of an element for a list, of a value for a map; undefined for a message that has no text form. */
  readonly text: TextCodec | undefined;
  readonly keyText: TextCodec | undefined;
}

/** How deep a query may reach into messages: as deep as protobuf's parsers go. */
const maxDepth = 100;

const slotsByMessage = new WeakMap<DescMessage, Map<string, Slot>>();

function slotsOf(desc: DescMessage): Map<string, Slot> {
  let slots = slotsByMessage.get(desc);
  if (slots === undefined) {
    slots = new Map();
    for (const field of desc.fields) {
      const slot: Slot = {
        field,
        text: compileText(field),
        keyText: field.fieldKind === "map" ? compileKeyText(field) : undefined,
      };
      slots.set(field.name, slot);
      if (!slots.has(field.jsonName)) slots.set(field.jsonName, slot);
    }
    slotsByMessage.set(desc, slots);
  }
  return slots;
}

/** Puts the captures of a path into a message. */
export type BindVariables = (message: Message, captures: readonly string[]) => void;

/** How the variables of a rule get into its message; undefined when it has none. */
export function compileVariables(variables: readonly RuleVariable[]): BindVariables | undefined {
  if (variables.length === 0) return undefined;
  const setters = variables.map(({ variable, fields }) => {
    const way = fields.slice(0, -1);
    const field = fields.at(-1)!;
    const text = compileText(field)!;
    return (message: Message, captures: readonly string[]): void => {
      const value = decodeVariable(variable, captures);
      if (value === undefined)
        throw bindError(variable.name, "the path must be valid percent-encoding without . and .. segments");
      // A ** that captured nothing.
      if (value === "") return;
      let target = message as unknown as Properties;
      for (const step of way) target = enter(target, step);
      setValue(target, field, parse(text, variable.name, value));
    };
  });
  if (setters.length === 1) return setters[0]!;
  return (message, captures) => {
    for (const set of setters) set(message, captures);
  };
}

/**
 * Puts the fields of a query into a message. Keys the message does not know are passed over.
 *
 * @param query without its question mark
 * @throws ServiceError 400 CODEC naming the field
 */
export function bindQuery(desc: DescMessage, message: Message, query: string): void {
  const textsByKey = new Map<string, string[]>();
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    const at = pair.indexOf("=");
    const key = decodeForm(at === -1 ? pair : pair.slice(0, at));
    const text = at === -1 ? "" : decodeForm(pair.slice(at + 1));
    const name = key.endsWith("[]") ? key.slice(0, -2) : key;
    const texts = textsByKey.get(name);
    if (texts === undefined) textsByKey.set(name, [text]);
    else texts.push(text);
  }
  bindForm(desc, message, textsByKey);
}

/** A part of a form that is sent as `multipart/form-data`. */
export interface FormPart {
  readonly contentType: string;
  readonly data: Uint8Array;
  /** Whether it has the name of a file. */
  readonly isFile: boolean;
  /** Whether it stands for no value. */
  readonly isEmpty: boolean;
  /** @throws ServiceError 400 CODEC when it is no text */
  readText(): string;
}

export type FormValue = string | FormPart;

/**
 * Puts the values of a form into a message, by their keys. Keys the message does not know are passed over. A file goes into a
 * field of bytes or a `google.api.HttpBody`.
 *
 * @throws ServiceError 400 CODEC naming the field
 */
export function bindForm(desc: DescMessage, message: Message, valuesByKey: ReadonlyMap<string, FormValue[]>): void {
  // The oneofs and lists this form has set, and the paths of its values: two members of a oneof are a contradiction, and so are
  // both names of a field, while what a body brought is replaced.
  const decided = new Set<unknown>();
  for (const [key, values] of valuesByKey) bindKey(desc, message as unknown as Properties, key, values, decided);
}

function bindKey(
  desc: DescMessage,
  message: Properties,
  key: string,
  values: FormValue[],
  decided: Set<unknown>,
): void {
  const bracket = key.endsWith("]") ? key.indexOf("[") : -1;
  const names = (bracket === -1 ? key : key.slice(0, bracket)).split(".");
  const mapKey = bracket === -1 ? undefined : key.slice(bracket + 1, -1);
  if (names.length > maxDepth) throw bindError(names[0]!, `the key goes more than ${maxDepth} messages deep`);

  // Nothing is made on the way before the whole key is known: an unknown one leaves no trace.
  const way: DescField[] = [];
  let slots = slotsOf(desc);
  for (const [index, name] of names.entries()) {
    const slot = slots.get(name);
    if (slot === undefined) return;
    const { field } = slot;
    const rest = names.slice(index + 1);
    if (field.fieldKind === "map") {
      const entry = rest.length === 0 ? mapKey : rest.join(".");
      if (entry === undefined) throw bindError(key, `it is a map: ${key}[key]=value would work`);
      requireOnce(way, `${field.name}[${entry}]`, key, values, decided);
      setEntry(enterAll(message, way, key, decided), slot, key, entry, values[0]!);
      return;
    }
    if (rest.length === 0) {
      if (mapKey !== undefined) throw bindError(key, `${field.name} is not a map`);
      setValues(message, way, slot, key, values, decided);
      return;
    }
    // Kratos's client goes into a Value: value.stringValue=text.
    const isWhole = slot.text !== undefined && field.message?.typeName !== "google.protobuf.Value";
    if (field.fieldKind !== "message" || isWhole) throw bindError(key, `${field.name} has no fields`);
    way.push(field);
    slots = slotsOf(field.message);
  }
}

function enterAll(message: Properties, way: readonly DescField[], key: string, decided: Set<unknown>): Properties {
  let target = message;
  for (const field of way) {
    decide(target, field, key, decided);
    const child = enter(target, field);
    if (field.oneof !== undefined) decided.add(target[field.oneof.localName]);
    target = child;
  }
  return target;
}

function setValues(
  message: Properties,
  way: readonly DescField[],
  slot: Slot,
  key: string,
  values: FormValue[],
  decided: Set<unknown>,
): void {
  const { field } = slot;
  const target = enterAll(message, way, key, decided);
  if (field.fieldKind === "list") {
    const elements = values.filter((one) => typeof one === "string" || !isNoFile(one));
    const list = elements.map((one) => read(slot, key, one)).filter((value) => value !== undefined);
    // By its other name, or with [], a list goes on; one that a body filled is replaced.
    const old = target[field.localName] as unknown[];
    target[field.localName] = decided.has(old) ? [...old, ...list] : list;
    decided.add(target[field.localName]);
    return;
  }
  requireOnce(way, field.name, key, values, decided);
  const [given] = values as [FormValue];
  // An empty text stands for no value, as in Kratos: a form sends its empty inputs, too.
  if (typeof given === "string" ? given === "" && slot.text !== undefined : given.isEmpty) return;
  const value = read(slot, key, given);
  if (value === undefined) return;
  decide(target, field, key, decided);
  setValue(target, field, value);
  if (field.oneof !== undefined) decided.add(target[field.oneof.localName]);
}

function isNoFile(part: FormPart): boolean {
  return part.isFile && part.isEmpty;
}

/** Refuses a second value, also under another name. */
function requireOnce(
  way: readonly DescField[],
  name: string,
  key: string,
  values: FormValue[],
  decided: Set<unknown>,
): void {
  const path = way.length === 0 ? name : `${way.map((field) => field.name).join(".")}.${name}`;
  if (values.length > 1 || decided.has(path)) throw bindError(key, "it is given more than once");
  decided.add(path);
}

function setEntry(target: Properties, slot: Slot, key: string, entry: string, given: FormValue): void {
  const value = read(slot, key, given);
  if (value === undefined) return;
  const map = target[slot.field.localName] as Properties;
  // Not an assignment: the key comes from outside and may be __proto__.
  const property = { value, writable: true, enumerable: true, configurable: true };
  Object.defineProperty(map, parse(slot.keyText!, key, entry) as string, property);
}

/** What a value of a form is in a field: in one element of a list, in one entry of a map. */
function read({ field, text }: Slot, key: string, given: FormValue): unknown {
  if (typeof given !== "string") {
    const { message } = field;
    const { contentType, data } = given;
    if (message?.typeName === "google.api.HttpBody") return Object.assign(create(message), { contentType, data });
    // Without a file's name and as plain text it is what a query would say: Base64.
    if (field.scalar === ScalarType.BYTES && (given.isFile || !/^text\/plain\b/i.test(contentType))) return data;
    if (given.isFile) {
      throw bindError(key, "it is a file; only a field of type bytes or google.api.HttpBody can hold one");
    }
  }
  if (text === undefined) {
    const { typeName } = field.message!;
    throw bindError(
      key,
      field.fieldKind === "map"
        ? `its values are ${typeName}, which cannot be written as text`
        : `it is a ${typeName}, which cannot be written as text; name one of its fields`,
    );
  }
  return parse(text, key, typeof given === "string" ? given : given.readText());
}

/** Refuses a second member of a oneof that this query has set already. */
function decide(target: Properties, field: DescField, key: string, decided: Set<unknown>): void {
  if (field.oneof === undefined) return;
  const old = target[field.oneof.localName] as OneofValue;
  if (old.case !== field.localName && decided.has(old)) {
    throw bindError(key, `${field.oneof.name} is already given as ${old.case}, and can hold only one`);
  }
}

/** The message in a field, made when it is not there yet. */
function enter(target: Properties, field: DescField): Properties {
  const old = getValue(target, field) as Properties | undefined;
  if (old !== undefined) return old;
  const child = create(field.message!);
  setValue(target, field, child);
  return child as unknown as Properties;
}

function setValue(target: Properties, field: DescField, value: unknown): void {
  if (field.oneof === undefined) target[field.localName] = value;
  else target[field.oneof.localName] = { case: field.localName, value } satisfies OneofValue;
}

/** What a field holds, in the form of a message's property; undefined for a message that is not set and a oneof that is another. */
function getValue(target: Properties, field: DescField): unknown {
  if (field.oneof === undefined) return target[field.localName];
  const oneof = target[field.oneof.localName] as OneofValue;
  return oneof.case === field.localName ? oneof.value : undefined;
}

function parse(text: TextCodec, key: string, value: string): unknown {
  try {
    return text.parse(value);
  } catch (error) {
    throw bindError(key, (error as Error).message, error);
  }
}

function decodeForm(text: string): string {
  try {
    return decodeURIComponent(text.includes("+") ? text.replaceAll("+", " ") : text);
  } catch (error) {
    throw bindError(text, "it is not valid percent-encoding", error);
  }
}

function bindError(key: string, problem: string, cause?: unknown): ServiceError {
  const name = key.length > 100 ? `${key.slice(0, 100)}...` : key;
  return new ServiceError(400, "CODEC", `field "${name}": ${problem}`, { cause });
}

/**
 * The query that holds a message's fields, by their JSON names; "" when there is nothing to tell. {@link bindQuery} reads it.
 *
 * @param without fields to leave out, as dotted proto names
 * @throws ServiceError 400 CODEC naming a field that has no text form
 */
export function encodeQuery(desc: DescMessage, message: Message, without?: ReadonlySet<string>): string {
  const pairs: string[] = [];
  collect(desc, message as unknown as Properties, "", "", without, pairs);
  return pairs.join("&");
}

function collect(
  desc: DescMessage,
  message: Properties,
  protoPrefix: string,
  prefix: string,
  without: ReadonlySet<string> | undefined,
  pairs: string[],
): void {
  for (const field of desc.fields) {
    const protoName = `${protoPrefix}${field.name}`;
    if (without?.has(protoName) || !isFieldSet(message as unknown as Message, field)) continue;
    const key = `${prefix}${field.jsonName}`;
    const { text, keyText } = slotsOf(desc).get(field.name)!;
    const value = getValue(message, field);
    if (text === undefined) {
      if (field.fieldKind !== "message")
        throw bindError(key, `it holds ${field.message?.typeName}, which cannot be written in a query`);
      collect(field.message, value as Properties, `${protoName}.`, `${key}.`, without, pairs);
    } else if (field.fieldKind === "list") {
      for (const one of value as unknown[]) pairs.push(`${escapeText(key)}=${escapeText(format(text, key, one))}`);
    } else if (field.fieldKind === "map") {
      for (const [entry, one] of Object.entries(value as Properties)) {
        const entryKey = `${key}[${keyText!.format(entry)}]`;
        pairs.push(`${escapeText(entryKey)}=${escapeText(format(text, key, one))}`);
      }
    } else pairs.push(`${escapeText(key)}=${escapeText(format(text, key, value))}`);
  }
}

/** The value of a path's variable as text, not yet escaped; "" when it is not set. */
export function formatVariable({ variable, fields }: RuleVariable, message: Message): string {
  let value: unknown = message;
  for (const field of fields) {
    value = getValue(value as Properties, field);
    if (value === undefined) return "";
  }
  return format(compileText(fields.at(-1)!)!, variable.name, value);
}

function format(text: TextCodec, key: string, value: unknown): string {
  try {
    return text.format(value);
  } catch (error) {
    throw bindError(key, (error as Error).message, error);
  }
}

/** Percent-encodes all but the unreserved characters of RFC 3986. */
export function escapeText(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** A message as an HTML form sends it. */
export const formCodec: Codec = {
  name: "x-www-form-urlencoded",
  contentType: "application/x-www-form-urlencoded",
  compile: (desc) => ({
    encode: (message) => Buffer.from(encodeQuery(desc, message)),
    decode: (bytes) => {
      const message = create(desc);
      bindQuery(desc, message, decodeUtf8(bytes));
      return message;
    },
  }),
};
