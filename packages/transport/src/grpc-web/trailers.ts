import type { HeaderFields } from "@clew/http2";
import { decodeUtf8 } from "../utf8.ts";

/** The bit in a frame's first byte that says it holds the trailers (PROTOCOL-WEB.md, "Message framing"). */
export const trailersFlag = 0x80;

/** Trailers as the last frame of a body: a script in a browser sees no others. */
export function encodeTrailers(fields: HeaderFields): Uint8Array {
  let text = "";
  for (let at = 0; at < fields.length; at += 2) text += `${fields[at]}: ${fields[at + 1]}\r\n`;
  const frame = Buffer.allocUnsafe(5 + Buffer.byteLength(text));
  frame[0] = trailersFlag;
  frame.writeUInt32BE(frame.length - 5, 1);
  frame.write(text, 5);
  return frame;
}

/** The fields of such a frame, without its head; names in lower case. Lines that are none are passed over. */
export function decodeTrailers(bytes: Uint8Array): HeaderFields {
  const fields: string[] = [];
  for (const line of decodeUtf8(bytes).split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.push(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return fields;
}
