import {
  create,
  createRegistry,
  type DescMessage,
  fromBinary,
  fromJson,
  isMessage,
  type JsonObject,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
  type Registry,
  toJson,
} from "@bufbuild/protobuf";
import { type Any, AnySchema, anyPack } from "@bufbuild/protobuf/wkt";
import {
  BadRequestSchema,
  file_google_rpc_error_details,
  HelpSchema,
  LocalizedMessageSchema,
  RetryInfoSchema,
} from "./gen/google/rpc/error_details_pb.ts";

/** Where JSON carries the bytes of a message whose type is not known here: no field has such a name. */
const bytesName = "@value";

// Made when an error from outside is first turned into the other encoding.
let standardTypes: Registry | undefined;

/**
 * What an error tells beside its message: a message of any type, google.rpc.BadRequest for one. gRPC carries it in the details of
 * its status, HTTP in the body's `details`, each with its `@type`.
 */
export class ErrorDetail {
  /** The name of the message's type: `google.rpc.BadRequest`. */
  readonly typeName: string;
  // As it was made or came: the types of what comes from outside may be unknown here, and it may be on its way to somebody else.
  readonly #any: Any | undefined;
  readonly #json: JsonObject | undefined;
  readonly #desc: DescMessage | undefined;

  private constructor(typeName: string, any: Any | undefined, json: JsonObject | undefined, desc?: DescMessage) {
    this.typeName = typeName;
    this.#any = any;
    this.#json = json;
    this.#desc = desc;
  }

  /** @throws Error when the message cannot be encoded */
  static of<T extends DescMessage>(desc: T, init: MessageInitShape<T>): ErrorDetail {
    const message = isMessage(init, desc) ? init : create(desc, init);
    return new ErrorDetail(desc.typeName, anyPack(desc, message as MessageShape<T>), undefined, desc);
  }

  /** The detail in a google.rpc.Status. */
  static fromAny(any: Any): ErrorDetail {
    return new ErrorDetail(nameIn(any.typeUrl), any, undefined);
  }

  /** The detail in an error's JSON; undefined when it is none. */
  static fromJson(json: unknown): ErrorDetail | undefined {
    if (typeof json !== "object" || json === null) return undefined;
    const typeUrl = (json as JsonObject)["@type"];
    if (typeof typeUrl !== "string" || nameIn(typeUrl) === "") return undefined;
    return new ErrorDetail(nameIn(typeUrl), anyIn(typeUrl, json as JsonObject), json as JsonObject);
  }

  /** The message; undefined when it is of another type, or damaged. */
  as<T extends DescMessage>(desc: T): MessageShape<T> | undefined {
    if (desc.typeName !== this.typeName) return undefined;
    try {
      const any = this.#any ?? fromJson(AnySchema, this.#json!, { registry: createRegistry(desc) });
      return fromBinary(desc, any.value);
    } catch {
      return undefined;
    }
  }

  /** For a google.rpc.Status; undefined when it came as JSON, and its type is not known here. */
  toAny(): Any | undefined {
    if (this.#any !== undefined) return this.#any;
    try {
      return fromJson(AnySchema, this.#json!, { registry: getStandardTypes() });
    } catch {
      return undefined;
    }
  }

  /** `{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [...]}`. */
  toJSON(): JsonObject {
    if (this.#json !== undefined) return this.#json;
    const any = this.#any!;
    const registry = this.#desc === undefined ? getStandardTypes() : createRegistry(this.#desc);
    try {
      // The type first, where a reader looks for it.
      return { "@type": any.typeUrl, ...(toJson(AnySchema, any, { registry }) as JsonObject) };
    } catch {
      return { "@type": any.typeUrl, [bytesName]: Buffer.from(any.value).toString("base64") };
    }
  }
}

function getStandardTypes(): Registry {
  standardTypes ??= createRegistry(file_google_rpc_error_details);
  return standardTypes;
}

function nameIn(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
}

function anyIn(typeUrl: string, json: JsonObject): Any | undefined {
  const bytes: JsonValue | undefined = json[bytesName];
  return typeof bytes === "string"
    ? create(AnySchema, { typeUrl, value: Uint8Array.from(Buffer.from(bytes, "base64")) })
    : undefined;
}

/** What is wrong with a request, by the paths of its fields: `badRequest({ "addresses[1].city": "must not be empty" })`. */
export function badRequest(violations: Readonly<Record<string, string>>): ErrorDetail {
  const fieldViolations = Object.entries(violations).map(([field, description]) => ({ field, description }));
  return ErrorDetail.of(BadRequestSchema, { fieldViolations });
}

/** The message in the language of whoever reads it; the locale is that of BCP 47: `de-CH`. */
export function localized(locale: string, message: string): ErrorDetail {
  return ErrorDetail.of(LocalizedMessageSchema, { locale, message });
}

/** How long to wait, in milliseconds, before the call is tried again. */
export function retryInfo(delayMs: number): ErrorDetail {
  const seconds = Math.floor(delayMs / 1000);
  const nanos = Math.round((delayMs - seconds * 1000) * 1e6);
  return ErrorDetail.of(RetryInfoSchema, { retryDelay: { seconds: BigInt(seconds), nanos } });
}

/** Where to read on: what there is, and its URL. */
export function help(links: Readonly<Record<string, string>>): ErrorDetail {
  return ErrorDetail.of(HelpSchema, {
    links: Object.entries(links).map(([description, url]) => ({ description, url })),
  });
}
