import { type DescEnum, type DescField, type DescMessage, getOption, ScalarType } from "@bufbuild/protobuf";
import { type HttpRule, httpRule } from "clew/rpc";
import { Gateway, RequestSchema } from "./gen/gateway/v1/gateway_pb.ts";

/** A request as it goes onto the wire. */
export interface WireRequest {
  readonly verb: string;
  /** Path and query, percent-encoded. */
  readonly target: string;
  readonly contentType: string | undefined;
  readonly body: string | undefined;
  /** The template it was made from, and its body. */
  readonly rule: Rule;
}

export interface Rule {
  readonly verb: string;
  readonly template: string;
  /** "" for none. */
  readonly body: string;
}

/** The same requests for the same seed, without end. */
export function* createRequests(seed: number): Generator<WireRequest, never> {
  const random = createRandom(seed);
  const rules = Gateway.methods.flatMap((method) => toRules(getOption(method, httpRule)));
  const busiest = rules.filter(({ template }) => template === "/v1/query" || template === "/v1/body");
  for (;;) yield createRequest(random, random.chance(0.4) ? random.pick(busiest) : random.pick(rules));
}

function toRules(rule: HttpRule): Rule[] {
  const { case: verb, value: template } = rule.pattern;
  const own = { verb: String(verb).toUpperCase(), template: template as string, body: rule.body };
  return [own, ...rule.additionalBindings.flatMap(toRules)];
}

interface Random {
  /** From 0 up to 1. */
  next(): number;
  /** A whole number from 0 up to `end`. */
  below(end: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
}

/** mulberry32: small, and the same everywhere. */
function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (end: number): number => Math.floor(next() * end);
  return { next, below, chance: (probability) => next() < probability, pick: (from) => from[below(from.length)]! };
}

function createRequest(random: Random, rule: Rule): WireRequest {
  let path = fillTemplate(random, rule.template);
  if (random.chance(0.06)) path = spoilPath(random, path);
  let verb = rule.verb;
  if (random.chance(0.04)) verb = random.pick(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
  let query = "";
  const isQuery = rule.template === "/v1/query";
  if (isQuery || random.chance(rule.body === "*" ? 0.03 : 0.3)) {
    const pairs = Array.from({ length: 1 + random.below(isQuery ? 6 : 2) }, () => createPairs(random)).flat();
    query = `?${pairs.join("&")}`;
  }
  const hasBody = rule.body !== "" ? random.chance(0.97) : random.chance(0.02);
  return {
    verb,
    target: path + query,
    body: hasBody ? createBody(random, rule) : undefined,
    contentType: hasBody && !random.chance(0.03) ? createContentType(random) : undefined,
    rule,
  };
}

function createContentType(random: Random): string {
  if (random.chance(0.9)) return "application/json";
  return random.pick(["application/json; charset=utf-8", "application/JSON", "text/plain", "application/nope"]);
}

// Paths

function fillTemplate(random: Random, template: string): string {
  return template.replace(/\{([^}=]+)(?:=([^}]*))?\}/g, (_, name: string, pattern: string | undefined) => {
    if (pattern === "**") {
      return Array.from({ length: random.below(4) }, () => escapeSegment(random, createText(random))).join("/");
    }
    const field = findField(RequestSchema, name);
    const fill = (): string => escapeSegment(random, createFieldText(random, field) || "x");
    return pattern === undefined ? fill() : pattern.replaceAll("*", fill);
  });
}

function findField(desc: DescMessage, path: string): DescField {
  const [name, ...rest] = path.split(".");
  const field = desc.fields.find((one) => one.name === name)!;
  return rest.length === 0 ? field : findField(field.message!, rest.join("."));
}

/** Percent-encodes what has to be, and now and then what need not. */
function escapeSegment(random: Random, text: string): string {
  const style = random.below(10);
  if (style === 0) {
    return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
  }
  const escaped = encodeURIComponent(text);
  if (style === 1) return escaped.replaceAll(/%[\dA-F]{2}/g, (one) => one.toLowerCase());
  // What may stand in a segment as it is (RFC 3986 section 3.3).
  if (style <= 4) return escaped.replaceAll(/%(?:3A|40|24|26|2B|2C|3B|3D)/g, (one) => decodeURIComponent(one));
  return escaped;
}

function spoilPath(random: Random, path: string): string {
  const at = 1 + random.below(path.length);
  switch (random.below(9)) {
    case 0:
      return `${path}/`;
    case 1:
      return `${path}/more`;
    case 2:
      return path.slice(0, path.lastIndexOf("/"));
    case 3:
      return path.replace("/v1/", random.pick(["/v2/", "/V1/", "//v1/", "/v1//"]));
    case 4:
      return `${path}:${random.pick(["cancel", "seal", "nope"])}`;
    case 5:
      return `${path}%zz`;
    case 6:
      return path.slice(0, at);
    case 7:
      return path.replace(/[^/]+$/, "");
    default:
      return `${path.slice(0, at)}${random.pick(["%2F", "%00", "%ff", ".", "+", "~"])}${path.slice(at)}`;
  }
}

// Queries

/** A key with its value; several for a list. */
function createPairs(random: Random): string[] {
  if (random.chance(0.03))
    return [random.pick(["nope=1", "=", "", "a=b=c", "int32Value", "%zz=1", "child.nope=1", "[=]"])];
  let desc: DescMessage = RequestSchema;
  let key = "";
  for (;;) {
    const field = random.pick(desc.fields);
    key += random.chance(0.5) ? field.name : field.jsonName;
    const value = (): string => escapeQuery(random, createFieldText(random, field));
    if (random.chance(0.02)) key += random.pick([".x", "[x]", "[]", "[", "]", "."]);
    if (field.fieldKind === "list") {
      const suffix = random.chance(0.05) ? "[]" : "";
      return Array.from({ length: 1 + random.below(3) }, () => `${escapeQuery(random, key + suffix)}=${value()}`);
    }
    if (field.fieldKind === "map") {
      const entry = createScalarText(random, field.mapKey);
      return [`${escapeQuery(random, random.chance(0.95) ? `${key}[${entry}]` : `${key}.${entry}`)}=${value()}`];
    }
    const isPlain = field.message === undefined || field.message.file.name.startsWith("google/");
    if (isPlain || random.chance(0.03)) {
      const pair = `${escapeQuery(random, key)}=${value()}`;
      return random.chance(0.03) ? [pair, pair] : [pair];
    }
    desc = field.message;
    key += ".";
  }
}

function escapeQuery(random: Random, text: string): string {
  const escaped = encodeURIComponent(text);
  if (random.chance(0.5)) return escaped.replaceAll("%20", "+");
  return escaped.replaceAll(/%(?:5B|5D|3A|2F|2C)/g, (one) => decodeURIComponent(one));
}

// Values as text

const texts = [
  "",
  "a",
  "abc",
  "a b",
  "ü",
  "日本",
  "\u{1f600}",
  "a/b",
  "a%2Fb",
  "100%",
  "a+b",
  "a&b=c",
  "?#",
  "..",
  ".",
  "~-_.",
  ":x",
  "x:cancel",
  "null",
  "true",
  "0",
  '"q"',
  "\\",
  "\t",
  "a,b",
  "{}",
  "[]",
  "'",
  "(!*)",
  "a:b",
];

function createText(random: Random): string {
  return random.chance(0.6) ? `t${random.below(1000)}` : random.pick(texts);
}

function createFieldText(random: Random, field: DescField): string {
  if (random.chance(0.04)) return random.pick(texts);
  if (field.enum !== undefined) return createEnumText(random, field.enum);
  if (field.message !== undefined) return createMessageText(random, field.message);
  return createScalarText(random, field.scalar!);
}

function createEnumText(random: Random, desc: DescEnum): string {
  const value = random.pick(desc.values);
  const others = [String(value.number), "77", value.name.toLowerCase(), "NOPE", " 1", "1.0", "-5"];
  return random.chance(0.6) ? value.name : random.pick(others);
}

const signed32 = [
  "0",
  "-0",
  "1",
  "-1",
  "2147483647",
  "-2147483648",
  "2147483648",
  "-2147483649",
  "007",
  "+5",
  "0x10",
  "1.0",
  "1e3",
  " 1",
  "1 ",
  "1_000",
  "x",
];
const signed64 = [
  "0",
  "1",
  "-1",
  "9007199254740993",
  "9223372036854775807",
  "-9223372036854775808",
  "9223372036854775808",
  "0x10",
  "1.5",
  "1e3",
  "+7",
  "x",
];
const unsigned32 = ["0", "1", "4294967295", "4294967296", "-1", "-0", "+1", "0x1", "1.0", "x"];
const unsigned64 = ["0", "1", "18446744073709551615", "18446744073709551616", "-1", "0x1", "x"];
const floats = [
  "0",
  "-0",
  "1",
  "1.5",
  "-2.25",
  "1e10",
  "1E-7",
  "0.1",
  "3.4028235e38",
  "1e39",
  "1e309",
  "NaN",
  "Infinity",
  "-Infinity",
  "inf",
  "+Inf",
  "nan",
  ".5",
  "5.",
  "0x1p-2",
  "1_0",
  "x",
];
const booleans = ["true", "false", "true", "false", "1", "0", "t", "F", "TRUE", "True", "yes", "tRuE", "2"];
const base64s = [
  "",
  "AA==",
  "AAECAw==",
  "+/+/",
  "-_-_",
  "AAE",
  "AAE=",
  "AA",
  "A",
  "====",
  "!!",
  "aGVsbG8gd29ybGQ=",
  "a b",
];

function createScalarText(random: Random, type: ScalarType): string {
  switch (type) {
    case ScalarType.BOOL:
      return random.pick(booleans);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return random.chance(0.5) ? String(random.below(2000) - 1000) : random.pick(signed32);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return random.chance(0.5) ? String(random.below(2000) - 1000) : random.pick(signed64);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return random.chance(0.5) ? String(random.below(2000)) : random.pick(unsigned32);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return random.chance(0.5) ? String(random.below(2000)) : random.pick(unsigned64);
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return random.chance(0.4) ? String((random.next() - 0.5) * 1000) : random.pick(floats);
    case ScalarType.BYTES:
      return random.pick(base64s);
    default:
      return createText(random);
  }
}

const times = [
  "2024-02-29T23:59:59Z",
  "2024-02-29T23:59:59.5Z",
  "2024-02-29T23:59:59.123456789Z",
  "2024-02-29T23:59:59+02:00",
  "1969-12-31T23:59:59.25Z",
  "0001-01-01T00:00:00Z",
  "9999-12-31T23:59:59.999999999Z",
  "2023-02-29T00:00:00Z",
  "2024-02-29 23:59:59Z",
  "2024-02-29",
  "2024-02-29T23:59:59",
  "null",
  "1709251199",
  "2024-02-29T24:00:00Z",
  "2024-02-29t23:59:59z",
  "2024-02-29T23:59:60Z",
  "2024-02-29T23:59:59.1234567891Z",
];
const durations = [
  "1s",
  "0s",
  "1.5s",
  "-2.000000001s",
  "100ms",
  "1m0.5s",
  "1h",
  "0.000000001s",
  "1us",
  "2.5h30m",
  "null",
  "5",
  "-",
  "s",
  "1.s",
  ".5s",
  "1d",
  "315576000000s",
  "315576000001s",
  "3s ",
];
const masks = [
  "id",
  "id,name",
  "int32Value",
  "child.name,child.child.number",
  "int32_value",
  "",
  "a..b",
  "childList",
  "nope",
  "id, name",
];
const structs = ['{"a":1}', "{}", '{"a":[null,true,"x",{"b":0.5}]}', "[]", "1", '{"a":', "null"];
const values = ["text", '"text"', "1", "null", "true", '{"a":1}', "[1]", "", '{"a":'];

function createMessageText(random: Random, desc: DescMessage): string {
  switch (desc.typeName) {
    case "google.protobuf.Timestamp":
      return random.pick(times);
    case "google.protobuf.Duration":
      return random.pick(durations);
    case "google.protobuf.FieldMask":
      return random.pick(masks);
    case "google.protobuf.Struct":
      return random.pick(structs);
    case "google.protobuf.Value":
      return random.pick(values);
    default:
      return desc.typeName.startsWith("google.") ? createFieldText(random, desc.fields[0]!) : createText(random);
  }
}

// Bodies

function createBody(random: Random, rule: Rule): string {
  const field = rule.body === "*" ? undefined : findField(RequestSchema, rule.body);
  const json = field === undefined ? createJson(random, RequestSchema, 0) : createFieldJson(random, field, 0);
  return random.chance(0.06) ? spoilBody(random, json) : json;
}

function spoilBody(random: Random, json: string): string {
  switch (random.below(8)) {
    case 0:
      return json.slice(0, random.below(json.length));
    case 1:
      return `${json}${random.pick([" ", "\n", "x", "{}", "]", ","])}`;
    case 2:
      return ` \r\n\t${json}`;
    case 3:
      return "";
    case 4:
      return random.pick([
        "null",
        "[]",
        "{}",
        '"x"',
        "7",
        "true",
        "nope",
        "{,}",
        '{"id":"a",}',
        "{'id':'a'}",
        '{id:"a"}',
      ]);
    case 5:
      return json.replace(/^\{/, '{"id":"a","id":"b",');
    case 6:
      return json.replace("}", ',"otherName":"x"}');
    default:
      return `\ufeff${json}`;
  }
}

function createJson(random: Random, desc: DescMessage, depth: number): string {
  const count = random.below(depth === 0 ? 7 : 3);
  const members = Array.from({ length: count }, () => {
    if (random.chance(0.03))
      return `${JSON.stringify(random.pick(["nope", "", "@type", "id "]))}:${random.pick(["1", "null", "{}", '"x"', "[{}]"])}`;
    const field = random.pick(desc.fields);
    const name = random.chance(0.7) ? field.jsonName : field.name;
    return `${JSON.stringify(name)}:${createFieldJson(random, field, depth)}`;
  });
  return `{${members.join(random.pick([",", ", "]))}}`;
}

function createFieldJson(random: Random, field: DescField, depth: number): string {
  if (random.chance(0.03)) return "null";
  if (random.chance(0.02)) return random.pick(["1", '"x"', "true", "[]", "{}", "[null]", "1.5", '""']);
  const one = (): string => createValueJson(random, field, depth);
  if (field.fieldKind === "list") return `[${Array.from({ length: random.below(4) }, one).join()}]`;
  if (field.fieldKind === "map") {
    const entries = Array.from(
      { length: random.below(3) },
      () => `${JSON.stringify(createScalarText(random, field.mapKey))}:${one()}`,
    );
    return `{${entries.join()}}`;
  }
  return one();
}

function createValueJson(random: Random, field: DescField, depth: number): string {
  if (field.message !== undefined) return createMessageJson(random, field.message, depth);
  if (field.enum !== undefined) {
    const text = createEnumText(random, field.enum);
    return /^-?\d+$/.test(text) && random.chance(0.8) ? text : JSON.stringify(text);
  }
  return createScalarJson(random, field.scalar!);
}

const numbers = [
  "0",
  "1",
  "-1",
  "1.0",
  "1e2",
  "1.5",
  "-0",
  "2147483648",
  "4294967296",
  "9007199254740993",
  "1e400",
  "0.1",
  "1E+2",
  "100000000000000000000",
];

function createScalarJson(random: Random, type: ScalarType): string {
  const text = createScalarText(random, type);
  switch (type) {
    case ScalarType.BOOL:
      return random.chance(0.9) ? random.pick(["true", "false"]) : JSON.stringify(text);
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return random.chance(0.97) ? JSON.stringify(text) : random.pick(numbers);
    default:
      if (random.chance(0.1)) return random.pick(numbers);
      return /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(text) && random.chance(0.7) ? text : JSON.stringify(text);
  }
}

const anyJson = ["null", "1", '"x"', "true", "[1,null]", '{"a":{"b":[]}}', "{}", "1e3", "-0.5"];

function createMessageJson(random: Random, desc: DescMessage, depth: number): string {
  switch (desc.typeName) {
    case "google.protobuf.Struct":
      return random.pick(['{"a":1,"b":[null,{"c":"d"}]}', "{}", '{"":null}', "[]"]);
    case "google.protobuf.Value":
      return random.pick(anyJson);
    case "google.protobuf.Timestamp":
    case "google.protobuf.Duration":
    case "google.protobuf.FieldMask":
      return JSON.stringify(createMessageText(random, desc));
    default:
      if (desc.typeName.startsWith("google.")) return createScalarJson(random, desc.fields[0]!.scalar!);
      return depth > 3 ? "{}" : createJson(random, desc, depth + 1);
  }
}
