export { type Config, type ConfigListener, type ConfigOptions, loadConfig } from "./config.ts";
// For library authors: what a source is made of.
export { createLayer, joinLayers, parseDocument } from "./document.ts";
export { parseDuration } from "./duration.ts";
export { type EnvOptions, env } from "./env.ts";
export { file } from "./file.ts";
export type { SchemaIssue, SchemaResult } from "./schema.ts";
export { type ConfigOf, type Defaults, type Parser, type Schema, schemaOf } from "./schema.ts";
export type { Snapshot } from "./snapshot.ts";
export type { Layer, Source } from "./source.ts";
export { type Path, type Tree, UnquotedText, type Value } from "./tree.ts";
