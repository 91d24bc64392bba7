import { parseTimeout } from "../grpc/timeout.ts";
import type { OpenStream } from "../stream-connection.ts";
import { writeQuery } from "./query.ts";
import { StreamReply } from "./stream-reply.ts";
import { UnaryReply } from "./unary-reply.ts";

export interface OpenStreamInit {
  /** proto or json. */
  readonly codec: string;
  readonly compression: string | undefined;
  readonly maxMessageBytes: number;
  /** Whether the request goes into the URL. */
  readonly useGet: boolean;
}

const prefixBytes = 5;
const noBytes = new Uint8Array(0);
// What is longer goes into a body: not everybody on the way takes a URL of more than 8000 bytes (RFC 9110 section 4.1).
const longestQuery = 7000;

/** Sends a message without its frame, as a body or in a URL. */
export function openUnary({ codec, compression, maxMessageBytes, useGet }: OpenStreamInit): OpenStream {
  return (session, given, frame, listener) => {
    const fields = translateTimeout(given);
    const message = frame!.subarray(prefixBytes);
    const encoding = frame![0] === 1 ? compression : undefined;
    const reply = new UnaryReply(listener, codec, maxMessageBytes);
    const query = useGet ? writeQuery(codec, message, encoding) : undefined;
    if (query !== undefined && query.length <= longestQuery) {
      return session.openStream(toGet(fields, query), noBytes, reply);
    }
    if (encoding !== undefined) fields.push("content-encoding", encoding);
    fields.push("content-length", String(message.length));
    return session.openStream(fields, message, reply);
  };
}

/** Sends frames as they are. */
export function openMessageStream({ codec, maxMessageBytes }: OpenStreamInit): OpenStream {
  return (session, fields, body, listener) =>
    session.openStream(translateTimeout(fields), body, new StreamReply(listener, codec, maxMessageBytes));
}

function translateTimeout(given: readonly string[]): string[] {
  const fields = [...given];
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at] !== "grpc-timeout") continue;
    fields[at] = "connect-timeout-ms";
    fields[at + 1] = String(Math.ceil(parseTimeout(fields[at + 1]!)!));
    break;
  }
  return fields;
}

// What says how the body is written goes into the query, and the version with it.
const bodyNames: ReadonlySet<string> = new Set(["content-type", "connect-protocol-version"]);

function toGet(fields: readonly string[], query: string): string[] {
  const translated: string[] = [];
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!;
    if (bodyNames.has(name)) continue;
    const value = fields[at + 1]!;
    translated.push(name, name === ":method" ? "GET" : name === ":path" ? `${value}?${query}` : value);
  }
  return translated;
}
