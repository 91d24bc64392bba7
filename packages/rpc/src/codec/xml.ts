import {
  create,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import type { Codec } from "./codec.ts";
import { fieldName } from "./field.ts";
import { JsonReaders } from "./json-decode.ts";
import { isNullValue } from "./json-field.ts";
import { type JsonCodecOptions, resolveJsonCodecOptions } from "./json-options.ts";
import { toJsonTree } from "./json-tree.ts";
import { setOwn } from "./set-own.ts";
import { parseXml, type XmlElement } from "./xml-element.ts";

/** The JSON options that apply to XML. int64AsNumber does not: in XML a number and its digits as text are the same. */
export type XmlCodecOptions = Omit<JsonCodecOptions, "int64AsNumber">;

/**
 * Creates a codec for messages as XML. protobuf defines no XML mapping; this one follows the JSON mapping, and reading what was
 * written gives the same message:
 *
 *     <Order>
 *       <id>7</id>
 *       <tags>a</tags><tags>b</tags>                             a repeated field: an element for each item
 *       <stock><key>bolt</key><value>12</value></stock>          a map: an element for each entry
 *       <placedAt>2025-10-09T08:53:20Z</placedAt>                Timestamp and its like: the text of their JSON
 *       <extra>{"a":[1,null]}</extra>                            Struct, Value, ListValue, Any: their JSON
 *     </Order>
 *
 * The root is named after the message; when reading, any name is accepted. Attributes are ignored, and extensions are not
 * written. Text that XML cannot hold, such as U+0000, is refused. Empty input is the empty message.
 */
export function createXmlCodec(options: XmlCodecOptions = {}): Codec {
  const policy = resolveJsonCodecOptions(options);
  const readers = new JsonReaders(policy);
  return {
    name: "xml",
    contentType: "application/xml",
    compile: (desc) => {
      const encodeText = (message: MessageShape<typeof desc>): string => {
        const json = toJsonTree(desc, message, policy, String);
        return `<${desc.name}>${messageToXml(desc, json, policy.useProtoFieldNames, desc.typeName)}</${desc.name}>`;
      };
      return {
        encode: (message) => Buffer.from(encodeText(message)),
        encodeText,
        decode: (bytes) => {
          if (bytes.length === 0) return create(desc);
          const json = messageFromXml(desc, parseXml(bytes), policy.rejectUnknownFields, desc.typeName);
          return readers.slotOf(desc).read(json, 1) as MessageShape<typeof desc>;
        },
      };
    },
  };
}

/** {@link createXmlCodec} with its defaults. */
export const xmlCodec: Codec = createXmlCodec();

/** How a message is written: as an element for each field, as text, or as the text of a JSON value. */
type Form = "fields" | "text" | "json";

function formOf(desc: DescMessage): Form {
  switch (desc.typeName) {
    case "google.protobuf.Timestamp":
    case "google.protobuf.Duration":
    case "google.protobuf.FieldMask":
      return "text";
    case "google.protobuf.Struct":
    case "google.protobuf.Value":
    case "google.protobuf.ListValue":
    case "google.protobuf.Any":
      return "json";
    default:
      return isWrapperDesc(desc) ? "text" : "fields";
  }
}

type Kind = "scalar" | "enum" | "message";

function messageToXml(desc: DescMessage, json: JsonValue, hasProtoNames: boolean, name: string): string {
  switch (formOf(desc)) {
    case "text":
      return scalarToXml(json, name);
    case "json":
      return escapeText(JSON.stringify(json), name);
    case "fields": {
      let xml = "";
      for (const field of desc.fields) {
        const value = (json as JsonObject)[hasProtoNames ? field.name : field.jsonName];
        if (value !== undefined) xml += fieldToXml(field, value, hasProtoNames);
      }
      return xml;
    }
  }
}

function fieldToXml(field: DescField, json: JsonValue, hasProtoNames: boolean): string {
  const tag = tagOf(field, hasProtoNames);
  const name = fieldName(field);
  const valueToXml = (kind: Kind, value: JsonValue): string =>
    kind === "message" ? messageToXml(field.message!, value, hasProtoNames, name) : scalarToXml(value, name);
  switch (field.fieldKind) {
    case "list":
      return (json as JsonValue[]).map((item) => `<${tag}>${valueToXml(field.listKind, item)}</${tag}>`).join("");
    case "map":
      return Object.entries(json as JsonObject)
        .map(([key, value]) => {
          const content = `<key>${escapeText(key, name)}</key><value>${valueToXml(field.mapKind, value)}</value>`;
          return `<${tag}>${content}</${tag}>`;
        })
        .join("");
    default:
      return `<${tag}>${valueToXml(field.fieldKind, json)}</${tag}>`;
  }
}

/** A JSON name may be any text, but a .proto name never needs escaping. */
function tagOf(field: DescField, hasProtoNames: boolean): string {
  return hasProtoNames || !/^[A-Za-z_][\w.-]*$/.test(field.jsonName) ? field.name : field.jsonName;
}

function scalarToXml(json: JsonValue, name: string): string {
  return Object.is(json, -0) ? "-0" : escapeText(String(json), name);
}

const references: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;" };

function escapeText(text: string, name: string): string {
  // The characters of XML 1.0 (section 2.2). A carriage return is refused as well, because it would be read as a line
  // feed.
  const refused = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u.exec(text);
  if (refused !== null) {
    const code = refused[0].codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
    throw new Error(`cannot encode field ${name} to XML: XML cannot contain the character U+${code}`);
  }
  return text.replace(/[&<>\r]/g, (character) => references[character]!);
}

function problem(name: string, text: string): Error {
  return new Error(`cannot decode ${name} from XML: ${text}`);
}

/** Returns the JSON that an element stands for. */
function messageFromXml(desc: DescMessage, element: XmlElement, isStrict: boolean, name: string): JsonValue {
  switch (formOf(desc)) {
    case "text":
      return isWrapperDesc(desc) ? scalarFromXml(desc.fields[0]!.scalar!, element, name) : textOf(element, name).trim();
    case "json":
      try {
        return JSON.parse(textOf(element, name)) as JsonValue;
      } catch (cause) {
        throw problem(name, `expected JSON: ${(cause as Error).message}`);
      }
    case "fields":
      return fieldsFromXml(desc, element, isStrict, name);
  }
}

function fieldsFromXml(desc: DescMessage, element: XmlElement, isStrict: boolean, name: string): JsonObject {
  if (element.text.trim() !== "") throw problem(name, "expected elements, got text");
  const json: JsonObject = {};
  const fields = fieldsOf(desc);
  for (const child of element.children) {
    const field = fields.get(child.name);
    if (field === undefined) {
      if (isStrict) throw problem(desc.typeName, `there is no field "${child.name}"`);
      continue;
    }
    const old = Object.hasOwn(json, field.name) ? json[field.name]! : undefined;
    switch (field.fieldKind) {
      case "list": {
        const item = valueFromXml(field, field.listKind, child, isStrict);
        if (old === undefined) setOwn(json, field.name, [item]);
        else (old as JsonValue[]).push(item);
        break;
      }
      case "map": {
        const [key, value] = entryOf(field, child);
        const entries = (old ?? {}) as JsonObject;
        if (Object.hasOwn(entries, key)) throw problem(fieldName(field), `the key "${key}" occurs twice`);
        setOwn(entries, key, valueFromXml(field, field.mapKind, value, isStrict));
        if (old === undefined) setOwn(json, field.name, entries);
        break;
      }
      default:
        if (old !== undefined) throw problem(fieldName(field), "the element occurs twice");
        setOwn(json, field.name, valueFromXml(field, field.fieldKind, child, isStrict));
    }
  }
  return json;
}

const fieldTables = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

/** The fields by their JSON names and .proto names; a .proto name wins. */
function fieldsOf(desc: DescMessage): ReadonlyMap<string, DescField> {
  let fields = fieldTables.get(desc);
  if (fields === undefined) {
    fields = new Map([
      ...desc.fields.map((field): [string, DescField] => [field.jsonName, field]),
      ...desc.fields.map((field): [string, DescField] => [field.name, field]),
    ]);
    fieldTables.set(desc, fields);
  }
  return fields;
}

function entryOf(field: DescField & { fieldKind: "map" }, { children }: XmlElement): [string, XmlElement] {
  const key = children.find(({ name }) => name === "key");
  const value = children.find(({ name }) => name === "value");
  if (key === undefined || value === undefined) throw problem(fieldName(field), "expected a key and a value");
  const text = textOf(key, fieldName(field));
  return [field.mapKey === ScalarType.STRING ? text : text.trim(), value];
}

function valueFromXml(field: DescField, kind: Kind, element: XmlElement, isStrict: boolean): JsonValue {
  const name = fieldName(field);
  if (kind === "message") return messageFromXml(field.message!, element, isStrict, name);
  if (kind === "scalar") return scalarFromXml(field.scalar!, element, name);
  const text = textOf(element, name).trim();
  if (text === "null" && isNullValue(field.enum!)) return null;
  return /^-?\d+$/.test(text) ? Number(text) : text;
}

function scalarFromXml(scalar: ScalarType, element: XmlElement, name: string): JsonValue {
  const text = textOf(element, name);
  if (scalar === ScalarType.STRING) return text;
  const trimmed = text.trim();
  if (scalar !== ScalarType.BOOL) return trimmed;
  // As in XML Schema, which has both forms.
  if (trimmed === "true" || trimmed === "1") return true;
  if (trimmed === "false" || trimmed === "0") return false;
  throw problem(name, `expected true or false, got "${trimmed.slice(0, 30)}"`);
}

function textOf({ text, children }: XmlElement, name: string): string {
  if (children.length > 0) throw problem(name, `expected text, got the element "${children[0]!.name}"`);
  return text;
}
