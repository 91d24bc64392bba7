import type { Message } from "@bufbuild/protobuf";
import { type Codec, jsonCodec, type Method, ServiceError } from "@clew/rpc";
import { hintOf } from "../foreign-reply.ts";
import { decodeUtf8 } from "../utf8.ts";
import {
  type BodyCodec,
  type BodyCodecs,
  compileBodyCodecs,
  defaultCodecs,
  problemOf,
  subtypeOf,
} from "./body-codec.ts";
import { readError } from "./error-body.ts";
import type { HttpResponse } from "./exchange.ts";
import { compileHttpBody, type HttpBodyCodec } from "./http-body.ts";
import type { Rule } from "./rule.ts";

/** Reads the bodies of a method's replies, by their content type. */
export class ReplyReader {
  /** What replies should come in. */
  readonly accept: string;
  readonly #method: Method;
  readonly #rule: Rule;
  readonly #codecs: BodyCodecs;
  readonly #httpBody: HttpBodyCodec | undefined;
  /** Made when a reply comes in another than the client's: a call asked for it. */
  #others: BodyCodecs | undefined;

  constructor(method: Method, rule: Rule, codec: Codec) {
    const codecs = codec.name === "json" ? [codec] : [codec, jsonCodec];
    this.#method = method;
    this.#rule = rule;
    this.#codecs = compileBodyCodecs(codecs, method.desc.output, rule.replyBody);
    this.#httpBody = compileHttpBody(method.desc.output, rule.replyBody);
    this.accept = this.#httpBody === undefined ? this.#first.contentType : "*/*";
  }

  get #first(): BodyCodec {
    return this.#codecs.values().next().value!;
  }

  /** @throws ServiceError 502 CODEC */
  read(response: HttpResponse): Message {
    const contentType = headerOf(response, "content-type");
    if (this.#httpBody !== undefined) return this.#httpBody.decode(response.body, contentType);
    const codec = this.#find(contentType);
    // A page of a proxy, say. Its beginning tells more than where its first letter is no JSON.
    if (codec === undefined) {
      throw this.#failure(`the reply is ${contentType}, not ${this.accept}: ${snippetOf(response.body)}`);
    }
    try {
      return codec.decode(response.body);
    } catch (cause) {
      throw this.#failure(`the reply is not ${codec.contentType}: ${problemOf(cause)}`, cause);
    }
  }

  #find(contentType: string): BodyCodec | undefined {
    const subtype = subtypeOf(contentType);
    const own = this.#codecs.get(subtype);
    if (own !== undefined) return own;
    // Who names no type, or only that it is text, means what was asked for.
    if (subtype === "" || subtype === "plain") return this.#first;
    this.#others ??= compileBodyCodecs(defaultCodecs, this.#method.desc.output, this.#rule.replyBody);
    return this.#others.get(subtype) ?? (subtype.endsWith("+json") ? this.#others.get("json") : undefined);
  }

  #failure(problem: string, cause?: unknown): ServiceError {
    return new ServiceError(502, "CODEC", `${this.#method.operation}: ${problem}`, { cause });
  }
}

/**
 * The error a reply tells. The HTTP status is its code whatever the body says: proxies on the way speak only that. A body in no
 * error's shape leaves the reason empty, as in Kratos, and its beginning is the message.
 *
 * @param codec the client's
 */
export function decodeError(response: HttpResponse, codec: Codec): ServiceError {
  const { status, body } = response;
  let cause: unknown = new Error("the body is no error");
  try {
    const error = readError(body, headerOf(response, "content-type"), status, codec);
    if (error !== undefined) return error;
  } catch (error) {
    cause = error;
  }
  if (status >= 300 && status <= 399) {
    const location = headerOf(response, "location");
    return new ServiceError(status, "", `HTTP status ${status}: redirects are not followed (location: ${location})`, {
      cause,
    });
  }
  const told = body.length === 0 ? `HTTP status ${status}` : snippetOf(body);
  const hint = status === 415 ? hintOf({ contentType: undefined, acceptPost: headerOf(response, "accept-post") }) : "";
  return new ServiceError(status, "", `${told}${hint}`, { cause });
}

/** How much of a body that is none of ours is told. */
const snippetLength = 200;

function snippetOf(body: Uint8Array): string {
  const text = decodeUtf8(body);
  return text.length > snippetLength ? `${text.slice(0, snippetLength)}...` : text;
}

function headerOf(response: HttpResponse, name: string): string {
  const value = response.headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? "";
}
