import type { ServerResponse } from "node:http";
import type { Logger } from "@clew/log";
import type { TraceStore } from "@clew/store";
import type { Route } from "@clew/transport/http";
import { BodyError, readBody } from "./body.ts";
import { encodingOf, type OtlpReply, receiveTraces, replyStatus } from "./otlp.ts";

/** OTLP/HTTP's route for traces. */
export function otlpRoute(store: TraceStore, bodyLimitBytes: number, logger: Logger): Route {
  return {
    verb: "POST",
    path: "/v1/traces",
    async handle(request, response) {
      const encoding = encodingOf(request.headers["content-type"]);
      if (encoding === undefined) {
        const message = "the content type must be application/x-protobuf or application/json";
        abandon(response, replyStatus("json", 415, message));
        return;
      }
      let body: Buffer;
      try {
        body = await readBody(request, bodyLimitBytes);
      } catch (error) {
        if (!(error instanceof BodyError)) throw error;
        logger.warn(`OTLP request refused: ${error.message}`, { status: error.status });
        abandon(response, replyStatus(encoding, error.status, error.message));
        return;
      }
      // Now: the store may take the bytes away.
      const size = body.length;
      const reply = await receiveTraces(store, body, encoding);
      if (reply.cause !== undefined) logger.error("OTLP request not stored", { error: reply.cause });
      else if (reply.status !== 200) logger.warn(`OTLP request refused with ${reply.status}`, { bytes: size });
      writeHead(response, reply);
      response.end(reply.body);
    },
  };
}

function writeHead(response: ServerResponse, reply: OtlpReply): void {
  response.writeHead(reply.status, {
    "content-type": reply.contentType,
    "content-length": Buffer.byteLength(reply.body),
    ...(reply.retryAfterS === undefined ? {} : { "retry-after": String(reply.retryAfterS) }),
    ...(reply.status === 415 ? { "accept-encoding": "gzip" } : {}),
  });
}

const LINGER_MS = 500;

/**
 * Answers a request whose body nobody will read. Ending at once would make the system answer the rest of the body with a
 * reset, which can overtake the reply (RFC 9112 section 9.6): the connection ends when the sender had time to read it.
 */
function abandon(response: ServerResponse, reply: OtlpReply): void {
  if (response.req.complete) {
    writeHead(response, reply);
    response.end(reply.body);
    return;
  }
  response.shouldKeepAlive = false;
  writeHead(response, reply);
  response.write(reply.body);
  const timer = setTimeout(() => response.end(), LINGER_MS);
  timer.unref();
  response.once("close", () => clearTimeout(timer));
}
