// Where everything is: config.yaml, and the environment over it (DEMO_USER_ADDRESS=:8080 sets user.address).
import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type ConfigOf, env, file, loadConfig as load, schemaOf } from "clew/config";

const root = resolve(import.meta.dirname, "..");

const defaults = {
  collector: {
    address: "127.0.0.1:4319",
    otlpAddress: "127.0.0.1:4318",
    otlpEndpoint: "http://127.0.0.1:4318",
    data: ".data/traces.db",
  },
  user: { address: ":8000", endpoint: "http://127.0.0.1:8000" },
  message: { address: ":9000", endpoint: "grpc://127.0.0.1:9000", data: ".data/messages.db" },
  profile: { address: ":8001", endpoint: "http://127.0.0.1:8001" },
};

/** Names another file. It does not begin with DEMO_, as the settings do. */
export const fileVariable = "CONFIG_OF_DEMO";

/** Reads the configuration once; a service of this example does not change while it runs. */
export async function loadConfig(): Promise<ConfigOf<typeof defaults>> {
  const path = process.env[fileVariable] ?? resolve(root, "config.yaml");
  const config = await load({ sources: [file(path), env("DEMO_")], schema: schemaOf(defaults) });
  await config.close();
  return structuredClone(config.snapshot) as ConfigOf<typeof defaults>;
}

/** The full path of a file of this example, its folder made. */
export function prepareFile(path: string): string {
  const full = resolve(root, path);
  mkdirSync(dirname(full), { recursive: true });
  return full;
}
