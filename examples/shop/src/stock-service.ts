import { errorsOf, type Service, service } from "clew";
import { currentMetadata } from "clew/middleware";
import { ErrorReasonSchema, Stock } from "./gen/shop/v1/shop_pb.ts";

const { OUT_OF_STOCK } = errorsOf(ErrorReasonSchema);
const price = 250n;

/** A shelf with so many pieces of every item. Taking twice for one order takes once. */
export function createStock(shelf: string, pieces: number): Service {
  const left = new Map<string, number>();
  const taken = new Map<string, { shelf: string; total: bigint }>();
  return service(Stock, {
    take({ order, item, count }) {
      const before = taken.get(order);
      if (before !== undefined) return before;
      const now = (left.get(item) ?? pieces) - count;
      // Who asks the first of all services is known in the last, by one header that travels on.
      const tenant = currentMetadata()?.get("x-md-global-tenant") ?? "";
      if (now < 0) throw OUT_OF_STOCK(`no ${count} of ${item} left`, { metadata: { item, shelf, tenant } });
      left.set(item, now);
      const reply = { shelf, total: price * BigInt(count) };
      taken.set(order, reply);
      return reply;
    },
  });
}
