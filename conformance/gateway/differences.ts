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
 * there and left out here; a float that came as JSON text goes back here with the digits it came with; and -0 is 0 here.
 */
export function isSame(theirs: WireReply, ours: WireReply): boolean {
  if (theirs.status !== ours.status) return false;
  return theirs.status !== 200 || isDeepStrictEqual(parse(theirs), parse(ours));
}

/** Puts another value in the place of the one that has this name; undefined takes it out. */
type Change = (value: unknown, name: string) => unknown;

function parse({ text }: WireReply, change: Change = (value) => value): unknown {
  return tidy(JSON.parse(text), change, "");
}

function tidy(whole: unknown, change: Change, name: string): unknown {
  const value = change(whole, name);
  if (Array.isArray(value)) return value.map((one) => tidy(one, change, name));
  if (typeof value === "number") return (name === "floatValue" ? Math.fround(value) : value) + 0;
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([key, member]) => [key, tidy(member, change, key)] as const);
  return Object.fromEntries(members.filter(([, member]) => member !== null && member !== undefined));
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

/** The fields that the path or the body brings. */
const boundOf = ({ rule }: WireRequest): string[] =>
  [...[...rule.template.matchAll(/\{([^}=]+)/g)].map(([, name]) => name!), rule.body].map(toField);

/** The pairs of the query that name a field which the path or the body brings. */
const boundPairsOf = (request: WireRequest): { key: string; value: string }[] =>
  pairsOf(request).filter(({ key }) =>
    boundOf(request).some((one) => one !== "" && `${toField(key)}.`.startsWith(`${one}.`)),
  );

/** Whether an object of a JSON text has a field twice, by whichever of its names. */
function hasFieldTwice(text: string): boolean {
  const open: (Set<string> | undefined)[] = [];
  let names: Set<string> | undefined;
  for (const [token, name] of text.matchAll(/"((?:[^"\\]|\\.)*)"(?=\s*:)|"(?:[^"\\]|\\.)*"|[[\]{}]/g)) {
    if (token === "{" || token === "[") {
      open.push(names);
      names = token === "{" ? new Set() : undefined;
    } else if (token === "}" || token === "]") names = open.pop();
    else if (name !== undefined) {
      if (names?.has(toField(name))) return true;
      names?.add(toField(name));
    }
  }
  return false;
}

/** The last names of those pairs: where in a reply what they say shows. */
const boundNamesOf = (request: WireRequest): Set<string> =>
  new Set(boundPairsOf(request).map(({ key }) => toField(key).split(".").at(-1)!));

const isAccepted = ({ status }: WireReply): boolean => status === 200;
const isRefused = ({ status }: WireReply): boolean => status === 400;

/** Without empty texts, lists and messages. */
function withoutEmpty(reply: WireReply): WireReply {
  if (!isAccepted(reply)) return reply;
  const strip = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.filter((one) => one !== "" && one !== 0).map(strip);
    if (typeof value !== "object" || value === null) return value === "" || value === 0 ? undefined : value;
    const members = Object.entries(value).map(([name, member]) => [name, strip(member)] as const);
    const kept = members.filter(([name, member]) => name !== "" && member !== undefined && member !== null);
    return kept.length === 0 ? undefined : Object.fromEntries(kept);
  };
  return { ...reply, text: JSON.stringify(strip(JSON.parse(reply.text)) ?? {}) };
}

/** Leaves a Value out that the query brings: see value-in-query, which comes together with others. */
function withoutValue(request: WireRequest): Change {
  const isThere = pairsOf(request).some(({ key }) => key === "box.value");
  return (value, name) => (isThere && name === "box" ? undefined : value);
}

function withoutSlash(request: WireRequest): Change {
  if (!/%2f/i.test(pathOf(request))) return (value) => value;
  return (value) => (typeof value === "string" ? value.replaceAll(/%2f/gi, "/") : value);
}

function withoutBound(request: WireRequest): Change {
  const names = new Set(boundPairsOf(request).flatMap(({ key }) => toField(key).split(".").slice(1)));
  for (const name of boundNamesOf(request)) names.add(name);
  return (value, name) => (names.has(name) ? undefined : value);
}

/** The last names of the fields that the query brings by both of their names. */
function namesTwice(request: WireRequest): Set<string> {
  const fields = [...new Set(pairsOf(request).map(({ key }) => key))].map(toField);
  return new Set(fields.filter((one, at) => fields.indexOf(one) !== at).map((one) => one.split(".").at(-1)!));
}

function withoutTwice(request: WireRequest): Change {
  const names = namesTwice(request);
  return (value, name) => (names.has(name) || (name === "renamed" && names.has("otherName")) ? undefined : value);
}

/** Whether both accepted the request, and understood it the same once every value of their JSON is changed so. */
function isSameWith(theirs: WireReply, ours: WireReply, change: Change): boolean {
  return isAccepted(theirs) && isAccepted(ours) && isDeepStrictEqual(parse(theirs, change), parse(ours, change));
}

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
    covers: (request, _, ours) => /\/(?:$|\/|:)/.test(pathOf(request)) && [404, 405, 308].includes(ours.status),
  },
  {
    name: "bad-path",
    why: "net/http refuses a path that is not percent-encoded with 400 before the gateway sees it; here it is 404 or 405 where no route matches it",
    covers: (request, theirs, ours) =>
      /%(?![\dA-Fa-f]{2})/.test(pathOf(request)) && theirs.status === 400 && [404, 405].includes(ours.status),
  },
  {
    name: "content-type",
    why: "a body of a type that nobody reads, or of none, is 400 here, as in Kratos; there it is taken for JSON",
    covers: ({ contentType, body }, _, ours) =>
      isRefused(ours) &&
      /the body has (?:no|the) content type/.test(ours.text) &&
      body !== undefined &&
      !/^application\/json\b/i.test(contentType ?? ""),
  },
  {
    name: "field-twice",
    why: "of a JSON field that comes twice the last counts here, as for JSON.parse; protojson refuses it, and so does the strict codec",
    covers: ({ body = "" }, theirs, ours) => isRefused(theirs) && isAccepted(ours) && hasFieldTwice(body),
  },
  {
    name: "more-after-json",
    why: "there the first JSON value of a body counts, whatever follows; here the body is one value",
    covers: ({ body = "" }, theirs, ours) =>
      !isRefused(theirs) && isRefused(ours) && /JSON/.test(ours.text) && /[\]}"\w](?:[x\],]|\{\})$/.test(body),
  },
  {
    name: "missing-body",
    why: "a field that is the body, and of which none came, is not set here, and an empty message there",
    covers: ({ rule, body }, theirs, ours) => {
      if (rule.body !== "child" || (body ?? "") !== "" || !isAccepted(theirs) || !isAccepted(ours)) return false;
      const [gateway, clew] = [theirs, ours].map((reply) => parse(reply) as { request: Record<string, unknown> });
      return isDeepStrictEqual(gateway, { ...clew, request: { ...clew!.request, child: { name: "", number: 0 } } });
    },
  },
  {
    name: "empty-in-query",
    why: "an empty text in a query is no value here, as in Kratos: forms send their empty inputs; there only a string may be empty",
    covers: (request, theirs, ours) =>
      isRefused(theirs) &&
      isAccepted(ours) &&
      /parsing \\"\\": invalid syntax|\\"\\" is not|parsing time \\"\\"|invalid duration \\"\\"/.test(theirs.text) &&
      pairsOf(request).some(({ value }) => value === ""),
  },
  {
    name: "go-duration",
    why: "paths and queries take durations as Go writes them, 1m0.5s, as in Kratos, and over their whole range",
    covers: (_, theirs, ours) =>
      isRefused(theirs) &&
      isAccepted(ours) &&
      /invalid google\.protobuf\.Duration value|time: invalid duration \\"(?:\d+s|0)\\"/.test(theirs.text),
  },
  {
    name: "null-in-query",
    why: "null for a time or a duration in a path or a query is no value here, as in Kratos",
    covers: (request, theirs, ours) =>
      isRefused(theirs) &&
      isAccepted(ours) &&
      /\\"null\\"/.test(theirs.text) &&
      /\bnull\b|%6e%75%6c%6c/.test(request.target),
  },
  {
    name: "base64",
    why: "paths and queries take both alphabets, with padding and without; there padding is needed",
    covers: (_, theirs, ours) => isRefused(theirs) && isAccepted(ours) && /illegal base64 data/.test(theirs.text),
  },
  {
    name: "value-in-query",
    why: "a Value in a query is a string here, as in Kratos, and JSON there",
    covers: (request, theirs, ours) =>
      isAccepted(ours) &&
      pairsOf(request).some(({ key }) => key === "box.value") &&
      (isRefused(theirs)
        ? /parsing field \\"value\\": /.test(theirs.text)
        : isSameWith(theirs, ours, (value, name) => (name === "value" ? undefined : value))),
  },
  {
    name: "unknown-enum-number",
    why: "an enum of proto3 is open: a number without a name is a value, in paths and queries as in bodies",
    covers: ({ target }, theirs, ours) =>
      isRefused(theirs) && isAccepted(ours) && /is not (?:a )?valid/.test(theirs.text) && /\b77\b|%37%37/.test(target),
  },
  {
    name: "field-mask",
    why: "a mask in a query may have any paths here; Go reads them as well, and then cannot write what it has read: 500",
    covers: (_, theirs) => theirs.status === 500 && /FieldMask\.paths contains/.test(theirs.text),
  },
  {
    name: "not-utf8",
    why: "bytes in a path that are no UTF-8 are 400 here; there the call fails with 500",
    covers: (_, theirs, ours) => theirs.status === 500 && /invalid UTF-8/.test(theirs.text) && isRefused(ours),
  },
  {
    name: "bound-twice",
    why: "a query key that names what the path or the body brings is passed over there; here it is read, as in Kratos, and the path wins",
    covers: (request, theirs, ours) =>
      isAccepted(theirs) &&
      (isRefused(ours)
        ? boundPairsOf(request).some(({ key }) =>
            ours.text.includes(`field ${JSON.stringify(JSON.stringify(key)).slice(1, -1)}`),
          )
        : boundPairsOf(request).length > 0 &&
          isSameWith(theirs, ours, (value, name) => (boundNamesOf(request).has(name) ? "" : value))),
  },
  {
    name: "dot-segments",
    why: "a variable of several segments does not take . and .. here: it would lead out of a folder",
    covers: (request, theirs, ours) =>
      !isRefused(theirs) &&
      isRefused(ours) &&
      /without \. and \.\. segments/.test(ours.text) &&
      /\/(?:\.|%2e){1,2}(?:$|[/:])/i.test(pathOf(request)),
  },
  {
    name: "encoded-slash",
    why: "%2F in a variable of one segment is a slash, as google.api.http has it; there it stays %2F",
    covers: (request, theirs, ours) =>
      /%2f/i.test(pathOf(request)) &&
      isSameWith(theirs, ours, (value) => (typeof value === "string" ? value.replaceAll(/%2f/gi, "/") : value)),
  },
  {
    name: "go-numbers",
    why: "numbers in paths and queries are decimal here; Go reads 0x10, 0x1p-2 and 1_0 as well, and refuses -0 for what has no sign",
    covers: (_, theirs, ours) =>
      (isAccepted(theirs) &&
        isRefused(ours) &&
        /\\"(?:0x\w+(?:-2)?|1_0+)\\" is not a (?:whole )?number/.test(ours.text)) ||
      (isRefused(theirs) && isAccepted(ours) && /ParseUint: parsing \\"-0\\"/.test(theirs.text)),
  },
  {
    name: "time-digits",
    why: "a time has up to nine digits of a second; Go drops more in a path or a query",
    covers: (request, theirs, ours) =>
      isAccepted(theirs) &&
      isRefused(ours) &&
      /is not a date and time/.test(ours.text) &&
      /\.\d{10,}Z/i.test(request.target),
  },
  {
    name: "empty-member",
    why: "an empty text in a query leaves a member of a oneof or a wrapper unset, as in Kratos",
    covers: (request, theirs, ours) =>
      pairsOf(request).some(({ key, value }) => value === "" && /^(?:choice|optional|string|bytes)/.test(key)) &&
      isSameWith(withoutEmpty(theirs), withoutEmpty(ours), withoutValue(request)),
  },
  {
    name: "both-names",
    why: "a scalar that comes by both of its names is refused here, like one that comes twice; there one of the two counts, or the oneof is full",
    covers: (request, theirs, ours) => {
      const twice = namesTwice(request);
      if (twice.size === 0) return false;
      if (isRefused(ours)) return isAccepted(theirs) && /is given more than once/.test(ours.text);
      return isSameWith(theirs, ours, (value, name) => (twice.has(name) ? "" : value));
    },
  },
  {
    name: "brackets",
    why: "f[]=a is an element of a list here, as in Kratos; there it is an empty one and a, or a key of a map",
    covers: (request, theirs, ours) =>
      pairsOf(request).some(({ key }) => key.includes("[]")) &&
      (isAccepted(theirs) !== isAccepted(ours)
        ? /too many values for field|parsing list|it is a map|\[\]/.test(isAccepted(theirs) ? ours.text : theirs.text)
        : isSameWith(theirs, ours, withoutValue(request)) ||
          isSameWith(withoutEmpty(theirs), withoutEmpty(ours), withoutValue(request))),
  },
  {
    name: "brackets-in-key",
    why: "m[[]] is the entry [] of a map here, and unknown there",
    covers: (request, theirs, ours) => {
      const maps = pairsOf(request).flatMap(({ key }) => /^(\w+)\[.*[[\]].*\]$/.exec(key)?.slice(1, 2) ?? []);
      if (maps.length === 0 || !isAccepted(theirs)) return false;
      if (isRefused(ours)) return /is not a (?:whole )?number|which cannot be written as text/.test(ours.text);
      return isSameWith(theirs, ours, (value, name) => (maps.map(toField).includes(name) ? "" : value));
    },
  },
  {
    name: "dotted-map",
    why: "m.key=value is an entry of a map here, as in Kratos",
    covers: (_, theirs, ours) =>
      isRefused(theirs) &&
      isAccepted(ours) &&
      /invalid path: \\"\w+\\" is not a message/.test(theirs.text) &&
      /map/i.test(theirs.text),
  },
  {
    name: "into-a-value",
    why: "a key that goes into what has no fields here, a scalar or a value with a text form, is an error here and unknown there",
    covers: (request, theirs, ours) =>
      isAccepted(theirs) &&
      isRefused(ours) &&
      /has no fields|is not a map/.test(ours.text) &&
      pairsOf(request).some(({ key }) => /[.[]/.test(key)),
  },
  {
    name: "unknown-key",
    why: "a key that is unknown leaves no trace here; there the messages on the way to it are made, and their oneofs taken",
    covers: (request, theirs, ours) => {
      if (!pairsOf(request).some(({ key }) => /\.(?:x|nope|)(?:$|\.)|[[\]](?:$|\.)/.test(key))) return false;
      if (isSameWith(withoutEmpty(theirs), withoutEmpty(ours), withoutValue(request))) return true;
      return isAccepted(ours) && /none of the oneof fields is set|field already set for oneof/.test(theirs.text);
    },
  },
  {
    name: "duration-digits",
    why: "1.s and .5s are no durations here, as in other implementations of the JSON mapping",
    covers: ({ body = "" }, theirs, ours) =>
      isAccepted(theirs) &&
      isRefused(ours) &&
      /google\.protobuf\.Duration from JSON/.test(ours.text) &&
      /"(?:1\.s|\.5s)"/.test(body),
  },
  {
    name: "int64-text",
    why: "an integer in a JSON string is written in digits here; Go reads 1e3 as well, and +5 and 007 as keys",
    covers: ({ body = "" }, theirs, ours) =>
      isAccepted(theirs) &&
      isRefused(ours) &&
      /expected (?:u?int(?:32|64)|a whole number), got \\"(?:1e3|\+\d+|0\d+|\d+\.0)\\"/.test(ours.text) &&
      /"(?:1e3|\+\d+|0\d+|\d+\.0)"/.test(body),
  },
  {
    name: "several",
    why: "more than one of the above in one request that both accept",
    covers: (request, theirs, ours) => {
      const changes = [withoutValue(request), withoutSlash(request), withoutBound(request), withoutTwice(request)];
      const change: Change = (value, name) => changes.reduce((changed, one) => one(changed, name), value);
      const isChild = request.rule.body === "child" && (request.body ?? "") === "";
      const unset: Change = (value, name) => (isChild && name === "child" ? undefined : change(value, name));
      return isSameWith(withoutEmpty(theirs), withoutEmpty(ours), unset);
    },
  },
];

/** The first difference that covers this one; undefined for one that nobody knows. */
export function classify(request: WireRequest, theirs: WireReply, ours: WireReply): string | undefined {
  return differences.find(({ covers }) => covers(request, theirs, ours))?.name;
}
