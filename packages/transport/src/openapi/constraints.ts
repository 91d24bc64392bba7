import { type DescField, type DescMessage, getOption, hasOption, toJson } from "@bufbuild/protobuf";
import { isReflectMessage, reflect, scalarZeroValue } from "@bufbuild/protobuf/reflect";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import {
  type FieldRules,
  FieldRulesSchema,
  field as fieldOption,
  Ignore,
  KnownRegex,
  type MessageRules,
  message as messageOption,
  oneof as oneofOption,
  type Rule,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { Schema } from "./document.ts";

// The rules of buf.validate as keywords of JSON Schema. What has no keyword is said in words.

/** What rules come to. */
export interface Constraint {
  /** Keywords beside those of the type. */
  readonly keywords: Schema;
  /** Rules that no keyword can tell, for the description: `must be above 5`. */
  readonly notes: readonly string[];
}

/** How the values of a field stand in JSON, as far as rules need to know it. */
export interface ValueForm {
  /** What integers of 64 bits are; "both" for text when a double does not hold them. */
  readonly int64: "text" | "number" | "both";
  /** Whether enums are numbers and not names. */
  readonly enumAsNumber: boolean;
}

/** The rules of a field; undefined for none that hold. */
export function rulesOf(field: DescField): FieldRules | undefined {
  if (!hasOption(field, fieldOption)) return undefined;
  const rules = getOption(field, fieldOption);
  return rules.ignore === Ignore.ALWAYS ? undefined : rules;
}

/** The rules of a whole message; undefined when there are none. */
export function messageRulesOf(desc: DescMessage): MessageRules | undefined {
  return hasOption(desc, messageOption) ? getOption(desc, messageOption) : undefined;
}

/** Whether one member of a oneof has to be set. */
export function isOneofRequired(oneof: DescMessage["oneofs"][number]): boolean {
  return hasOption(oneof, oneofOption) && getOption(oneof, oneofOption).required;
}

/**
 * Whether rules refuse the empty value of a field that does not know whether it is set: it may not be left out then. Told of lengths,
 * counts, formats and lower bounds.
 */
export function refusesEmpty(rules: FieldRules, { presence }: DescField): boolean {
  if (presence !== FeatureSet_FieldPresence.IMPLICIT || rules.ignore === Ignore.IF_ZERO_VALUE) return false;
  const set = readSet(rules);
  const least = ["len", "min_len", "len_bytes", "min_bytes", "min_items", "min_pairs"];
  if (least.some((name) => typeof set[name] === "bigint" && set[name] > 0n)) return true;
  const [above, from, below] = [set.gt, set.gte, set.lt ?? set.lte].map((bound) =>
    isNumber(bound) ? Number(bound) : undefined,
  );
  const lower = above ?? from;
  const isExcluding = lower !== undefined && below !== undefined && below < lower;
  if (!isExcluding && ((above !== undefined && above >= 0) || (from !== undefined && from > 0))) return true;
  return rules.type.case === "string" && Object.keys(set).some((name) => name !== "uri_ref" && name in formats);
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

/** What expressions say, in words where they have some. */
export function celNotes(rules: {
  readonly cel: readonly Rule[];
  readonly celExpression: readonly string[];
}): string[] {
  const expressions = rules.celExpression.map((expression) => `\`${expression}\``);
  return [...rules.cel.map(({ message, expression }) => message || `\`${expression}\``), ...expressions];
}

/** The keywords for one value of a field: an element of a list, a value of a map, or the field itself. */
export function constrainValue(rules: FieldRules, field: DescField, form: ValueForm): Constraint {
  const constraint = byType(rules, field, form);
  const notes = [...constraint.notes, ...celNotes(rules)];
  // An empty value passes whatever the rules say.
  if (rules.ignore === Ignore.IF_ZERO_VALUE && Object.keys(constraint.keywords).length > 0) {
    const zero = zeroOf(field, form);
    if (zero !== undefined) return { keywords: { anyOf: [{ const: zero }, constraint.keywords] }, notes };
  }
  return { keywords: constraint.keywords, notes };
}

function byType(rules: FieldRules, field: DescField, form: ValueForm): Constraint {
  const set = readSet(rules);
  switch (rules.type.case) {
    case "string":
      return constrainString(set);
    case "bytes":
      return constrainBytes(set);
    case "bool":
      return constrainChoice(set, (value) => [value]);
    case "enum":
      return constrainChoice(set, (value) => [form.enumAsNumber ? value : nameOf(field, value as number)]);
    case "int64":
    case "uint64":
    case "sint64":
    case "fixed64":
    case "sfixed64":
      return constrainLong(set, form);
    case undefined:
    case "repeated":
    case "map":
      return none;
    case "any":
    case "duration":
    case "fieldMask":
    case "timestamp":
      return { keywords: {}, notes: describe(set) };
    default:
      return {
        keywords: {
          ...(set.finite === true && { type: "number" }),
          ...constrainChoice(set, (value) => [value]).keywords,
          ...boundsOf(set),
        },
        notes: [],
      };
  }
}

const none: Constraint = { keywords: {}, notes: [] };

/** The rules that are set, by their names in the .proto: each type has rules of its own, but the names mean the same. */
type RuleSet = { readonly [name: string]: unknown };

function readSet(rules: FieldRules): RuleSet {
  const set: Record<string, unknown> = {};
  const view = reflect(FieldRulesSchema, rules);
  const typeField = FieldRulesSchema.oneofs[0]?.fields.find((field) => view.isSet(field));
  const own = typeField?.fieldKind === "message" ? view.get(typeField) : undefined;
  if (own === undefined) return set;
  for (const field of own.fields) {
    if (!own.isSet(field)) continue;
    const value: unknown = own.get(field);
    set[field.name] = field.fieldKind === "list" ? [...(value as Iterable<unknown>)] : value;
  }
  return set;
}

/** const, in, not_in and example, with the forms that a value has in JSON. */
function constrainChoice(set: RuleSet, forms: (value: unknown) => readonly unknown[]): Constraint {
  const keywords: Record<string, unknown> = {};
  const all = (values: unknown): unknown[] => (values as unknown[]).flatMap(forms);
  if ("const" in set) {
    const values = forms(set.const);
    if (values.length === 1) keywords.const = values[0];
    else keywords.enum = values;
  }
  if ("in" in set) keywords.enum = all(set.in);
  if ("not_in" in set) keywords.not = { enum: all(set.not_in) };
  if ("example" in set) keywords.examples = all(set.example);
  return { keywords, notes: [] };
}

/** Bounds of a number. With the lower one above the upper one they exclude what is between. */
function boundsOf(set: RuleSet): Schema {
  const upper: Record<string, number> = {};
  const lower: Record<string, number> = {};
  if ("lt" in set) upper.exclusiveMaximum = Number(set.lt);
  if ("lte" in set) upper.maximum = Number(set.lte);
  if ("gt" in set) lower.exclusiveMinimum = Number(set.gt);
  if ("gte" in set) lower.minimum = Number(set.gte);
  const [max] = Object.values(upper);
  const [min] = Object.values(lower);
  if (max !== undefined && min !== undefined && min > max) return { anyOf: [lower, upper] };
  return { ...lower, ...upper };
}

function constrainLong(set: RuleSet, { int64 }: ValueForm): Constraint {
  const choice = constrainChoice(set, (value) => {
    if (int64 === "both") return [Number(value), String(value)];
    return [int64 === "text" ? String(value) : Number(value)];
  });
  // Keywords for numbers say nothing of text.
  const keywords = int64 === "text" ? choice.keywords : { ...choice.keywords, ...boundsOf(set) };
  const { lt, lte, gt, gte } = set;
  return { keywords, notes: int64 === "number" ? [] : describe({ lt, lte, gt, gte }) };
}

function constrainString(set: RuleSet): Constraint {
  const { keywords: choice } = constrainChoice(set, (value) => [value]);
  const keywords: Record<string, unknown> = { ...choice };
  const notes: string[] = [];
  const patterns: string[] = [];
  const atLeast = (length: number): void => {
    keywords.minLength = Math.max(length, (keywords.minLength as number | undefined) ?? 0);
  };
  const atMost = (length: number): void => {
    keywords.maxLength = Math.min(length, (keywords.maxLength as number | undefined) ?? Infinity);
  };
  for (const [name, value] of Object.entries(set)) {
    switch (name) {
      case "len":
        atLeast(Number(value));
        atMost(Number(value));
        break;
      case "min_len":
        atLeast(Number(value));
        break;
      case "max_len":
        atMost(Number(value));
        break;
      // A character has one to four bytes.
      case "len_bytes":
        atLeast(Math.ceil(Number(value) / 4));
        atMost(Number(value));
        notes.push(`must be ${value} bytes of UTF-8 long`);
        break;
      case "min_bytes":
        atLeast(Math.ceil(Number(value) / 4));
        notes.push(`must be at least ${value} bytes of UTF-8 long`);
        break;
      case "max_bytes":
        atMost(Number(value));
        notes.push(`must be at most ${value} bytes of UTF-8 long`);
        break;
      case "pattern":
        if (isPattern(String(value))) patterns.push(String(value));
        else notes.push(`must match \`${value}\``);
        break;
      case "prefix":
        patterns.push(`^${escapePattern(String(value))}`);
        break;
      case "suffix":
        patterns.push(`${escapePattern(String(value))}$`);
        break;
      case "contains":
        patterns.push(escapePattern(String(value)));
        break;
      case "not_contains":
        patterns.push(`^(?![\\s\\S]*${escapePattern(String(value))})`);
        break;
      case "well_known_regex":
        if (value === KnownRegex.HTTP_HEADER_NAME) {
          patterns.push(set.strict === false ? "^[^\\u0000\\u000A\\u000D]+$" : "^:?[0-9a-zA-Z!#$%&'*+\\-.^_|~`]+$");
        } else if (value === KnownRegex.HTTP_HEADER_VALUE) {
          patterns.push(
            set.strict === false ? "^[^\\u0000\\u000A\\u000D]*$" : "^[^\\u0000-\\u0008\\u000A-\\u001F\\u007F]*$",
          );
        }
        break;
      default:
        if (value === true && formats[name] !== undefined) Object.assign(keywords, formats[name]);
        else if (value === true && wellKnown[name] !== undefined) notes.push(`must be ${wellKnown[name]}`);
    }
  }
  if (patterns.length === 1) keywords.pattern = patterns[0];
  if (patterns.length > 1) keywords.allOf = patterns.map((pattern) => ({ pattern }));
  return { keywords, notes };
}

const formats: Readonly<Record<string, Schema | undefined>> = {
  email: { format: "email" },
  hostname: { format: "hostname" },
  ip: { anyOf: [{ format: "ipv4" }, { format: "ipv6" }] },
  ipv4: { format: "ipv4" },
  ipv6: { format: "ipv6" },
  uri: { format: "uri" },
  uri_ref: { format: "uri-reference" },
  address: { anyOf: [{ format: "hostname" }, { format: "ipv4" }, { format: "ipv6" }] },
  uuid: { format: "uuid" },
  tuuid: { pattern: "^[0-9a-fA-F]{32}$" },
  ulid: { pattern: "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$" },
  protobuf_fqn: { pattern: "^[A-Za-z_]\\w*(\\.[A-Za-z_]\\w*)*$" },
  protobuf_dot_fqn: { pattern: "^\\.[A-Za-z_]\\w*(\\.[A-Za-z_]\\w*)*$" },
};

/** What JSON Schema has no format for. */
const wellKnown: Readonly<Record<string, string | undefined>> = {
  ip_with_prefixlen: "an IP address with the length of its prefix",
  ipv4_with_prefixlen: "an IPv4 address with the length of its prefix",
  ipv6_with_prefixlen: "an IPv6 address with the length of its prefix",
  ip_prefix: "the prefix of an IP network",
  ipv4_prefix: "the prefix of an IPv4 network",
  ipv6_prefix: "the prefix of an IPv6 network",
  host_and_port: "a host and a port",
};

/** Whether RE2's pattern is one of JavaScript's as well, which JSON Schema has. */
function isPattern(text: string): boolean {
  try {
    new RegExp(text, "u");
    return true;
  } catch {
    return false;
  }
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function constrainBytes(set: RuleSet): Constraint {
  const { len, min_len = len, max_len = len, ...rest } = set;
  const { keywords } = constrainChoice(rest, (value) => [base64Encode(value as Uint8Array)]);
  // Three bytes are four characters.
  const charsOf = (bytes: unknown): number => 4 * Math.ceil(Number(bytes) / 3);
  const { const: _const, in: _in, not_in: _notIn, example: _example, ...told } = rest;
  return {
    keywords: {
      ...keywords,
      ...(min_len !== undefined && { minLength: charsOf(min_len) }),
      ...(max_len !== undefined && { maxLength: charsOf(max_len) }),
    },
    notes: [
      ...(min_len !== undefined && min_len === max_len ? [`must be ${min_len} bytes long`] : []),
      ...(min_len !== undefined && min_len !== max_len ? [`must be at least ${min_len} bytes long`] : []),
      ...(max_len !== undefined && min_len !== max_len ? [`must be at most ${max_len} bytes long`] : []),
      ...describe(told),
    ],
  };
}

const phrases: Readonly<Record<string, string | undefined>> = {
  const: "must be",
  lt: "must be below",
  lte: "must be at most",
  gt: "must be above",
  gte: "must be at least",
  in: "must be one of",
  not_in: "must be none of",
  lt_now: "must be in the past",
  gt_now: "must be in the future",
  within: "must be from now, either way, within",
  pattern: "must match",
  prefix: "must begin with",
  suffix: "must end with",
  contains: "must contain",
  ip: "must be an IP address",
  ipv4: "must be an IPv4 address",
  ipv6: "must be an IPv6 address",
  uuid: "must be a UUID",
};

/** Rules in words. */
function describe(set: RuleSet): string[] {
  return Object.entries(set).flatMap(([name, value]) => {
    const phrase = phrases[name];
    if (phrase === undefined || value === undefined || value === false) return [];
    if (value === true) return [phrase];
    return [`${phrase} ${(Array.isArray(value) ? value : [value]).map(format).join(", ")}`];
  });
}

function format(value: unknown): string {
  if (value instanceof Uint8Array) return base64Encode(value);
  if (isReflectMessage(value)) return `\`${String(toJson(value.desc, value.message))}\``;
  return typeof value === "string" ? `\`${value}\`` : String(value);
}

function nameOf({ enum: desc }: DescField, number: number): unknown {
  return desc?.value[number]?.name ?? number;
}

/** The empty value of a field, as it stands in JSON. */
function zeroOf(field: DescField, { int64, enumAsNumber }: ValueForm): unknown {
  if (field.enum !== undefined) return enumAsNumber ? 0 : nameOf(field, 0);
  if (field.scalar === undefined) return undefined;
  const zero: unknown = scalarZeroValue(field.scalar, true);
  if (zero instanceof Uint8Array) return "";
  return zero === "0" && int64 !== "text" ? 0 : zero;
}
