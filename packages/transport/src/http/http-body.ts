import { create, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";
import { readField, writeField } from "./body-codec.ts";

/** Reads and writes a body that is a `google.api.HttpBody`: bytes of any content type, unchanged. */
export interface HttpBodyCodec {
  /** @param contentType "" when there is none. */
  decode(bytes: Uint8Array, contentType: string): Message;
  encode(message: Message): { readonly contentType: string; readonly bytes: Uint8Array };
}

/**
 * Creates the codec of a body if its message, or the one field of it that is the body, is a `google.api.HttpBody`; returns
 * undefined for any other.
 */
export function compileHttpBody(desc: DescMessage, field?: DescField): HttpBodyCodec | undefined {
  const bodyDesc = field === undefined ? desc : field.fieldKind === "message" ? field.message : undefined;
  if (bodyDesc?.typeName !== "google.api.HttpBody") return undefined;
  return {
    decode: (data, contentType) => {
      const body = Object.assign(create(bodyDesc), { contentType, data });
      return field === undefined ? body : writeField(create(desc), field, body);
    },
    encode: (message) => {
      const body = (field === undefined ? message : readField(message, field)) as Partial<HttpBody> | undefined;
      return { contentType: body?.contentType || "application/octet-stream", bytes: body?.data ?? noBytes };
    },
  };
}

/** The properties of google.api.HttpBody, independent of whose generated code it is. */
interface HttpBody {
  readonly contentType: string;
  readonly data: Uint8Array;
}

const noBytes = new Uint8Array(0);
