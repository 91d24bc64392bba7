import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { ServerStream, StreamListener } from "@clew/http2";
import { GrpcCode } from "@clew/rpc";
import { findCompression } from "../grpc/compression.ts";
import type { GrpcHandler } from "../grpc/handler.ts";
import { deafListener, type StreamAcceptor } from "../translated-stream.ts";
import { acceptedEncodings } from "./accepted-encodings.ts";
import { encodeEnd } from "./end-of-stream.ts";
import { readQuery } from "./query.ts";
import { type RequestHead, readRequestHead } from "./request-head.ts";
import { trailersOfCode } from "./status.ts";
import { StreamExchange } from "./stream-exchange.ts";
import { UnaryExchange } from "./unary-exchange.ts";

/** What is wrong with a request before it is a call. */
interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: readonly string[];
}

/**
 * Answers requests of Connect (https://connectrpc.com/docs/protocol/), over any version of HTTP. It uses the calls of the gRPC
 * handler, so limits, deadlines and chains are the same. A unary call is a plain request and a plain reply; a stream consists of
 * gRPC's frames and ends with a frame of JSON.
 */
export function createConnectHandler(grpc: GrpcHandler): StreamAcceptor {
  return {
    accept(stream, fields, peer) {
      const head = readRequestHead(fields);
      const form = readForm(head, grpc);
      if ("status" in form) return refuse(stream, form, head);
      const { codec, isStream } = form;
      const encoding = (isStream ? head.messageEncoding : form.compression) ?? "identity";
      const accepted = isStream ? head.acceptMessageEncoding : head.acceptEncoding;
      const translated = [":method", "POST", ":path", head.path, "content-type", `application/grpc+${codec}`];
      if (head.authority !== undefined) translated.push(":authority", head.authority);
      if (encoding !== "identity") translated.push("grpc-encoding", encoding);
      if (accepted !== undefined) translated.push("grpc-accept-encoding", accepted);
      // gRPC's eight digits of milliseconds are a day; who allows more allows no less.
      if (head.timeout !== undefined) translated.push("grpc-timeout", `${Math.min(Number(head.timeout), 99_999_999)}m`);
      translated.push(...head.metadata);
      if (isStream) {
        const messages = new StreamExchange(stream, codec);
        return messages.handleBy(grpc.accept(messages, translated, peer, "connect"));
      }
      const unary = new UnaryExchange(stream, {
        codec,
        isCompressed: encoding !== "identity",
        contentLength: head.contentLength,
        maxMessageBytes: grpc.maxMessageBytes,
      });
      unary.handleBy(grpc.accept(unary, translated, peer, "connect"));
      if (form.message !== undefined) unary.give(form.message);
      return unary;
    },
  };
}

interface Form {
  readonly codec: string;
  readonly isStream: boolean;
  /** How the one message of a unary call is compressed. */
  readonly compression: string | undefined;
  /** The message, where it is in the URL. */
  readonly message: Buffer | undefined;
}

const codecs: readonly string[] = ["proto", "json"];

function readForm(head: RequestHead, grpc: GrpcHandler): Form | Refusal {
  const { verb, path, query, contentType, timeout } = head;
  const method = grpc.find(path);
  if (method === undefined) return { status: 404, message: `this server has no method ${path.slice(0, 200)}` };
  const isUnary = method.kind === "unary";
  const mayGet = isUnary && method.desc.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  if (verb !== "POST" && !(verb === "GET" && mayGet)) {
    const allow = mayGet ? "GET, POST" : "POST";
    return { status: 405, message: `${verb} is not allowed here; ${allow} would work`, headers: ["allow", allow] };
  }
  if (timeout !== undefined && !/^\d{1,10}$/.test(timeout)) {
    return { status: 400, message: `connect-timeout-ms "${timeout.slice(0, 40)}" is not a number of milliseconds` };
  }
  const form = verb === "GET" ? readGet(query) : readPost(contentType, head.contentEncoding);
  if (form !== undefined && "status" in form) return form;
  if (form === undefined || form.isStream === isUnary || !codecs.includes(form.codec)) {
    const types = codecs.map((codec) => `application/${isUnary ? "" : "connect+"}${codec}`).join(", ");
    const given = contentType === undefined ? "missing" : `"${contentType.slice(0, 100)}"`;
    return {
      status: 415,
      message: `the content type is ${given}; ${types} would work`,
      headers: ["accept-post", types],
    };
  }
  const version = verb === "GET" ? undefined : head.version;
  if (version !== undefined && version !== "1") {
    return { status: 400, message: `connect-protocol-version "${version.slice(0, 40)}" is not 1` };
  }
  const encoding = form.compression ?? "identity";
  if (isUnary && encoding !== "identity" && findCompression(encoding) === undefined) {
    const message = `the encoding "${encoding.slice(0, 40)}" is not one of ${acceptedEncodings}`;
    return { status: 501, message, headers: ["accept-encoding", acceptedEncodings] };
  }
  return form;
}

function readPost(contentType: string | undefined, compression: string | undefined): Form | undefined {
  const match = /^application\/(connect\+)?([a-z0-9.-]+)\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.exec(
    contentType ?? "",
  );
  if (match === null) return undefined;
  return { codec: match[2]!.toLowerCase(), isStream: match[1] !== undefined, compression, message: undefined };
}

function readGet(query: string): Form | Refusal {
  const { version, encoding, compression, message } = readQuery(query);
  if (version !== undefined && version !== "v1") {
    return { status: 400, message: `the query says connect=${version.slice(0, 40)}, which is not v1` };
  }
  if (encoding === undefined || message === undefined) {
    return { status: 400, message: "the query needs encoding and message; base64=1 when the message is base64" };
  }
  return { codec: encoding, isStream: false, compression: compression || undefined, message };
}

/** The code in the body, by status. 405 and 415 have none, and are told as text: who sent such a request may speak something else. */
const refusalCodes: Readonly<Record<number, string>> = {
  400: "invalid_argument",
  404: "unimplemented",
  501: "unimplemented",
};

function refuse(
  stream: ServerStream,
  { status, message, headers = [] }: Refusal,
  { verb, contentType }: RequestHead,
): StreamListener {
  const code = refusalCodes[status];
  if (status === 400 && contentType?.startsWith("application/connect+")) {
    // A stream begins well and tells at its end.
    stream.sendHeaders([":status", "200", "content-type", contentType], false);
    stream.sendData(encodeEnd(trailersOfCode(GrpcCode.INVALID_ARGUMENT, message)), true);
    return deafListener;
  }
  const body = Buffer.from(code === undefined ? message : JSON.stringify({ code, message }));
  const type = code === undefined ? "text/plain; charset=utf-8" : "application/json";
  stream.sendHeaders(
    [":status", String(status), ...headers, "content-length", String(body.length), "content-type", type],
    verb === "HEAD",
  );
  if (verb !== "HEAD") stream.sendData(body, true);
  return deafListener;
}
