import { hasRequestStream, jsonCodec } from "@clew/rpc";
import { type BodyCodecs, compileBodyCodecs } from "./body-codec.ts";
import type { RpcRoute } from "./call.ts";
import { serveEvents } from "./sse/serve.ts";
import type { StreamRequest, StreamRoute } from "./stream-route.ts";
import { serveWebSocket } from "./websocket/serve.ts";

/** The route of a method that streams, from what a unary method's would be. */
export function compileStreamRoute(rpc: RpcRoute): StreamRoute {
  if (hasRequestStream(rpc.method)) return { kind: "stream", carrier: "websocket", rpc };
  const text = [...rpc.replyCodecs].filter(([, codec]) => codec.encodeText !== undefined);
  const replyCodecs: BodyCodecs =
    text.length > 0 ? new Map(text) : compileBodyCodecs([jsonCodec], rpc.method.desc.output, rpc.rule.replyBody);
  return { kind: "stream", carrier: "events", rpc: { ...rpc, replyCodecs } };
}

/** Answers a request for a stream. */
export function serveStream(carrier: StreamRoute["carrier"], request: StreamRequest): void {
  if (carrier === "events") serveEvents(request);
  else serveWebSocket(request);
}
