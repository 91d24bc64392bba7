import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { create } from "@bufbuild/protobuf";
import { errorsOf, type Service, type ServiceClient, service } from "clew";
import { currentClaims } from "clew/middleware";
import {
  ErrorReasonSchema,
  type Order,
  OrderSchema,
  Orders,
  type PlaceRequest,
  State,
  type Stock,
} from "./gen/shop/v1/shop_pb.ts";

const { ORDER_NOT_FOUND } = errorsOf(ErrorReasonSchema);

/** Orders in memory. What they are of comes out of `stock`; an order is sent `packMs` milliseconds after it was placed. */
export function createOrders(stock: ServiceClient<typeof Stock>, packMs = 200): Service {
  const orders = new Map<string, Order>();
  const changes = new EventEmitter().setMaxListeners(0); // as many as watch

  function find(name: string): Order {
    const order = orders.get(name);
    if (order === undefined) throw ORDER_NOT_FOUND(`no order ${name}`, { metadata: { name } });
    return order;
  }

  async function place({ item, count }: PlaceRequest): Promise<Order> {
    // Never one of before a restart: stock takes once for each name.
    const name = `orders/${randomUUID()}`;
    const customer = currentClaims()?.sub ?? "";
    // Within the deadline of the call that this is part of, and cancelled with it.
    const { shelf, total } = await stock.take({ order: name, item, count });
    const order = create(OrderSchema, { name, item, count, customer, shelf, total });
    orders.set(name, order);
    setTimeout(() => {
      order.state = State.SENT;
      changes.emit(name);
    }, packMs).unref();
    return order;
  }

  return service(Orders, {
    place,
    get: ({ name }) => find(name),
    async *watch({ name }, call) {
      const order = find(name);
      yield order;
      if (order.state === State.SENT) return;
      await once(changes, name, { signal: call.signal });
      yield order;
    },
    async *placeAll(requests) {
      for await (const request of requests) yield await place(request);
    },
    attach({ name, file }) {
      find(name);
      return file ?? {};
    },
  });
}
