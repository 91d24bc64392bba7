import { resolve } from "node:path";
import { type Config, type ConfigOf, env, file, flags, loadConfig, parseDuration, schemaOf } from "clew/config";
import { createLogger, type Logger, parseLevel } from "clew/log";

const root = resolve(import.meta.dirname, "..");

const defaults = {
  orders: {
    address: ":8000",
    key: "",
    timeout: (value: unknown) => parseDuration(value ?? "3s"),
    takeTimeout: (value: unknown) => parseDuration(value ?? "500ms"),
  },
  stock: { address: ":0", pieces: 1000 },
  registry: ".data/registry",
  traces: { endpoint: "" },
  log: { level: (value: unknown) => parseLevel(String(value ?? "info"), "log.level") },
};

export type ShopConfig = Config<ConfigOf<typeof defaults>>;

/** Reads config.yaml, or the file that SHOP_CONFIG names, and follows it: what is wrong is told, and the last good one stays. */
export function loadShopConfig(): Promise<ShopConfig> {
  const sources = [file(process.env.SHOP_CONFIG ?? resolve(root, "config.yaml")), env(), flags()];
  return loadConfig({ sources, schema: schemaOf(defaults) });
}

/** The folder in which the processes of the shop find each other. */
export function resolveFolder(path: string): string {
  return resolve(root, path);
}

/** A logger whose level is that of the configuration, also when it changes. */
export function followLevel(config: ShopConfig, name: string): Logger {
  const logger = createLogger({ name, level: config.snapshot.log.level, fields: { pid: process.pid } });
  config.watch("log.level", () => {
    logger.level = config.snapshot.log.level;
  });
  return logger;
}
