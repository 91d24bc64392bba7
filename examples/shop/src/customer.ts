// A customer: finds the shop, places an order as Ann, and watches it until it is sent.
import { toJsonString } from "@bufbuild/protobuf";
import { createClient, metadata, runMain } from "clew";
import { jwtClient } from "clew/middleware";
import { FileRegistry } from "clew/registry";
import { loadShopConfig, resolveFolder } from "./config.ts";
import { OrderSchema, Orders } from "./gen/shop/v1/shop_pb.ts";

await runMain(async () => {
  const config = await loadShopConfig();
  const { orders, registry } = config.snapshot;
  const client = createClient(Orders, {
    endpoint: "discovery:///orders?scheme=http",
    discovery: new FileRegistry({ folder: resolveFolder(registry) }),
    middleware: [metadata(), jwtClient({ key: orders.key, claims: { sub: "ann" } })],
    timeoutMs: orders.timeout,
  });
  const { name } = await client.place({ item: "tea", count: 2, card: "4111-1111" });
  for await (const order of client.watch({ name })) console.log(toJsonString(OrderSchema, order));
  await client[Symbol.asyncDispose]();
  await config.close();
});
