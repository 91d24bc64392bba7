import { templateInvalid } from "../errors.ts";

/** One segment of a path template: a literal, `*` (one segment) or `**` (all that are left, also none). */
export type Segment =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "one" }
  | { readonly kind: "rest" };

/** A variable of a path template, `{book.id}` or `{path=files/**}`. */
export interface Variable {
  /** `book.id` */
  readonly name: string;
  /** What its value is made of: literals as they are, and the captured segments by their number, joined by slashes. */
  readonly parts: readonly (string | number)[];
  /** Whether it may span more than one segment. A slash in such a value is a slash in the path. */
  readonly spans: boolean;
  /** Whether its last part is a `**`. */
  readonly endsInRest: boolean;
  /** The number of its first segment in the template. */
  readonly at: number;
}

/**
 * A path template as google.api.http has them:
 *
 *     /v1/{name=shelves/*}/books/{id}:archive
 *      │   │       │      │     │      └ suffix
 *      │   │       │      └─────┴──────── literal, variable of one segment
 *      │   └───────┴───────────────────── variable with a pattern
 *      └───────────────────────────────── literal
 */
export interface Template {
  /** As it was written. */
  readonly text: string;
  readonly segments: readonly Segment[];
  readonly variables: readonly Variable[];
  /** What follows the colon at the end, when the last segment is captured; a literal one keeps it as part of its text. */
  readonly suffix: string;
}

/**
 * Reads a path template (grammar: google/api/http.proto).
 *
 * @param owner whose template it is, for the message
 * @throws CLEW_TRANSPORT_TEMPLATE when it is none.
 */
export function parseTemplate(text: string, owner: string): Template {
  const fail = (problem: string): never => {
    throw templateInvalid(owner, text, problem);
  };
  if (!text.startsWith("/")) fail("does not begin with a slash");
  const { body, suffix } = splitSuffix(text);
  if (suffix !== "" && body.length > 1 && body.endsWith("/"))
    fail(`has the segment ":${suffix}"; {${suffix}} is a variable`);
  if (text.endsWith(":") || (suffix !== "" && body === "/")) fail("has a colon with nothing beside it");
  const segments: Segment[] = [];
  const variables: Variable[] = [];
  let captures = 0;

  // Adds one plain segment; returns what it contributes to the value of the variable around it.
  const add = (segment: string): string | number => {
    if (segments.at(-1)?.kind === "rest") fail("goes on after **");
    if (segment === "*" || segment === "**") {
      segments.push({ kind: segment === "*" ? "one" : "rest" });
      return captures++;
    }
    if (/^:\w/.test(segment)) fail(`has the segment "${segment}"; {${segment.slice(1)}} is a variable`);
    if (/[{}*=]/.test(segment)) fail(`has "${segment}", which is neither a literal, nor * or **, nor a variable`);
    segments.push({ kind: "literal", text: segment });
    return segment;
  };

  for (let at = 1; at < body.length; ) {
    if (body[at] === "{") {
      const end = body.indexOf("}", at);
      if (end === -1) fail("has a { without }");
      if (end + 1 < body.length && body[end + 1] !== "/") fail("goes on after } with neither a slash nor a colon");
      const [name = "", pattern = "*"] = splitOnce(body.slice(at + 1, end), "=");
      if (!/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/.test(name)) fail(`has a variable named "${name}"`);
      if (variables.some((other) => other.name === name)) fail(`has the variable "${name}" twice`);
      const first = segments.length;
      const parts = pattern.split("/").map((segment) => {
        if (segment === "") fail(`has an empty segment in the variable "${name}"`);
        return add(segment);
      });
      const endsInRest = segments.at(-1)?.kind === "rest";
      // {x=literal} holds a literal, which is a part like those of a longer pattern.
      const spans = parts.length > 1 || endsInRest || typeof parts[0] === "string";
      variables.push({ name, parts, spans, endsInRest, at: first });
      at = end + 2;
      if (end + 1 === body.length - 1) add("");
    } else {
      const slash = body.indexOf("/", at);
      const end = slash === -1 ? body.length : slash;
      if (end === at && slash !== -1) fail("has an empty segment");
      add(body.slice(at, end));
      at = end + 1;
      if (slash === body.length - 1) add("");
    }
  }

  const last = segments.at(-1);
  if (suffix === "" || last === undefined) return { text, segments, variables, suffix: "" };
  if (last.kind !== "literal") return { text, segments, variables, suffix };
  segments[segments.length - 1] = { kind: "literal", text: `${last.text}:${suffix}` };
  return { text, segments, variables, suffix: "" };
}

/**
 * The value of a variable, percent-decoded. In a variable of several segments an escaped slash stays escaped (so that it is
 * told from one between segments) and `.` and `..` are refused, so that a value may be used as a relative path.
 *
 * @returns undefined when the path does not hold valid percent-encoding or steps up.
 */
export function decodeVariable(variable: Variable, captures: readonly string[]): string | undefined {
  if (!variable.spans) return decodeSegment(captures[variable.parts[0] as number]!);
  let value = "";
  for (const part of variable.parts) {
    if (value !== "") value += "/";
    if (typeof part === "string") value += part;
    else {
      const decoded = decodeSegments(captures[part]!);
      if (decoded === undefined) return undefined;
      value += decoded;
    }
  }
  // Nothing was left for the ** at the end.
  return value.endsWith("/") && captures.at(-1) === "" ? value.slice(0, -1) : value;
}

/** The values of all variables of a template, by name; undefined as {@link decodeVariable} has it. */
export function decodeVariables(template: Template, captures: readonly string[]): Record<string, string> | undefined {
  const values: Record<string, string> = {};
  for (const variable of template.variables) {
    const value = decodeVariable(variable, captures);
    if (value === undefined) return undefined;
    values[variable.name] = value;
  }
  return values;
}

/** A segment percent-decoded; undefined when it is malformed. */
export function decodeSegment(segment: string): string | undefined {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function decodeSegments(path: string): string | undefined {
  const decoded: string[] = [];
  for (const segment of path.split("/")) {
    let text = "";
    for (const piece of segment.split(/(%2f)/i)) {
      const plain = piece.length === 3 && /%2f/i.test(piece) ? piece : decodeSegment(piece);
      if (plain === undefined) return undefined;
      text += plain;
    }
    if (text === "." || text === "..") return undefined;
    decoded.push(text);
  }
  return decoded.join("/");
}

function splitSuffix(text: string): { body: string; suffix: string } {
  const colon = text.lastIndexOf(":");
  if (colon === -1 || colon < text.lastIndexOf("/") || colon < text.lastIndexOf("}")) return { body: text, suffix: "" };
  return { body: text.slice(0, colon), suffix: text.slice(colon + 1) };
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
