import { MemoryRegistry } from "./memory-registry.ts";
import { testRegistry } from "./registry.contract.ts";

testRegistry("MemoryRegistry", () => ({ registry: new MemoryRegistry() }));
