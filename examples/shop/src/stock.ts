// A node of stock: gRPC, on any free port, registered under its name. Run as many as you like.
import { App, GrpcServer, logging, metadata, rateLimit, recovery, runMain, tracing } from "clew";
import { FileRegistry } from "clew/registry";
import { followLevel, loadShopConfig, resolveFolder } from "./config.ts";
import { createStock } from "./stock-service.ts";
import { startShopTracing } from "./tracing.ts";

await runMain(async () => {
  const config = await loadShopConfig();
  const { stock, registry } = config.snapshot;
  const logger = followLevel(config, "stock");
  const traces = startShopTracing("stock", config);
  const id = `shelf-${process.pid}`;
  const server = new GrpcServer({
    address: stock.address,
    middleware: [tracing(), logging({ logger, successRatio: 0.1 }), recovery({ logger }), metadata(), rateLimit()],
    services: [createStock(id, stock.pieces)],
  });
  const app = new App({
    id,
    name: "stock",
    logger,
    servers: [server],
    registrar: new FileRegistry({ folder: resolveFolder(registry) }),
    afterStop: [() => traces.shutdown(), () => config.close()],
  });
  await app.run();
});
