export { FailingRegistry, MemoryRegistry, type RegistryOperation } from "@clew/registry";
export { MemoryServer, type MemoryServerOptions } from "@clew/transport";
export { FakeClock, type FakeClockOptions } from "./testing/fake-clock.ts";
