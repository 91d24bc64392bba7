export { type LoggingOptions, logging } from "./logging.ts";
export { currentMetadata, type MetadataOptions, metadata } from "./metadata.ts";
export { type RecoveryOptions, recovery } from "./recovery.ts";
export { type TracingOptions, tracing } from "./tracing.ts";
