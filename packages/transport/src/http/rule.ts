import { type DescField, type DescMessage, getOption } from "@bufbuild/protobuf";
import { type HttpRule, hasRequestStream, httpRule, type Method, placeInProto } from "@clew/rpc";
import {
  fieldMissing,
  fieldsClash,
  fieldUnusable,
  ruleBodyUnsent,
  ruleNested,
  ruleVerbInvalid,
  ruleWithoutPath,
} from "../errors.ts";
import { compileText } from "./field-text.ts";
import { joinPaths } from "./route.ts";
import { anyVerb } from "./router.ts";
import { parseTemplate, type Template, type Variable } from "./template.ts";

/** A variable of a path, and the fields that lead to its field. */
export interface RuleVariable {
  readonly variable: Variable;
  readonly fields: readonly DescField[];
}

/** One HTTP binding of a method: a google.api.http rule whose names are resolved to fields. */
export interface Rule {
  /** The method or rule that it belongs to, for an error. */
  readonly owner: string;
  /** Upper case; `*` for any. */
  readonly verb: string;
  readonly template: Template;
  readonly variables: readonly RuleVariable[];
  /** The request field that is the body; "*" when the whole request is the body, undefined when there is no body. */
  readonly body: DescField | "*" | undefined;
  /** The reply field that is the body; undefined when the whole reply is the body. */
  readonly replyBody: DescField | undefined;
}

/**
 * Returns the rules of a method, the main rule first. A method without a rule gets `POST /package.Service/Method` with the
 * request as its body.
 *
 * @param prefix the prefix of every path of the server
 * @throws CLEW_TRANSPORT_RULE, CLEW_TRANSPORT_TEMPLATE, CLEW_TRANSPORT_FIELD_MISSING, CLEW_TRANSPORT_FIELD
 */
export function readRules(method: Method, prefix = ""): Rule[] {
  const option = getOption(method.desc, httpRule);
  if (!hasRule(method)) {
    const owner = ownerOf(method);
    const template = parseTemplate(prefix + method.operation, owner);
    return [{ owner, verb: "POST", template, variables: [], body: "*", replyBody: undefined }];
  }
  if (option.additionalBindings.some((one) => one.additionalBindings.length > 0))
    throw ruleNested(ownerOf(method, option));
  return [option, ...option.additionalBindings].map((rule) => resolveRule(method, rule, prefix));
}

/**
 * Returns the rules of a method for a server, which refuses a rule that would ignore a part of the request. A client accepts such
 * a rule, because the server may be another program.
 *
 * @throws as {@link readRules}
 */
export function readServedRules(method: Method, prefix = ""): Rule[] {
  const rules = readRules(method, prefix);
  for (const rule of rules) checkServed(method, rule);
  return rules;
}

function checkServed(method: Method, { owner, verb, variables, body }: Rule): void {
  // RFC 9110 section 9.3.1: a body of GET has no meaning; browsers send none and proxies drop it, and with it every field.
  if (body !== undefined && (verb === "GET" || verb === "HEAD") && !hasRequestStream(method)) {
    throw ruleBodyUnsent(owner, body === "*" ? "*" : body.name, verb);
  }
  const taken = variables.map(({ variable, fields }) => ({ name: `{${variable.name}}`, fields }));
  for (const [index, one] of taken.entries()) {
    for (const other of taken.slice(0, index)) {
      const relation = relate(one.fields, other.fields) ?? relate(other.fields, one.fields);
      if (relation !== undefined) throw fieldsClash(owner, one.name, other.name, relation);
    }
    if (typeof body !== "object") continue;
    // A variable may be a part of the body: `patch: "/v1/{book.name=books/*}" body: "book"` is Google's standard update.
    const relation = relate(one.fields, [body]);
    if (relation !== undefined) throw fieldsClash(owner, `body "${body.name}"`, one.name, relation);
  }
}

/** Why two paths of fields cannot both hold a value; undefined when they can, or when only the first is inside the second. */
function relate(one: readonly DescField[], other: readonly DescField[]): string | undefined {
  const at = one.findIndex((field, index) => field !== other[index]);
  if (at === -1) return one.length === other.length ? "which are the same field" : "of which one is part of the other";
  const oneof = one[at]?.oneof;
  return oneof !== undefined && oneof === other[at]?.oneof ? `which are both of the oneof ${oneof.name}` : undefined;
}

/** Whether a method has a google.api.http rule. */
export function hasRule({ desc }: Method): boolean {
  const { pattern, additionalBindings, body, responseBody } = getOption(desc, httpRule);
  return pattern.case !== undefined || additionalBindings.length > 0 || body !== "" || responseBody !== "";
}

/**
 * Names a method, or one of its rules, in an error, with its place in the .proto: `/shop.Orders/Find (shop.proto:12)`,
 * `/shop.Orders/Find (shop.proto:12, get: "/v1/orders/{id}")`.
 */
function ownerOf({ operation, desc }: Method, rule?: HttpRule): string {
  const text = rule === undefined ? "" : textOf(rule);
  return `${operation} (${placeInProto(desc)}${text && `, ${text}`})`;
}

/** The text of a rule as it stands in the .proto, so that a search finds it. */
function textOf({ pattern }: HttpRule): string {
  if (pattern.case === undefined) return "";
  const show = JSON.stringify;
  if (pattern.case !== "custom") return `${pattern.case}: ${show(pattern.value)}`;
  return `custom: { kind: ${show(pattern.value.kind)}, path: ${show(pattern.value.path)} }`;
}

function resolveRule(method: Method, rule: HttpRule, prefix: string): Rule {
  const owner = ownerOf(method, rule);
  const { input, output } = method.desc;
  const [verb, path] = readPattern(owner, rule);
  const template = parseTemplate(joinPaths(prefix, path), owner);
  return {
    owner,
    verb,
    template,
    variables: template.variables.map((variable) => ({ variable, fields: resolvePath(owner, input, variable.name) })),
    body: rule.body === "" ? undefined : rule.body === "*" ? "*" : resolveField(owner, "body", input, rule.body),
    replyBody: rule.responseBody === "" ? undefined : resolveField(owner, "response_body", output, rule.responseBody),
  };
}

/** Whether a text is a verb (RFC 9110 section 9.1), or `*` for any. */
export function isVerb(text: string): boolean {
  return /^[!#$%&'*+.^_`|~\w-]+$/.test(text);
}

function readPattern(owner: string, { pattern }: HttpRule): [verb: string, path: string] {
  switch (pattern.case) {
    case undefined:
      throw ruleWithoutPath(owner);
    case "custom": {
      const { kind, path } = pattern.value;
      if (!isVerb(kind)) throw ruleVerbInvalid(owner, kind);
      return [kind === "*" ? anyVerb : kind.toUpperCase(), path];
    }
    default:
      return [pattern.case.toUpperCase(), pattern.value];
  }
}

/** The fields along a dotted path, the last of which holds one value that has a text form. */
function resolvePath(owner: string, desc: DescMessage, path: string): DescField[] {
  const fields: DescField[] = [];
  const names = path.split(".");
  let message = desc;
  for (const [index, name] of names.entries()) {
    const field = resolveField(owner, `path variable {${path}}`, message, name);
    fields.push(field);
    const isSingular = field.fieldKind !== "list" && field.fieldKind !== "map";
    if (index === names.length - 1) {
      if (!isSingular) throw fieldUnusable(owner, "path", path, "holds several values; a path variable holds one");
      if (compileText(field) === undefined)
        throw fieldUnusable(owner, "path", path, "is a message, which cannot be written as text in a path");
    } else {
      if (!isSingular || field.message === undefined)
        throw fieldUnusable(owner, "path", path, `leads through ${name}, which is not a message`);
      message = field.message;
    }
  }
  return fields;
}

function resolveField(owner: string, use: string, desc: DescMessage, name: string): DescField {
  const field = desc.fields.find((one) => one.name === name) ?? desc.fields.find((one) => one.jsonName === name);
  if (field !== undefined) return field;
  throw fieldMissing(
    owner,
    use,
    name,
    desc.typeName,
    desc.fields.map((one) => one.name),
  );
}
