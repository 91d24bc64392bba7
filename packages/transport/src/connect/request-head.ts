import type { HeaderFields } from "@clew/http2";
import { isProtocolName } from "./names.ts";

/** What the headers of a request say of the protocol, and the rest of them. A field that comes twice counts the first time. */
export interface RequestHead {
  verb: string;
  path: string;
  /** Whom the caller asked for. */
  authority: string | undefined;
  /** Without its question mark. */
  query: string;
  contentType: string | undefined;
  contentLength: number | undefined;
  /** Of the whole body, and of each message of a stream. */
  contentEncoding: string | undefined;
  acceptEncoding: string | undefined;
  messageEncoding: string | undefined;
  acceptMessageEncoding: string | undefined;
  timeout: string | undefined;
  version: string | undefined;
  /** What is the caller's. */
  metadata: string[];
}

export function readRequestHead(fields: HeaderFields): RequestHead {
  const head: RequestHead = {
    verb: "",
    path: "",
    authority: undefined,
    query: "",
    contentType: undefined,
    contentLength: undefined,
    contentEncoding: undefined,
    acceptEncoding: undefined,
    messageEncoding: undefined,
    acceptMessageEncoding: undefined,
    timeout: undefined,
    version: undefined,
    metadata: [],
  };
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!;
    const value = fields[at + 1]!;
    switch (name) {
      case ":method":
        head.verb = value;
        break;
      case ":path": {
        const mark = value.indexOf("?");
        head.path = mark === -1 ? value : value.slice(0, mark);
        if (mark !== -1) head.query = value.slice(mark + 1);
        break;
      }
      case ":authority":
      case "host":
        head.authority ??= value;
        break;
      case "content-type":
        head.contentType ??= value;
        break;
      case "content-length":
        head.contentLength ??= Number(value);
        break;
      case "content-encoding":
        head.contentEncoding ??= value;
        break;
      case "accept-encoding":
        head.acceptEncoding ??= value;
        break;
      case "connect-content-encoding":
        head.messageEncoding ??= value;
        break;
      case "connect-accept-encoding":
        head.acceptMessageEncoding ??= value;
        break;
      case "connect-timeout-ms":
        head.timeout ??= value;
        break;
      case "connect-protocol-version":
        head.version ??= value;
        break;
      default:
        if (!isProtocolName(name)) head.metadata.push(name, value);
    }
  }
  return head;
}
