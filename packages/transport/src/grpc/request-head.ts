import type { HeaderFields } from "@clew/http2";

/** What the headers of a request say of the protocol; the rest of them is metadata. A field that comes twice counts the first time. */
export interface RequestHead {
  verb: string | undefined;
  path: string | undefined;
  contentType: string | undefined;
  encoding: string | undefined;
  acceptEncoding: string | undefined;
  timeout: string | undefined;
}

/** Reads the head of a request: of every call's headers, so by length first, which tells most names apart. */
export function readRequestHead(headers: HeaderFields): RequestHead {
  const head: RequestHead = {
    verb: undefined,
    path: undefined,
    contentType: undefined,
    encoding: undefined,
    acceptEncoding: undefined,
    timeout: undefined,
  };
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    switch (name.length) {
      case 5:
        if (name === ":path") head.path ??= headers[i + 1];
        break;
      case 7:
        if (name === ":method") head.verb ??= headers[i + 1];
        break;
      case 12:
        if (name === "content-type") head.contentType ??= headers[i + 1];
        else if (name === "grpc-timeout") head.timeout ??= headers[i + 1];
        break;
      case 13:
        if (name === "grpc-encoding") head.encoding ??= headers[i + 1];
        break;
      case 20:
        if (name === "grpc-accept-encoding") head.acceptEncoding ??= headers[i + 1];
        break;
    }
  }
  return head;
}
