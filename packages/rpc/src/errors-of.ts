import { type DescEnum, type EnumJsonType, getOption, hasOption } from "@bufbuild/protobuf";
import { descInvalid, errorCodeOutOfRange } from "./errors.ts";
import { code as codeOption, default_code as defaultCodeOption } from "./gen/errors/errors_pb.ts";
import { ServiceError, type ServiceErrorOptions } from "./service-error.ts";

/** Makes the errors of one enum value: `throw HelloError.USER_NOT_FOUND("no user ann")`. */
export interface ErrorFactory {
  (message: string, options?: ServiceErrorOptions): ServiceError;
  /** The code of the errors it makes. */
  readonly code: number;
  /** The reason of the errors it makes: the name of the enum value. */
  readonly reason: string;
  /** Whether `thrown` is such an error, made here or received from another service. */
  is(thrown: unknown): thrown is ServiceError;
}

/**
 * The errors of an enum, one factory for each value. With protoc-gen-es's option `json_types=true` the names are typed.
 */
export type Errors<E extends DescEnum> = { readonly [Name in EnumJsonType<E> & string]: ErrorFactory };

/**
 * Reads the options `errors.default_code` and `errors.code` of an enum. A value without either gets 500.
 *
 * @throws CLEW_RPC_ERROR_CODE when a code is no HTTP status of an error: 0, 200, 900; CLEW_RPC_DESC for what is no enum
 */
export function errorsOf<E extends DescEnum>(desc: E): Errors<E> {
  if (desc?.kind !== "enum") throw descInvalid("the enum of errorsOf()", desc, "ErrorReasonSchema");
  const defaultCode = hasOption(desc, defaultCodeOption) ? getOption(desc, defaultCodeOption) : 500;
  const factories: Record<string, ErrorFactory> = {};
  for (const value of desc.values) {
    const code = hasOption(value, codeOption) ? getOption(value, codeOption) : defaultCode;
    // Below 300 the caller would be told of a success.
    if (code < 300 || code > 600) throw errorCodeOutOfRange(desc.typeName, desc.file.proto.name, value.name, code);
    factories[value.name] = createErrorFactory(code, value.name);
  }
  return factories as Errors<E>;
}

function createErrorFactory(code: number, reason: string): ErrorFactory {
  const make = (message: string, options?: ServiceErrorOptions): ServiceError =>
    new ServiceError(code, reason, message, options);
  const is = (thrown: unknown): thrown is ServiceError =>
    thrown instanceof ServiceError && thrown.code === code && thrown.reason === reason;
  return Object.assign(make, { code, reason, is });
}
