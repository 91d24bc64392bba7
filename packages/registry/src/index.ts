export { createInstance, type Instance, type InstanceInit, parseInstance } from "./instance.ts";
