export { type Config, type ConfigListener, type ConfigLogger, type ConfigOptions, loadConfig } from "./config.ts";
export type { ConfigValue } from "./config-value.ts";
export { parseDuration } from "./duration.ts";
export { type EnvOptions, env } from "./env.ts";
export { type FileOptions, file } from "./file.ts";
export { type FlagsOptions, flags } from "./flags.ts";
export { protoSchema } from "./proto-schema.ts";
export { type ConfigOf, type Defaults, type Parser, type Schema, schemaOf } from "./schema.ts";
export { parseSize } from "./size.ts";
export type { Snapshot } from "./snapshot.ts";

// For library authors: the parts of a source and of a schema.

export { createLayer, type DocumentOptions, joinLayers, parseDocument } from "./document.ts";
export type { SchemaIssue, SchemaResult } from "./schema.ts";
export type { Shape } from "./shape.ts";
export type { Layer, Source } from "./source.ts";
export { type Path, type Tree, UnquotedText, type Value } from "./tree.ts";
