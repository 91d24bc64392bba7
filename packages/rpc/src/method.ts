import type { DescMethod } from "@bufbuild/protobuf";

/** One operation of a service, as the .proto declares it. */
export interface Method {
  /** `/package.Service/Method`: the same name on servers, clients, spans and metrics. */
  readonly operation: string;
  /** The name of its function in an implementation and on a client: `sayHello`. */
  readonly localName: string;
  readonly kind: "unary" | "server_streaming" | "client_streaming" | "bidi_streaming";
  readonly desc: DescMethod;
}

export function createMethod(desc: DescMethod): Method {
  return {
    operation: `/${desc.parent.typeName}/${desc.name}`,
    localName: desc.localName,
    kind: desc.methodKind,
    desc,
  };
}

/** Whether the caller sends a stream. */
export function hasRequestStream(method: Method): boolean {
  return method.kind === "client_streaming" || method.kind === "bidi_streaming";
}

/** Whether the reply is a stream. */
export function hasReplyStream(method: Method): boolean {
  return method.kind === "server_streaming" || method.kind === "bidi_streaming";
}
