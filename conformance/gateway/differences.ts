import { isDeepStrictEqual } from "node:util";
import type { WireRequest } from "./requests.ts";

export interface WireReply {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** A way in which the two differ on purpose. Only what `covers` says is excused. */
export interface Difference {
  readonly name: string;
  readonly why: string;
  covers(request: WireRequest, theirs: WireReply, ours: WireReply): boolean;
}

/**
 * Whether two replies say the same: the same status and, where the call went well, the same JSON. Errors have bodies of their
 * own kind, `{code, message, details}` there and `{code, reason, message, metadata}` here. A message that is not set is null
 * there and left out here.
 */
export function isSame(theirs: WireReply, ours: WireReply): boolean {
  if (theirs.status !== ours.status) return false;
  return theirs.status !== 200 || isDeepStrictEqual(parse(theirs), parse(ours));
}

type Change = (value: unknown, name: string) => unknown;

function parse({ text }: WireReply, change: Change = (value) => value): unknown {
  return tidy(JSON.parse(text), change, "");
}

/** Without what is null, and with every other value changed by its name. */
function tidy(value: unknown, change: Change, name: string): unknown {
  if (Array.isArray(value)) return value.map((one) => tidy(one, change, name));
  if (typeof value !== "object" || value === null) return change(value, name);
  const members = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(members.map(([key, member]) => [key, tidy(member, change, key)]));
}

const pathOf = ({ target }: WireRequest): string => target.replace(/\?.*/, "");

/** The pairs of the query, decoded; undefined for one that is not percent-encoded. */
function pairsOf({ target }: WireRequest): { key: string; value: string }[] {
  const mark = target.indexOf("?");
  return mark === -1 ? [] : [...new URLSearchParams(target.slice(mark + 1))].map(([key, value]) => ({ key, value }));
}

/** A key by the field it names: both names of a field are one. */
function toField(key: string): string {
  const name = key.replace(/\[\]$/, "").replace(/\brenamed\b/g, "otherName");
  return name.replace(/_([a-z\d])/g, (_, letter: string) => letter.toUpperCase());
}

const variablesOf = ({ rule }: WireRequest): string[] =>
  [...rule.template.matchAll(/\{([^}=]+)/g)].map(([, name]) => toField(name!));

export const differences: readonly Difference[] = [
  {
    name: "method-not-allowed",
    why: "a path that is there for other verbs is 405 with Allow here, 501 there",
    covers: (_, theirs, ours) => theirs.status === 501 && ours.status === 405 && typeof ours.headers.allow === "string",
  },
  {
    name: "options",
    why: "OPTIONS is answered here, 204 with Allow",
    covers: ({ verb }, theirs, ours) =>
      verb === "OPTIONS" &&
      [404, 501].includes(theirs.status) &&
      ours.status === 204 &&
      typeof ours.headers.allow === "string",
  },
  {
    name: "slash-at-end",
    why: "a path with a slash too many is sent on to the one without, as Kratos does; 308, so that a POST stays one",
    covers: (request, theirs, ours) =>
      ours.status === 308 &&
      pathOf(request).endsWith("/") &&
      [404, 501].includes(theirs.status) &&
      String(ours.headers.location).startsWith(pathOf(request).replace(/\/+$/, "")),
  },
  {
    name: "empty-segment",
    why: "a variable is at least one character here; there /things/ is the thing without an id",
    covers: (request, theirs, ours) =>
      /\/(?:$|\/|:)/.test(pathOf(request)) && theirs.status !== 404 && [404, 405, 308].includes(ours.status),
  },
  {
    name: "bad-path",
    why: "net/http refuses a path that is not percent-encoded with 400 before the gateway sees it; here it is 404 or 405 where no route matches it",
    covers: (request, theirs, ours) =>
      /%(?![\dA-Fa-f]{2})/.test(pathOf(request)) && theirs.status === 400 && [404, 405].includes(ours.status),
  },
  {
    name: "content-type",
    why: "a body of a type that nobody reads, or of none, is 415 here; there it is taken for JSON",
    covers: ({ contentType, body }, _, ours) =>
      ours.status === 415 && body !== undefined && !/^application\/json\b/i.test(contentType ?? ""),
  },
];

/** The first difference that covers this one; undefined for one that nobody knows. */
export function classify(request: WireRequest, theirs: WireReply, ours: WireReply): string | undefined {
  return differences.find(({ covers }) => covers(request, theirs, ours))?.name;
}
