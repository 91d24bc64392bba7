// Registers itself in a folder until SIGTERM, run by file-registry.test.ts: node file-registry-program.ts <folder> <id>
import { createInstance, FileRegistry } from "@clew/registry";

const [folder, id] = process.argv.slice(2);
const registry = new FileRegistry({ folder: folder!, heartbeatMs: 100, ttlMs: 60_000 });
const instance = createInstance({ id: id!, name: "user", endpoints: ["grpc://127.0.0.1:9000"] });
const alive = setInterval(() => {}, 1_000);
process.once("SIGTERM", async () => {
  await registry.deregister(instance);
  clearInterval(alive);
});
await registry.register(instance);
console.log("registered");
