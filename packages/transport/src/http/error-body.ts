import { create } from "@bufbuild/protobuf";
import { type Codec, ErrorDetail, ErrorStatusSchema, jsonCodec, protoCodec, ServiceError } from "@clew/rpc";
import { type ErrorBody, ErrorBodySchema } from "../gen/clew/http/error_body_pb.ts";
import { decodeUtf8 } from "../utf8.ts";
import { type BodyCodec, compileBodyCodecs, defaultCodecs, findCodec, negotiate } from "./body-codec.ts";

// An error is a message too, errors.Status of Kratos, and goes in the codec that the caller likes best. JSON and protobuf carry
// its details as well.

/** A codec made ready for errors. */
interface ErrorCodec {
  readonly contentType: string;
  write(error: ServiceError): Uint8Array | string;
  /** Undefined when it tells none. */
  read(bytes: Uint8Array, status: number): ServiceError | undefined;
}

const json: ErrorCodec = {
  contentType: jsonCodec.contentType,
  write: (error) => JSON.stringify(error),
  read: (bytes, status) => ServiceError.fromJson(JSON.parse(decodeUtf8(bytes)) as unknown, status),
};

function messageCodec({ contentType, encode, decode }: BodyCodec, desc: typeof ErrorBodySchema): ErrorCodec {
  return {
    contentType,
    write: ({ code, reason, message, metadata, details }) =>
      encode(create(desc, { code, reason, message, metadata, details: details.flatMap((one) => one.toAny() ?? []) })),
    read: (bytes, status) => {
      const { reason, message, metadata, details = [] } = decode(bytes) as ErrorBody;
      // Bytes of anything else may pass for a message without fields.
      if (reason === "" && message === "") return undefined;
      return new ServiceError(status, reason, message, { metadata, details: details.map(ErrorDetail.fromAny) });
    },
  };
}

/** By the subtypes of their content types, JSON first: it is for who does not care. */
function compileErrorCodecs(codecs: readonly Codec[]): ReadonlyMap<string, ErrorCodec> {
  const bySubtype = new Map([["json", json]]);
  for (const codec of [jsonCodec, ...codecs]) {
    // Without the details, they have the same fields.
    const desc =
      codec.name === protoCodec.name ? ErrorBodySchema : (ErrorStatusSchema as unknown as typeof ErrorBodySchema);
    for (const [subtype, body] of compileBodyCodecs([codec], desc)) {
      if (bySubtype.has(subtype)) continue;
      const { contentType } = body;
      bySubtype.set(subtype, codec.name === jsonCodec.name ? { ...json, contentType } : messageCodec(body, desc));
    }
  }
  return bySubtype;
}

export interface ErrorText {
  readonly contentType: string;
  readonly body: Uint8Array | string;
}

/** Writes errors in the codecs of a server. */
export class ErrorWriter {
  readonly #codecs: readonly Codec[];
  // Made at the first error that somebody wants in another form.
  #compiled: ReadonlyMap<string, ErrorCodec> | undefined;

  constructor(codecs: readonly Codec[]) {
    this.#codecs = codecs;
  }

  /** @param accept the caller's Accept; JSON is for who names nothing that the server has */
  write(error: ServiceError, accept: string | undefined): ErrorText {
    if (accept === undefined || accept === "*/*" || accept === json.contentType) return writeJson(error);
    this.#compiled ??= compileErrorCodecs(this.#codecs);
    const codec = negotiate(this.#compiled, accept);
    try {
      return { contentType: codec.contentType, body: codec.write(error) };
    } catch {
      // XML cannot hold every text, nor an int32 every code.
      return writeJson(error);
    }
  }
}

export function writeJson(error: ServiceError): ErrorText {
  return { contentType: json.contentType, body: json.write(error) };
}

const readers = new WeakMap<Codec, ReadonlyMap<string, ErrorCodec>>();

/**
 * The error that a reply's body tells; undefined for a body that is read, and tells none.
 *
 * @param codec the client's, which is known beside those that everybody knows
 * @throws when the body is not what its content type says
 */
export function readError(
  body: Uint8Array,
  contentType: string,
  status: number,
  codec: Codec,
): ServiceError | undefined {
  let codecs = readers.get(codec);
  if (codecs === undefined) {
    codecs = compileErrorCodecs([codec, ...defaultCodecs]);
    readers.set(codec, codecs);
  }
  return (findCodec(codecs, contentType) ?? json).read(body, status);
}
