/** The parts of a reply in another protocol that say which protocol it is. */
export interface ForeignReply {
  readonly status: string | number;
  readonly contentType: string | undefined;
  /** Its `accept-post` header (W3C LDP section 7.1): the content types that the server would accept. */
  readonly acceptPost?: string | undefined;
  /** The content type of the request that it answers. */
  readonly sentType?: string | undefined;
}

/** Says that a reply is not of the call's protocol and, if the reply shows it, which endpoint would work. */
export function tellForeignReply(expected: string, reply: ForeignReply): string {
  const { status, contentType } = reply;
  return `the reply is ${expected}: HTTP status ${status}, content type ${contentType || "missing"}${hintOf(reply)}`;
}

/** Begins with a semicolon; "" when nothing shows which protocol the server speaks. */
export function hintOf({ contentType = "", acceptPost = "", sentType = "" }: Omit<ForeignReply, "status">): string {
  // The same protocol with another encoding of messages.
  if (isGrpc.test(acceptPost) && isGrpc.test(sentType)) return `; the server accepts ${acceptPost}`;
  if (isGrpc.test(acceptPost) || isGrpc.test(contentType)) {
    return "; the server speaks gRPC: use an endpoint with grpc://, or with grpcs:// for TLS";
  }
  if (/^application\/connect\+/i.test(acceptPost)) return '; the server speaks Connect: use protocol: "connect"';
  if (/^application\/json\b/i.test(contentType)) {
    return "; if the server speaks only HTTP/JSON, use an endpoint with http:// or https:// and no option protocol";
  }
  return "";
}

const isGrpc = /^application\/grpc(?!-web)/i;
