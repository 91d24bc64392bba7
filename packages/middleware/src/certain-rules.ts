import { type DescField, type DescMessage, type DescOneof, getOption, isMessage, ScalarType } from "@bufbuild/protobuf";
import { isReflectMessage, type ReflectMessage, reflect, scalarZeroValue } from "@bufbuild/protobuf/reflect";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";

/**
 * Tells that a message certainly keeps its rules, or, with false, no more than that the library has to be asked. Never throws. The
 * first question about a type compiles its rules, to a few comparisons.
 */
export type IsCertain = (desc: DescMessage, message: unknown) => boolean;

/** The generated code of buf/validate/validate.proto, which is part of what {@link certainRules} must not load by itself. */
type RulesSchema = typeof import("@bufbuild/protovalidate/gen/buf/validate/validate_pb.js");
/** What is set of the rules of one thing, by the names in buf/validate/validate.proto. */
type Rules = Readonly<Record<string, unknown>>;
type Fields = Readonly<Record<string, unknown>>;
type Test<T = unknown> = (value: T) => boolean;

/**
 * Lets the requests of every day pass without the library's reflection: lengths of texts and lists, bounds of numbers,
 * required, defined_only, and messages of such. Of a message with any other rule, or that may hold itself, nothing is certain. What
 * is wrong, and how it is told, is the library's alone to say.
 */
export function certainRules(schema: RulesSchema): IsCertain {
  const compiled = new Map<DescMessage, readonly Test<Fields>[] | undefined>();

  const compileMessage = (desc: DescMessage): readonly Test<Fields>[] | undefined => {
    if (compiled.has(desc)) return compiled.get(desc);
    // What a message that may hold itself finds on its way down.
    compiled.set(desc, undefined);
    const rules = readRules(reflect(schema.MessageRulesSchema, getOption(desc, schema.message)), []);
    const tests = rules && [...desc.fields.map(compileField), ...desc.oneofs.map(compileOneof)];
    if (tests?.every((test) => test !== undefined)) compiled.set(desc, tests.flat());
    return compiled.get(desc);
  };
  /** Gives one test, or none where the library has nothing to look at either. */
  const compileField = (field: DescField): readonly Test<Fields>[] | undefined => {
    const kind = ruleKindOf(field);
    const rules = readRules(reflect(schema.FieldRulesSchema, getOption(field, schema.field)), ["required", kind]);
    const inner = field.message === undefined ? [] : compileMessage(field.message);
    if (rules === undefined || inner === undefined) return undefined;
    const { required = false, [kind]: given } = rules;
    if (required === false && given === undefined && inner.length === 0) return [];
    const own = isReflectMessage(given) ? readRules(given, ownRules[kind] ?? bounds) : {};
    const test = own && compileValue(field, own, inner);
    return test && [compilePresence(field, required === true, test)];
  };
  const compileOneof = (oneof: DescOneof): readonly Test<Fields>[] | undefined => {
    const rules = readRules(reflect(schema.OneofRulesSchema, getOption(oneof, schema.oneof)), ["required"]);
    if (rules === undefined) return undefined;
    const { required = false } = rules;
    if (required === false) return [];
    const members = new Set<unknown>(oneof.fields.map(({ localName }) => localName));
    return [(message) => members.has(chosenOf(message, oneof)?.case)];
  };

  return (desc, message) => {
    const tests = compiled.get(desc) ?? compileMessage(desc);
    return tests !== undefined && passes(desc, tests, message);
  };
}

const bounds = ["gt", "gte", "lt", "lte"];
/** By kind, the names of the rules that are decided here. Any other kind is one of numbers, or has no rules of the names of bounds. */
const ownRules: Readonly<Record<string, readonly string[]>> = {
  string: ["len", "min_len", "max_len"],
  repeated: ["min_items", "max_items"],
  enum: ["defined_only"],
};

/** Undefined where a rule is set whose name is not one of `names`. */
function readRules(rules: ReflectMessage, names: readonly string[]): Rules | undefined {
  const set = rules.fields.filter((field) => rules.isSet(field));
  // Unknown fields are rules that users define, or of a later version.
  if (rules.getUnknown() !== undefined || !set.every(({ name }) => names.includes(name))) return undefined;
  return Object.fromEntries(set.map((field) => [field.name, rules.get(field)]));
}

/** The only rules that fit a field; the library tells of others. */
function ruleKindOf(field: DescField): string {
  if (field.fieldKind === "scalar") return ScalarType[field.scalar].toLowerCase();
  return field.fieldKind === "list" ? "repeated" : field.fieldKind;
}

function passes(desc: DescMessage, tests: readonly Test<Fields>[], message: unknown): boolean {
  if (!isMessage(message, desc)) return false;
  for (const test of tests) if (!test(message as unknown as Fields)) return false;
  return true;
}

function chosenOf(message: Fields, oneof: DescOneof): { readonly case?: unknown; readonly value?: unknown } | null {
  return (message[oneof.localName] ?? null) as ReturnType<typeof chosenOf>;
}

/** A field that is not set has no rule to keep but `required`, except where zero stands for that: zero is held to all rules. */
function compilePresence(field: DescField, required: boolean, test: Test): Test<Fields> {
  const { localName: name, oneof } = field;
  if (oneof !== undefined) {
    return (message) => {
      const chosen = chosenOf(message, oneof);
      if (chosen === null) return false;
      return chosen.case === name ? test(chosen.value) : !required;
    };
  }
  if (field.presence !== FeatureSet_FieldPresence.IMPLICIT) {
    // The default values of proto2 are on the prototype: there, and not set.
    if (required) return (message) => Object.hasOwn(message, name) && test(message[name]);
    return (message) => message[name] === undefined || test(message[name]);
  }
  if (!required) return (message) => test(message[name]);
  if (field.fieldKind === "list") return (message) => test(message[name]) && (message[name] as unknown[]).length > 0;
  const zero =
    field.fieldKind === "enum" ? field.enum.values[0]?.number : field.scalar && scalarZeroValue(field.scalar, false);
  return (message) => test(message[name]) && message[name] !== zero;
}

function compileValue(field: DescField, rules: Rules, inner: readonly Test<Fields>[]): Test | undefined {
  switch (field.fieldKind) {
    case "message":
      return (value) => passes(field.message, inner, value);
    case "list":
      return compileList(rules, inner.length === 0 ? undefined : (item) => passes(field.message!, inner, item));
    case "enum":
      return compileEnum(rules, new Set(field.enum.values.map(({ number }) => number)));
    case "scalar":
      if (field.scalar === ScalarType.BYTES) return undefined;
      return field.scalar === ScalarType.STRING ? compileText(rules) : compileNumber(rules, field.scalar);
    default:
      return undefined;
  }
}

function compileList({ min_items: min = 0, max_items: max = Infinity }: Rules, isItemCertain: Test | undefined): Test {
  const fewest = Number(min);
  const most = Number(max);
  return (value) => {
    if (!Array.isArray(value) || value.length < fewest || value.length > most) return false;
    if (isItemCertain !== undefined) for (const item of value) if (!isItemCertain(item)) return false;
    return true;
  };
}

function compileEnum({ defined_only: definedOnly = false }: Rules, defined: ReadonlySet<number>): Test {
  return (value) => typeof value === "number" && (definedOnly === false || defined.has(value));
}

function compileText({ len, min_len: min = 0, max_len: max = Infinity }: Rules): Test {
  const fewest = Math.max(Number(min), Number(len ?? 0));
  const most = Math.min(Number(max), Number(len ?? Infinity));
  return (value) => {
    if (typeof value !== "string" || !value.isWellFormed()) return false;
    // A character is one or two units long. They are counted where that leaves it open.
    const { length } = value;
    if (length < fewest || length > 2 * most) return false;
    if (length >= 2 * fewest - 1 && length <= most) return true;
    let count = 0;
    for (const _ of value) count++;
    return count >= fewest && count <= most;
  };
}

/** A truth value passes as a number without bounds. */
function compileNumber(rules: Rules, scalar: ScalarType): Test {
  const type = typeof scalarZeroValue(scalar, false);
  const { gt, gte, lt, lte } = rules as Readonly<Record<string, number | bigint>>;
  return (value) => {
    if (typeof value !== type) return false;
    const number = value as number | bigint;
    // False of NaN, and of all numbers where the ends are exchanged, which says that a number has to be outside.
    return (
      (gt === undefined || number > gt) &&
      (gte === undefined || number >= gte) &&
      (lt === undefined || number < lt) &&
      (lte === undefined || number <= lte)
    );
  };
}
