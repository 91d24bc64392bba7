import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from "node:http";

/** What `writeHead` takes as headers: an object, a flat list (name, value, name, value), or a list of pairs. */
type GivenHeaders = OutgoingHttpHeaders | readonly OutgoingHttpHeader[] | readonly (readonly [string, string])[];

/**
 * Calls `change` once, just before the head of a response goes out, however that comes about. `statusCode` and `getHeader()`
 * then have all that will be sent, and may be set. Of several the one asked for last comes first: filters inside before those
 * around them.
 */
export function beforeHead(response: ServerResponse, change: () => void): void {
  const writeHead = response.writeHead.bind(response) as (status: number, message?: string) => ServerResponse;
  response.writeHead = ((status: number, ...rest: unknown[]): ServerResponse => {
    const message = typeof rest[0] === "string" ? rest[0] : undefined;
    if (!response.headersSent) {
      const headers = (message === undefined ? rest[0] : rest[1]) as GivenHeaders | null | undefined;
      if (headers) takeHeaders(response, headers);
      response.statusCode = status;
      change();
    }
    return message === undefined ? writeHead(response.statusCode) : writeHead(response.statusCode, message);
  }) as ServerResponse["writeHead"];
}

// What writeHead is given replaces what was set; a name that comes twice in a list has two values.
function takeHeaders(response: ServerResponse, headers: GivenHeaders): void {
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers as OutgoingHttpHeaders)) {
      if (value !== undefined) response.setHeader(name, value);
    }
    return;
  }
  const list = (Array.isArray(headers[0]) ? headers.flat() : headers) as (string | string[])[];
  const seen = new Set<string>();
  for (let at = 0; at + 1 < list.length; at += 2) {
    const name = String(list[at]);
    const value = list[at + 1]!;
    const key = name.toLowerCase();
    if (seen.has(key)) response.appendHeader(name, Array.isArray(value) ? value : String(value));
    else response.setHeader(name, value);
    seen.add(key);
  }
}

/** Adds names to `Vary`, those that are not there yet (RFC 9110 section 12.5.5). */
export function addVary(response: ServerResponse, ...names: string[]): void {
  const old = toList(response.getHeader("vary"));
  if (old.includes("*")) return;
  const known = new Set(old.map((name) => name.toLowerCase()));
  const all = [...old, ...names.filter((name) => !known.has(name.toLowerCase()))];
  if (all.length > 0) response.setHeader("vary", all.join(", "));
}

/** The items of a header that is a list, trimmed; none when it is not there. */
export function toList(header: number | string | readonly string[] | undefined): string[] {
  if (header === undefined) return [];
  const items = (typeof header === "object" ? header.join(",") : String(header)).split(",");
  return items.map((item) => item.trim()).filter((item) => item !== "");
}
