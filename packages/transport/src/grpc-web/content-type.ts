/** What a content type of gRPC-Web says. */
export interface GrpcWebType {
  /** Whether the body is base64, for callers that cannot read bytes. */
  readonly isText: boolean;
  /** The same without `-web` and `-text`: `application/grpc+proto`. */
  readonly grpcType: string;
}

/** Reads a content type; undefined when it is none of gRPC-Web. */
export function parseGrpcWebType(contentType: string | undefined): GrpcWebType | undefined {
  const match = /^application\/grpc-web(-text)?((?:\+[a-z0-9.-]+)?)\s*(?:;.*)?$/i.exec(contentType ?? "");
  if (match === null) return undefined;
  return { isText: match[1] !== undefined, grpcType: `application/grpc${match[2]!.toLowerCase()}` };
}
