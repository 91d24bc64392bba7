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

/** The JSON name under which the bytes of a message of unknown type are carried. No field can have this name. */
const bytesName = "@value";

// Created when an error from another service is first converted to the other encoding.
let standardTypes: Registry | undefined;

/**
 * Additional information in an error: a message of any type, such as google.rpc.BadRequest. gRPC sends it in the details of its
 * status, HTTP in the body's `details`, each with its `@type`.
 */
export class ErrorDetail {
  /** The name of the message's type: `google.rpc.BadRequest`. */
  readonly typeName: string;
  // The message as it was created or received. A received message may have a type that is unknown here, and may have to be
  // passed on.
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

  /** Reads a detail of a google.rpc.Status. */
  static fromAny(any: Any): ErrorDetail {
    return new ErrorDetail(nameIn(any.typeUrl), any, undefined);
  }

  /** Reads a detail of an error's JSON; undefined when the value is not one. */
  static fromJson(json: unknown): ErrorDetail | undefined {
    if (typeof json !== "object" || json === null) return undefined;
    const typeUrl = (json as JsonObject)["@type"];
    if (typeof typeUrl !== "string" || nameIn(typeUrl) === "") return undefined;
    return new ErrorDetail(nameIn(typeUrl), anyIn(typeUrl, json as JsonObject), json as JsonObject);
  }

  /** Returns the message; undefined when it has another type, or is damaged. */
  as<T extends DescMessage>(desc: T): MessageShape<T> | undefined {
    if (desc.typeName !== this.typeName) return undefined;
    try {
      const any = this.#any ?? fromJson(AnySchema, this.#json!, { registry: createRegistry(desc) });
      return fromBinary(desc, any.value);
    } catch {
      return undefined;
    }
  }

  /**
   * Returns the detail for a google.rpc.Status; undefined when it was received as JSON and its type is unknown here.
   */
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
      // The type comes first, where a reader looks for it.
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

/**
 * Describes the invalid fields of a request, by their paths: `badRequest({ "addresses[1].city": "must not be empty" })`.
 */
export function badRequest(violations: Readonly<Record<string, string>>): ErrorDetail {
  const fieldViolations = Object.entries(violations).map(([field, description]) => ({ field, description }));
  return ErrorDetail.of(BadRequestSchema, { fieldViolations });
}

/** The message in the language of the reader. The locale is a BCP 47 tag: `de-CH`. */
export function localized(locale: string, message: string): ErrorDetail {
  return ErrorDetail.of(LocalizedMessageSchema, { locale, message });
}

/** How long to wait before the call is tried again, in milliseconds. */
export function retryInfo(delayMs: number): ErrorDetail {
  const seconds = Math.floor(delayMs / 1000);
  const nanos = Math.round((delayMs - seconds * 1000) * 1e6);
  return ErrorDetail.of(RetryInfoSchema, { retryDelay: { seconds: BigInt(seconds), nanos } });
}

/** Links to further information: a description and a URL for each. */
export function help(links: Readonly<Record<string, string>>): ErrorDetail {
  return ErrorDetail.of(HelpSchema, {
    links: Object.entries(links).map(([description, url]) => ({ description, url })),
  });
}
