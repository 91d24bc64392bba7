import type { HeaderFields } from "@clew/http2";
import { createConnectHandler } from "./connect/handler.ts";
import type { GrpcHandler } from "./grpc/handler.ts";
import { createGrpcWebHandler } from "./grpc-web/handler.ts";
import type { GuestProtocol } from "./http/guest-protocol.ts";
import { NodeStream } from "./http/node-stream.ts";
import type { NodePair, ServerExchange } from "./http/server-exchange.ts";
import type { ProtocolName } from "./server-options.ts";
import type { StreamAcceptor } from "./translated-stream.ts";

/**
 * The protocols with which browsers call services, Connect and gRPC-Web. A request is recognized by headers that only these
 * protocols have. A plain JSON POST to `/package.Service/Method` without Connect's version header is HTTP/JSON if a route
 * answers it, and otherwise Connect.
 */
export class WebProtocols implements GuestProtocol {
  readonly #routes: Pick<GrpcHandler, "find">;
  // Undefined if the protocol is not served.
  readonly #grpcWeb: StreamAcceptor | undefined;
  readonly #connect: StreamAcceptor | undefined;

  constructor(grpc: GrpcHandler, protocols: readonly ProtocolName[]) {
    this.#routes = grpc;
    if (protocols.includes("grpc-web")) this.#grpcWeb = createGrpcWebHandler(grpc);
    if (protocols.includes("connect")) this.#connect = createConnectHandler(grpc);
  }

  /** Returns what answers a stream of HTTP/2; undefined for a request of HTTP/JSON. */
  find(fields: HeaderFields): StreamAcceptor | undefined {
    let verb = "";
    let target = "";
    let contentType: string | undefined;
    let version: string | undefined;
    for (let at = 0; at < fields.length; at += 2) {
      const name = fields[at];
      if (name === ":method") verb = fields[at + 1]!;
      else if (name === ":path") target = fields[at + 1]!;
      else if (name === "content-type") contentType ??= fields[at + 1]!;
      else if (name === "connect-protocol-version") version ??= fields[at + 1]!;
    }
    return this.#find(verb, target, contentType, version);
  }

  owns({ verb, target, headers }: Pick<ServerExchange, "verb" | "target" | "headers">, isUnrouted: boolean): boolean {
    const contentType = headers["content-type"];
    if (!isUnrouted) {
      const version = headers["connect-protocol-version"] as string | undefined;
      return this.#find(verb, target, contentType, version) !== undefined;
    }
    if (this.#connect === undefined || !this.#knows(target)) return false;
    return verb === "POST" || (verb === "GET" && /[?&]message=/.test(target) && /[?&]encoding=/.test(target));
  }

  answer(pair: NodePair): void {
    const stream = new NodeStream(pair);
    const web = isGrpcWeb(pair.request.headers["content-type"] ?? "") ? this.#grpcWeb : undefined;
    stream.tell((web ?? this.#connect!).accept(stream, stream.fields, stream.caller));
  }

  #find(
    verb: string,
    target: string,
    contentType: string | undefined,
    version: string | undefined,
  ): StreamAcceptor | undefined {
    if (version !== undefined) return this.#connect;
    if (verb === "GET") {
      const isConnect = target.includes("connect=v1") && /[?&]connect=v1(?:&|$)/.test(target) && this.#knows(target);
      return isConnect ? this.#connect : undefined;
    }
    if (contentType === undefined || contentType === "application/json") return undefined;
    if (isGrpcWeb(contentType)) return this.#grpcWeb;
    return /^application\/connect\+/i.test(contentType) ? this.#connect : undefined;
  }

  #knows(target: string): boolean {
    const mark = target.indexOf("?");
    return this.#routes.find(mark === -1 ? target : target.slice(0, mark)) !== undefined;
  }
}

function isGrpcWeb(contentType: string): boolean {
  return /^application\/grpc-web/i.test(contentType);
}
