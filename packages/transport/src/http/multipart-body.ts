import { create, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";
import { ServiceError } from "@clew/rpc";
import { bindForm, type FormPart, type FormValue } from "./binding.ts";
import { charsetOf, writeField } from "./body-codec.ts";
import { MultipartParser, type PartHead, type ResolvedMultipartLimits, toText } from "./multipart-parser.ts";

/** A body that is a form with files. */
export interface MultipartBody {
  /** @throws ServiceError 400 CODEC or 413 BODY_TOO_LARGE, naming the part or the field */
  decode(bytes: Uint8Array, contentType: string): Message;
}

/**
 * Makes what reads a `multipart/form-data` body into a message, or the one field of it that is the body;
 * undefined when that is no message.
 */
export function compileMultipart(
  desc: DescMessage,
  field: DescField | undefined,
  limits: ResolvedMultipartLimits,
): MultipartBody | undefined {
  const bodyDesc = field === undefined ? desc : field.fieldKind === "message" ? field.message : undefined;
  if (bodyDesc === undefined) return undefined;
  return {
    decode: (bytes, contentType) => {
      const body = create(bodyDesc);
      bindForm(bodyDesc, body, readForm(bytes, contentType, limits));
      return field === undefined ? body : writeField(create(desc), field, body);
    },
  };
}

/** The parts of a body by the names of their fields. */
function readForm(bytes: Uint8Array, contentType: string, limits: ResolvedMultipartLimits): Map<string, FormValue[]> {
  const parser = new MultipartParser(contentType, limits);
  parser.feed(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  parser.complete();
  const form = new Map<string, FormValue[]>();
  let head: PartHead | undefined;
  // The whole body was fed, so a part is one piece.
  let data: Buffer | undefined;
  for (;;) {
    const event = parser.next()!;
    if (event.kind === "over") return form;
    if (event.kind === "part") {
      head = event.head;
      data = undefined;
    } else if (event.kind === "data") data = event.bytes;
    else addPart(form, createPart(head!, data));
  }
}

function addPart(form: Map<string, FormValue[]>, part: FormPart & { readonly name: string }): void {
  const name = part.name.endsWith("[]") ? part.name.slice(0, -2) : part.name;
  const parts = form.get(name);
  if (parts === undefined) form.set(name, [part]);
  else parts.push(part);
}

const noBytes = new Uint8Array(0);

function createPart({ name, filename, contentType }: PartHead, data: Buffer | undefined): FormPart & { name: string } {
  const view = data === undefined ? noBytes : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return {
    name,
    contentType,
    data: view,
    isFile: filename !== undefined,
    // What a browser sends for a file input where nothing was chosen.
    isEmpty: view.length === 0 && (filename === undefined || filename === ""),
    readText: () => {
      const charset = charsetOf(contentType) ?? "utf-8";
      const text = toText(view, charset);
      if (text === undefined) {
        throw new ServiceError(
          400,
          "CODEC",
          `part "${name.slice(0, 100)}" is not valid text in ${charset.slice(0, 40)}`,
        );
      }
      return text;
    },
  };
}
