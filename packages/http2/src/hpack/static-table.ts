/** Name and value of each entry of the static table, one a line (RFC 7541 appendix A). */
const entries = `
:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`;

/** The static table, flat: the name of index i is at 2 * i, its value behind it. There is no index 0. */
export const staticTable: readonly string[] = entries.split("\n").flatMap((line) => {
  const space = line.indexOf(" ");
  return space < 0 ? [line, ""] : [line.slice(0, space), line.slice(space + 1)];
});

/** How many entries it has; the dynamic table begins after them. */
export const staticEntries: number = staticTable.length / 2 - 1;

/** What the static table has under a name: the first index, and the index of each value. */
export interface StaticName {
  readonly index: number;
  readonly values: ReadonlyMap<string, number>;
}

/** The static table by name. */
export const staticNames: ReadonlyMap<string, StaticName> = indexNames();

function indexNames(): Map<string, StaticName> {
  const names = new Map<string, { index: number; values: Map<string, number> }>();
  for (let index = 1; index <= staticEntries; index++) {
    const name = staticTable[2 * index]!;
    const known = names.get(name) ?? { index, values: new Map<string, number>() };
    known.values.set(staticTable[2 * index + 1]!, index);
    names.set(name, known);
  }
  return names;
}
