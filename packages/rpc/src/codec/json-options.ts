import type { Registry } from "@bufbuild/protobuf";
import { aBoolean, checkOptions, having, kind, type OptionChecks } from "@clew/options";
import { jsonOptionError } from "../errors.ts";

export interface JsonCodecOptions {
  /** Write fields that hold their zero value, as Kratos does. Default: true. */
  emitZeroValues?: boolean;
  /**
   * Refuse a field that the message does not have, and a name that occurs twice in an object. Otherwise an unknown field
   * is ignored, and the last value of a repeated name is used. Default: false.
   */
  rejectUnknownFields?: boolean;
  /** Write fields by their names in the .proto instead of in lowerCamelCase. Both forms are read. Default: false. */
  useProtoFieldNames?: boolean;
  /** Write enums by number instead of by name. Both forms are read. Default: false. */
  enumAsNumber?: boolean;
  /**
   * Write int64, uint64 and the other 64-bit types as numbers instead of as strings. Readers whose numbers are doubles,
   * such as JavaScript, get wrong values from 2^53; with "safe" such values remain strings. Both forms are read.
   * Default: false.
   */
  int64AsNumber?: boolean | "safe";
  /**
   * The message types that a google.protobuf.Any may hold, and extensions. Default: none; an Any that is not empty is
   * refused.
   */
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

const optionChecks: OptionChecks<JsonCodecOptions> = {
  emitZeroValues: aBoolean,
  rejectUnknownFields: aBoolean,
  useProtoFieldNames: aBoolean,
  enumAsNumber: aBoolean,
  int64AsNumber: kind('true, false or "safe"', (given) => typeof given === "boolean" || given === "safe"),
  types: having("a registry of types, made by createRegistry() of protobuf-es", "getMessage", "getExtension"),
};

/** @throws CLEW_RPC_JSON_OPTION */
export function resolveJsonCodecOptions(options: JsonCodecOptions): JsonPolicy {
  checkOptions("JSON", options, optionChecks, jsonOptionError);
  return {
    emitZeroValues: options.emitZeroValues ?? true,
    rejectUnknownFields: options.rejectUnknownFields ?? false,
    useProtoFieldNames: options.useProtoFieldNames ?? false,
    enumAsNumber: options.enumAsNumber ?? false,
    int64AsNumber: options.int64AsNumber ?? false,
    types: options.types,
  };
}
