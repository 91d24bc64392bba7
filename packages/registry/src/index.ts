export type { Discovery } from "./discovery.ts";
export { FileRegistry, type FileRegistryOptions } from "./file-registry.ts";
export { createInstance, type Instance, type InstanceInit, parseInstance } from "./instance.ts";
export { MemoryRegistry } from "./memory-registry.ts";
export type { Registrar } from "./registrar.ts";

// For library authors.

export { areSameInstances, formatInstance, isSameInstance } from "./instance.ts";
export { type Feed, ListWatch } from "./list-watch.ts";
