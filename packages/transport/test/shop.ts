// A shop that answers with what it was asked, for the tests of OpenAPI.
import { create } from "@bufbuild/protobuf";
import { errorsOf, type Implementation, service } from "@clew/rpc";
import { OrderSchema, Shop, ShopErrorSchema, State } from "./gen/test/v1/shop_pb.ts";

const ShopError = errorsOf(ShopErrorSchema);

/** `overrides` replaces single methods. */
export function shop(overrides: Partial<Implementation<typeof Shop>> = {}): ReturnType<typeof service> {
  return service(Shop, {
    place: ({ parent, order }) => ({ ...create(OrderSchema, order), name: `${parent}/orders/1`, state: State.SENT }),
    get({ name }) {
      if (name.endsWith("nothing")) throw ShopError.ORDER_NOT_FOUND(`no order ${name}`, { metadata: { name } });
      return { name, email: "ann@example.com", lines: [{ product: "tea", count: 2 }], total: 7n };
    },
    list: ({ pageSize, states, labels, filter }) => ({
      orders: [
        {
          name: `page of ${pageSize}`,
          email: "ann@example.com",
          note: filter?.email ?? "",
          lines: [{ product: "tea", count: 1 }],
          state: states[0] ?? State.DELIVERED,
          labels,
        },
      ],
    }),
    cancel: ({ name }) => ({ name, email: "ann@example.com", lines: [{ product: "tea", count: 1 }] }),
    attach: ({ path, title, content, pages }) => ({
      contentType: "text/plain",
      data: Buffer.from(`${path} ${title} ${content.length} ${pages.map((page) => page.data.length).join()}`),
    }),
    async *watch({ name }) {
      for (const state of [State.SENT, State.DELIVERED]) {
        yield { name, email: "ann@example.com", lines: [{ product: "tea", count: 1 }], state };
      }
    },
    async *talk(orders) {
      yield* orders;
    },
    ping: () => ({}),
    ...overrides,
  });
}
