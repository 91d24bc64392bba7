import type { IncomingHttpHeaders } from "node:http";

/** What tells one version of a file from another. */
export interface Validators {
  /** A strong one, with its quotes. */
  readonly etag: string;
  /** Unix seconds. */
  readonly modifiedAt: number;
}

/**
 * What a request's conditions say of the version there is, in the order of RFC 9110 section 13.2.2:
 * `proceed`, 304 or 412. For GET and HEAD.
 */
export function evaluatePreconditions(headers: IncomingHttpHeaders, validators: Validators): "proceed" | 304 | 412 {
  const { etag, modifiedAt } = validators;
  const ifMatch = headers["if-match"];
  const ifUnmodifiedSince = readDate(headers["if-unmodified-since"]);
  if (ifMatch !== undefined) {
    if (!hasStrong(ifMatch, etag)) return 412;
  } else if (ifUnmodifiedSince !== undefined && modifiedAt > ifUnmodifiedSince) return 412;
  const ifNoneMatch = headers["if-none-match"];
  if (ifNoneMatch !== undefined) return hasWeak(ifNoneMatch, etag) ? 304 : "proceed";
  const ifModifiedSince = readDate(headers["if-modified-since"]);
  return ifModifiedSince !== undefined && modifiedAt <= ifModifiedSince ? 304 : "proceed";
}

/** Whether a Range is still meant: without `If-Range`, or when that names the version there is (RFC 9110 section 13.1.5). */
export function isRangeCurrent(headers: IncomingHttpHeaders, { etag, modifiedAt }: Validators): boolean {
  const ifRange = headers["if-range"];
  if (typeof ifRange !== "string") return true;
  if (ifRange.includes('"')) return ifRange === etag;
  return readDate(ifRange) === modifiedAt;
}

function hasStrong(list: string, etag: string): boolean {
  return list.trim() === "*" || tagsOf(list).includes(etag);
}

function hasWeak(list: string, etag: string): boolean {
  return list.trim() === "*" || tagsOf(list).some((tag) => tag.replace(/^W\//, "") === etag);
}

// A comma may be inside of one (RFC 9110 section 8.8.3).
function tagsOf(list: string): string[] {
  return list.match(/(?:W\/)?"[^"]*"/g) ?? [];
}

/** A date of HTTP in Unix seconds; undefined when it is none, which is as if it was not there. */
function readDate(text: string | undefined): number | undefined {
  if (text === undefined || !/^[A-Z][a-z]{2,8}, /.test(text)) return undefined;
  const milliseconds = Date.parse(text);
  return Number.isNaN(milliseconds) ? undefined : milliseconds / 1000;
}
