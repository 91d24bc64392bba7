import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { Method } from "@clew/rpc";

/** Whether `idempotency_level` in the .proto says that a method may be executed twice with the same effect as once. */
export function isDeclaredIdempotent({ desc }: Method): boolean {
  return desc.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN;
}
