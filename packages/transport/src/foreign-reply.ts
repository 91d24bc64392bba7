/** What a reply in another protocol than the call's says of itself. */
export interface ForeignReply {
  readonly status: string | number;
  readonly contentType: string | undefined;
  /** Its `accept-post` (W3C LDP section 7.1): what a server that refuses a content type would take. */
  readonly acceptPost?: string | undefined;
  /** The content type of what it answers. */
  readonly sentType?: string | undefined;
}

/** Tells that a reply is not of the protocol that the call was made in, and what would reach the server, if the reply shows it. */
export function tellForeignReply(expected: string, reply: ForeignReply): string {
  const { status, contentType } = reply;
  return `the reply is ${expected}: HTTP status ${status}, content type ${contentType || "missing"}${hintOf(reply)}`;
}

/** Begins with a semicolon; "" when nothing shows what the server speaks. */
export function hintOf({ contentType = "", acceptPost = "", sentType = "" }: Omit<ForeignReply, "status">): string {
  // The same protocol, but another way to write messages.
  if (isGrpc.test(acceptPost) && isGrpc.test(sentType)) return `; it takes ${acceptPost}`;
  if (isGrpc.test(acceptPost) || isGrpc.test(contentType)) {
    return "; it speaks gRPC: an endpoint with grpc://, or over TLS grpcs://, would work";
  }
  if (/^application\/connect\+/i.test(acceptPost)) return '; it speaks Connect: protocol: "connect" would work';
  if (/^application\/json\b/i.test(contentType)) {
    return "; if it speaks HTTP/JSON alone, an endpoint with http:// or https:// and no protocol beside it would work";
  }
  return "";
}

const isGrpc = /^application\/grpc(?!-web)/i;
