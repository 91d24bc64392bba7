export { Collector, type CollectorOptions, type CollectorStats } from "./collector.ts";
export type { ReceiverStats } from "./receiver/intake.ts";
