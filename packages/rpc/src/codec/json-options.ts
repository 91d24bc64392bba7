import type { Registry } from "@bufbuild/protobuf";
import { jsonOptionInvalid, jsonOptionUnknown } from "../errors.ts";

export interface JsonCodecOptions {
  /** Write fields that hold their zero value, as Kratos does. Default: true. */
  emitZeroValues?: boolean;
  /**
   * Refuse a field that the message does not have and a name that an object has twice, instead of passing over the one and
   * taking the last of the other. Default: false.
   */
  rejectUnknownFields?: boolean;
  /** Write fields by their names in the .proto instead of in lowerCamelCase. Both are read. Default: false. */
  useProtoFieldNames?: boolean;
  /** Write enums by number instead of by name. Both are read. Default: false. */
  enumAsNumber?: boolean;
  /**
   * Write int64, uint64 and their relatives as numbers instead of as strings. Readers whose numbers are doubles, such as
   * JavaScript's, get wrong ones from 2^53; with "safe" those stay strings. Both are read. Default: false.
   */
  int64AsNumber?: boolean | "safe";
  /** The messages that a google.protobuf.Any may hold, and extensions. Default: none; an Any that is not empty is refused. */
  types?: Registry;
}

/** {@link JsonCodecOptions}, complete. */
export interface JsonPolicy {
  readonly emitZeroValues: boolean;
  readonly rejectUnknownFields: boolean;
  readonly useProtoFieldNames: boolean;
  readonly enumAsNumber: boolean;
  readonly int64AsNumber: boolean | "safe";
  readonly types: Registry | undefined;
}

/** @throws CLEW_RPC_JSON_OPTION */
export function resolveJsonCodecOptions(options: JsonCodecOptions): JsonPolicy {
  const policy: JsonPolicy = {
    emitZeroValues: options.emitZeroValues ?? true,
    rejectUnknownFields: options.rejectUnknownFields ?? false,
    useProtoFieldNames: options.useProtoFieldNames ?? false,
    enumAsNumber: options.enumAsNumber ?? false,
    int64AsNumber: options.int64AsNumber ?? false,
    types: options.types,
  };
  for (const name of Object.keys(options)) if (!(name in policy)) throw jsonOptionUnknown(name, Object.keys(policy));
  for (const [name, value] of Object.entries(policy)) {
    if (name === "types" || typeof value === "boolean" || (name === "int64AsNumber" && value === "safe")) continue;
    throw jsonOptionInvalid(name, value, name === "int64AsNumber" ? 'true, false or "safe"' : "true or false");
  }
  return policy;
}
