import { type DescMessage, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";
import { int64ToNumbers } from "./json-int64.ts";
import type { JsonPolicy } from "./json-options.ts";

/**
 * A message as the value that JSON.parse gives, by protobuf-es, which walks tables of closures: it needs no code from strings. The
 * JSON codec falls back to it, and encodings that are JSON in other clothes are made of it. JsonReaders read it.
 *
 * @param toNumber gives what stands for the digits of an integer of 64 bits where the policy wants a number
 * @throws Error that names the field
 */
export function toJsonTree<T extends DescMessage>(
  desc: T,
  message: MessageShape<T>,
  policy: JsonPolicy,
  toNumber: (digits: string) => unknown,
): JsonValue {
  const { types, int64AsNumber } = policy;
  const json: JsonValue = toJson(desc, message, {
    ...(types && { registry: types }),
    alwaysEmitImplicit: policy.emitZeroValues,
    enumAsInteger: policy.enumAsNumber,
    useProtoFieldName: policy.useProtoFieldNames,
  });
  return int64AsNumber === false ? json : int64ToNumbers(desc, json, policy, toNumber);
}
