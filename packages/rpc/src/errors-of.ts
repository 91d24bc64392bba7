import { type DescEnum, type EnumJsonType, getOption, hasOption } from "@bufbuild/protobuf";
import { descInvalid, errorCodeOutOfRange } from "./errors.ts";
import { code as codeOption, default_code as defaultCodeOption } from "./gen/errors/errors_pb.ts";
import { ServiceError, type ServiceErrorOptions } from "./service-error.ts";

/** Creates the errors of one enum value: `throw HelloError.USER_NOT_FOUND("no user ann")`. */
export interface ErrorFactory {
  (message: string, options?: ServiceErrorOptions): ServiceError;
  /** The code of the errors it creates. */
  readonly code: number;
  /** The reason of the errors it creates: the name of the enum value. */
  readonly reason: string;
  /** Whether `thrown` is such an error, created here or received from another service. */
  is(thrown: unknown): thrown is ServiceError;
}

/**
 * The errors of an enum, one factory for each value. The names are typed if protoc-gen-es generated the code with the
 * option `json_types=true`.
 */
export type Errors<E extends DescEnum> = { readonly [Name in EnumJsonType<E> & string]: ErrorFactory };

/**
 * Creates the error factories of an enum from its options `errors.default_code` and `errors.code`. A value with neither
 * option gets 500.
 *
 * @throws CLEW_RPC_ERROR_CODE when a code is not the HTTP status of an error: 0, 200, 900; CLEW_RPC_DESC when `desc` is
 * not an enum
 */
export function errorsOf<E extends DescEnum>(desc: E): Errors<E> {
  if (desc?.kind !== "enum") throw descInvalid("the enum of errorsOf()", desc, "ErrorReasonSchema");
  const defaultCode = hasOption(desc, defaultCodeOption) ? getOption(desc, defaultCodeOption) : 500;
  const factories: Record<string, ErrorFactory> = {};
  for (const value of desc.values) {
    const code = hasOption(value, codeOption) ? getOption(value, codeOption) : defaultCode;
    // With a code below 300 the caller would see a success.
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
