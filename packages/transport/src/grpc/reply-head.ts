import type { HeaderFields } from "@clew/http2";

/** What the headers or trailers of a reply say of the protocol; the rest of them is metadata. A field that comes twice counts the first time. */
export interface ReplyHead {
  httpStatus: string | undefined;
  contentType: string | undefined;
  encoding: string | undefined;
  /** `grpc-status`, `grpc-message` and `grpc-status-details-bin`, as they came. */
  status: string | undefined;
  message: string | undefined;
  details: string | undefined;
}

/** Reads the head of a reply; like that of a request, by length first. */
export function readReplyHead(fields: HeaderFields): ReplyHead {
  const head: ReplyHead = {
    httpStatus: undefined,
    contentType: undefined,
    encoding: undefined,
    status: undefined,
    message: undefined,
    details: undefined,
  };
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    switch (name.length) {
      case 7:
        if (name === ":status") head.httpStatus ??= fields[i + 1];
        break;
      case 11:
        if (name === "grpc-status") head.status ??= fields[i + 1];
        break;
      case 12:
        if (name === "content-type") head.contentType ??= fields[i + 1];
        else if (name === "grpc-message") head.message ??= fields[i + 1];
        break;
      case 13:
        if (name === "grpc-encoding") head.encoding ??= fields[i + 1];
        break;
      case 23:
        if (name === "grpc-status-details-bin") head.details ??= fields[i + 1];
        break;
    }
  }
  return head;
}
