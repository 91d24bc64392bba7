// The shop's front: HTTP/JSON, gRPC, Connect and gRPC-Web on one port, with streams, a page to try it on, metrics and health.
import {
  App,
  circuitBreaker,
  compression,
  cors,
  createReadyClient,
  jwt,
  logging,
  metadata,
  recovery,
  retry,
  runMain,
  Server,
  selector,
  tracing,
  validate,
} from "clew";
import type { Composition } from "clew/app";
import { msgpackCodec } from "clew/codec/msgpack";
import { xmlCodec } from "clew/codec/xml";
import { yamlCodec } from "clew/codec/yaml";
import { defaultCodecs } from "clew/http";
import { logLevelRoute } from "clew/log";
import { prometheusRoute, startMetrics } from "clew/metrics";
import { metrics, tokenBucket } from "clew/middleware";
import { openApiRoutes } from "clew/openapi";
import { FileRegistry, p2c } from "clew/registry";
import { followLevel, loadShopConfig, resolveFolder } from "./config.ts";
import { ErrorReasonSchema, Stock } from "./gen/shop/v1/shop_pb.ts";
import { createOrders } from "./orders-service.ts";
import { startShopTracing } from "./tracing.ts";

await runMain(async () => {
  const config = await loadShopConfig();
  const logger = followLevel(config, "orders");
  const registry = new FileRegistry({ folder: resolveFolder(config.snapshot.registry) });

  // Opened in this order, and closed in reverse when the server has stopped.
  const compose: Composition = async (resources) => {
    const { address, key, timeout, takeTimeout } = config.snapshot.orders;
    await resources.use(config, () => config.close());
    await resources.use(startShopTracing("orders", config), (one) => one.shutdown());
    const measured = await resources.use(startMetrics({ service: "orders", exporter: false }), (one) => one.shutdown());
    // Nobody can order before there is a node of stock: it is waited for.
    const stock = await resources.use(
      createReadyClient(Stock, {
        endpoint: "discovery:///stock",
        discovery: registry,
        balancer: p2c(),
        timeoutMs: timeout,
        logger,
        middleware: [
          tracing(),
          metadata(),
          circuitBreaker(),
          // Take is idempotent: a node that is slow or dead costs a moment, and no order.
          retry({ perTryTimeoutMs: takeTimeout }),
          metrics(),
        ],
      }),
    );
    const services = [createOrders(stock)];
    const server = new Server({
      address,
      services,
      timeoutMs: timeout,
      filters: [cors({ origins: "*" }), compression()],
      middleware: [
        tracing(),
        metrics(),
        logging({ logger, args: true }), // but not the card: it has debug_redact
        recovery({ logger }),
        metadata(),
        selector(jwt({ key })).regex(/\/shop\.v1\.Orders\/Place(All)?/), // anybody may look
        tokenBucket({ rate: 200, burst: 400 }), // for each caller
        validate(),
      ],
      codecs: [...defaultCodecs, yamlCodec, xmlCodec, msgpackCodec],
      methods: {
        "/shop.v1.Orders/Get": { json: { int64AsNumber: "safe" } },
        "/shop.v1.Orders/Attach": { bodyLimitBytes: 20_000_000, timeoutMs: 10 * timeout },
      },
      events: { retryMs: 1000 },
      routes: [
        prometheusRoute(measured.provider),
        ...openApiRoutes({ services, errors: [ErrorReasonSchema], info: { title: "Shop", version: "1.0.0" } }),
        { prefix: "/admin", routes: [logLevelRoute({ path: "/log-level" })] },
      ],
      health: { checks: { stock: async () => (await registry.list("stock")).length > 0 } },
      logger,
    });
    return [server];
  };

  const app = new App({ name: "orders", logger, servers: compose, registrar: registry, drainDelayMs: 100 });
  await app.run();
});
