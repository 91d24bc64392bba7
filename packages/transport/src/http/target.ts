import type { DescMessage, Message } from "@bufbuild/protobuf";
import { ServiceError } from "@clew/rpc";
import { encodeQuery, escapeText, formatVariable } from "./binding.ts";
import type { Rule, RuleVariable } from "./rule.ts";

/** Path and query of the request for a message. */
export type WriteTarget = (message: Message) => string;

/**
 * Makes what writes the request target of a rule: variables in their places, percent-encoded segment by segment, and as the query
 * what neither path nor body holds. It throws a ServiceError 400 CODEC for a message whose values do not fit the path.
 *
 * @param basePath what comes before it, without a slash at the end
 */
export function compileTarget(rule: Rule, desc: DescMessage, basePath: string): WriteTarget {
  const places = createPlaces(rule);
  const suffix = rule.template.suffix === "" ? "" : `:${rule.template.suffix}`;
  const inPath = rule.variables.map(({ fields }) => fields.map((field) => field.name).join("."));
  const without = new Set(typeof rule.body === "object" ? [...inPath, rule.body.name] : inPath);
  return (message) => {
    let target = basePath;
    for (const place of places) target += `/${typeof place === "string" ? place : writeVariable(place, message)}`;
    target += suffix;
    const query = rule.body === "*" ? "" : encodeQuery(desc, message, without);
    if (query !== "") target += `?${query}`;
    return target === "" || target.startsWith("?") ? `/${target}` : target;
  };
}

/** The segments of a template, with those of a variable as that variable. */
function createPlaces({ template, variables }: Rule): (string | RuleVariable)[] {
  const places: (string | RuleVariable)[] = [];
  for (let at = 0; at < template.segments.length; ) {
    const variable = variables.find((one) => one.variable.at === at);
    if (variable !== undefined) {
      places.push(variable);
      at += variable.variable.parts.length;
      continue;
    }
    const segment = template.segments[at]!;
    // A * outside of a variable stands for any segment; the request needs one.
    places.push(segment.kind === "literal" ? escapeLiteral(segment.text) : "-");
    at++;
  }
  return places;
}

function writeVariable(place: RuleVariable, message: Message): string {
  const { name, parts, spans } = place.variable;
  const value = formatVariable(place, message);
  if (!spans) {
    if (value === "") throw new ServiceError(400, "CODEC", `field "${name}" is empty; the path needs it`);
    return escapeText(value);
  }
  const segments = value.split("/");
  if (!fits(segments, place)) {
    const pattern = parts.map((part, index) =>
      typeof part === "string" ? part : place.variable.endsInRest && index === parts.length - 1 ? "**" : "*",
    );
    throw new ServiceError(400, "CODEC", `field "${name}" does not fit ${pattern.join("/")}, its place in the path`);
  }
  return segments.map(escapeText).join("/");
}

function fits(segments: readonly string[], { variable }: RuleVariable): boolean {
  const { parts, endsInRest } = variable;
  const fixed = endsInRest ? parts.length - 1 : parts.length;
  if (segments.length < fixed || (!endsInRest && segments.length > fixed)) return false;
  return parts.slice(0, fixed).every((part, index) => {
    const segment = segments[index]!;
    return typeof part === "string" ? part === segment : segment !== "";
  });
}

// A literal is written as it is meant to look; what a path cannot hold is escaped.
function escapeLiteral(text: string): string {
  return encodeURI(text).replace(/[?#]/g, encodeURIComponent).replaceAll("%25", "%");
}
