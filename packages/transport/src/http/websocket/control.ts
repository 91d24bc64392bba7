import { type ErrorStatus, ServiceError } from "@clew/rpc";

// Kratos 3 tells control frames from messages by their first character. No JSON begins with it.
const mark = "\x1e";
const end = `${mark}end`;
const error = `${mark}error:`;
const status = `${mark}status:`;

/** Why a connection closes (RFC 6455 section 7.4.1), as Kratos 3 has it: the stream is over, or it failed. */
export const closeNormal = 1000;
export const closeError = 1011;
/** A message was too big (RFC 6455 section 7.4.1). */
export const closeTooBig = 1009;

/** What a control frame says. Of an error `status` says all that `error` could only tell as text. */
export type Control =
  | { readonly kind: "end" }
  | { readonly kind: "error"; readonly text: string }
  | { readonly kind: "status"; readonly error: ServiceError }
  | { readonly kind: "unknown" };

/** The frame after the last message of a request. */
export const endFrame: string = end;

/** The text frames that tell why a stream failed: Kratos's own, and after it, where Kratos no longer reads, one that says all. */
export function encodeError(failure: ServiceError): [errorFrame: string, statusFrame: string] {
  return [error + formatError(failure), status + JSON.stringify(failure)];
}

/** Reads a text frame; undefined when it holds a message. */
export function readControl(text: string): Control | undefined {
  if (!text.startsWith(mark)) return undefined;
  if (text === end) return { kind: "end" };
  if (text.startsWith(error)) return { kind: "error", text: text.slice(error.length) };
  if (!text.startsWith(status)) return { kind: "unknown" };
  try {
    const told = ServiceError.fromJson(JSON.parse(text.slice(status.length)));
    return told === undefined ? { kind: "unknown" } : { kind: "status", error: told };
  } catch {
    return { kind: "unknown" };
  }
}

// The text of an error in Go Kratos, which is all that its clients get to see.
function formatError({ code, reason, message, metadata }: ErrorStatus): string {
  const pairs = Object.keys(metadata)
    .sort()
    .map((name) => `${name}:${metadata[name]}`);
  return `error: code = ${code} reason = ${reason} message = ${message} metadata = map[${pairs.join(" ")}] cause = <nil>`;
}

const mapStart = " metadata = map[";

/** The error that such a text tells; 500 UNKNOWN with the text for any other. */
export function parseError(text: string): ServiceError {
  const head = /^error: code = (\d+) reason = (\S*) message = /.exec(text);
  // The last of each, as a message may hold anything. One pattern for all would try each beginning with each end.
  const pairsEnd = text.lastIndexOf("] cause = ");
  const messageEnd = text.lastIndexOf(mapStart, pairsEnd - mapStart.length);
  if (head === null || pairsEnd < 0 || messageEnd < head[0].length) return new ServiceError(500, "UNKNOWN", text);
  const message = text.slice(head[0].length, messageEnd);
  const pairs = text.slice(messageEnd + mapStart.length, pairsEnd);
  return new ServiceError(Number(head[1]), head[2]!, message, { metadata: parseMap(pairs) });
}

// Values of a Go map may have spaces in them, names hardly: a pair begins where a word with a colon does.
function parseMap(text: string): Record<string, string> {
  const metadata: Record<string, string> = {};
  for (const pair of text.split(/ (?=[^\s:]+:)/)) {
    const colon = pair.indexOf(":");
    if (colon > 0) metadata[pair.slice(0, colon)] = pair.slice(colon + 1);
  }
  return metadata;
}

/** A text for a close frame, which holds 123 bytes (RFC 6455 section 5.5), cut between characters. */
export function toCloseReason(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= 123) return text;
  return new TextDecoder().decode(bytes.subarray(0, 120)).replace(/\uFFFD$/, "");
}
