import type { Template, Variable } from "../http/template.ts";

/** A captured segment of a path, as OpenAPI has it: one `{name}`. */
export interface PathCapture {
  readonly name: string;
  /** Whose value it is, or is a part of; undefined for a `*` outside of any variable. */
  readonly variable: Variable | undefined;
  /** Whether it is the whole value of that variable. */
  readonly isWhole: boolean;
  /** Whether it is all that is left of the path. */
  readonly spans: boolean;
}

/** A path template in OpenAPI's words. */
export interface OpenApiPath {
  /** `/v1/shelves/{shelvesId}/books/{booksId}:archive` */
  readonly text: string;
  readonly captures: readonly PathCapture[];
}

/**
 * A template of google.api.http has patterns in its variables, OpenAPI's has only names: the literals of a pattern become the path's own,
 * and each `*` a parameter. One is named as its variable; several are named for the literal before them, as in the `flatPath` of
 * Google's discovery documents:
 *
 *     /v1/{name=shelves/*}            /v1/shelves/{name}
 *     /v1/{name=shelves/* /books/*}   /v1/shelves/{shelvesId}/books/{booksId}
 */
export function toOpenApiPath({ segments, variables, suffix }: Template): OpenApiPath {
  const captures: PathCapture[] = [];
  const names = new Set<string>();
  let text = "";
  for (const [at, segment] of segments.entries()) {
    if (segment.kind === "literal") {
      text += `/${segment.text}`;
      continue;
    }
    const number = captures.length;
    const variable = variables.find(({ parts }) => parts.includes(number));
    const isOnly = variable?.parts.filter((part) => typeof part === "number").length === 1;
    const before = segments[at - 1];
    const wanted = isOnly ? variable.name : before?.kind === "literal" ? `${before.text}Id` : "segment";
    let name = wanted;
    for (let count = 2; names.has(name); count++) name = `${wanted}${count}`;
    names.add(name);
    captures.push({ name, variable, isWhole: variable?.parts.length === 1, spans: segment.kind === "rest" });
    text += `/{${name}}`;
  }
  return { text: `${text || "/"}${suffix === "" ? "" : `:${suffix}`}`, captures };
}

/** The same path with other names for its parameters. */
export function renameCaptures(path: OpenApiPath, names: readonly string[]): OpenApiPath {
  let at = 0;
  const text = path.text.replace(/\{[^{}]+\}/g, () => `{${names[at++]}}`);
  return { text, captures: path.captures.map((capture, index) => ({ ...capture, name: names[index]! })) };
}
