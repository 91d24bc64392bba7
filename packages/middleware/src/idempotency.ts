import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { Method } from "@clew/rpc";

/** Whether the .proto says by `idempotency_level` that doing a method twice is as good as once. */
export function isDeclaredIdempotent({ desc }: Method): boolean {
  return desc.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN;
}
