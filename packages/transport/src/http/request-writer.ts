import type { Message } from "@bufbuild/protobuf";
import { type Codec, type Method, ServiceError } from "@clew/rpc";
import {
  type BodyCodec,
  type BodyCodecs,
  compileBodyCodecs,
  defaultCodecs,
  problemOf,
  subtypeOf,
} from "./body-codec.ts";
import { compileHttpBody, type HttpBodyCodec } from "./http-body.ts";
import type { Rule } from "./rule.ts";

/** A body as it goes out. */
export interface WrittenBody {
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

/** Writes the bodies of a method's requests: in the client's codec, or in the one a call asks for. */
export class RequestWriter {
  readonly #method: Method;
  readonly #rule: Rule;
  readonly #codec: BodyCodec | undefined;
  readonly #httpBody: HttpBodyCodec | undefined;
  /** Made when a call asks for another than the client's. */
  #others: BodyCodecs | undefined;

  constructor(method: Method, rule: Rule, codec: Codec) {
    const field = typeof rule.body === "object" ? rule.body : undefined;
    const codecs = codec.name === "json" ? [codec] : [codec, ...defaultCodecs];
    this.#method = method;
    this.#rule = rule;
    this.#codec = compileBodyCodecs(codecs, method.desc.input, field).values().next().value;
    this.#httpBody = compileHttpBody(method.desc.input, field);
  }

  /**
   * @param contentType what the call asks for; undefined for the client's own
   * @throws ServiceError 400 CODEC
   */
  write(message: Message, contentType: string | undefined): WrittenBody {
    if (this.#httpBody !== undefined) return this.#httpBody.encode(message);
    const codec = contentType === undefined ? this.#codec! : this.#find(contentType);
    try {
      return { contentType: codec.contentType, bytes: codec.encode(message) };
    } catch (cause) {
      throw this.#failure(`the request cannot be written as ${codec.contentType}: ${problemOf(cause)}`, cause);
    }
  }

  #find(contentType: string): BodyCodec {
    const { body } = this.#rule;
    const field = typeof body === "object" ? body : undefined;
    this.#others ??= compileBodyCodecs(defaultCodecs, this.#method.desc.input, field);
    const subtype = subtypeOf(contentType);
    const own = this.#codec!;
    const found = subtypeOf(own.contentType) === subtype ? own : this.#others.get(subtype);
    if (found !== undefined) return found;
    const known = [own, ...this.#others.values()].map((one) => one.contentType);
    throw this.#failure(`no codec writes ${contentType}; ${[...new Set(known)].join(", ")} would work`);
  }

  #failure(problem: string, cause?: unknown): ServiceError {
    return new ServiceError(400, "CODEC", `${this.#method.operation}: ${problem}`, { cause });
  }
}
