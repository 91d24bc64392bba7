import { isDeepStrictEqual } from "node:util";
import {
  aBoolean,
  aFunction,
  checkOptions,
  checkValue,
  having,
  isObject,
  kind,
  listOf,
  type OptionChecks,
} from "@clew/options";
import { type ConfigValue, createConfigValue } from "./config-value.ts";
import { joinLayers } from "./document.ts";
import { configClosed, configInvalid, optionError } from "./errors.ts";
import { fillPlaceholders } from "./placeholder.ts";
import { isSecretName, Secrets } from "./redact.ts";
import { findDroppedKeys, findUnknownKeys, type Schema, type SchemaIssue, shapeOf } from "./schema.ts";
import type { Shape } from "./shape.ts";
import { freezeSnapshot, type Snapshot } from "./snapshot.ts";
import type { Layer, Source } from "./source.ts";
import { formatPath, type Path, parsePath, type Tree, valueAt } from "./tree.ts";

export interface ConfigOptions<T> {
  /** The sources of the values. A later source wins over an earlier one, at the start and after every change. */
  sources: readonly Source[];
  /** Checks the merged tree and gives it its type. Default: none, the snapshot is the merged tree. */
  schema?: Schema<T>;
  /**
   * Refuses keys that the schema does not know. Set it to false for a schema that reads keys which are not in its result, and that
   * has no JSON Schema. `schemaOf` and `protoSchema` are always strict. Default: true.
   */
  strict?: boolean;
  /** Gets one warning for each change that could not be applied; the last good snapshot stays in use. Default: none. */
  logger?: ConfigLogger;
  /**
   * Called with the error of each change that could not be applied. Default: a warning of the process, if there is no
   * logger either.
   */
  onError?: (error: Error) => void;
}

/** The part of a Logger that a configuration needs. */
export interface ConfigLogger {
  warn(message: string, fields?: Record<string, unknown>): void;
}

/** Called with the new value and the previous one. It may be asynchronous; its result is ignored. */
export type ConfigListener = (value: unknown, previous: unknown) => unknown;

/** A configuration that follows the changes of its sources. */
export interface Config<T> {
  /** The current values. Each change makes a new snapshot: read it where you use it instead of keeping it. */
  readonly snapshot: Snapshot<T>;
  /** The value at `key` (`server.http.addr`). The caller chooses the type when reading it; it follows changes. */
  value(key: string): ConfigValue;
  /**
   * Calls `listener` whenever the value at `key` changes (`server.http.addr`; "" is the whole configuration), also when the key
   * appears or disappears. Returns a function that removes the listener. An error that a listener throws goes to `onError`.
   */
  watch(key: string, listener: ConfigListener): () => void;
  /** Ends the watching of all sources; the snapshot remains readable. */
  close(): Promise<void>;
}

/**
 * Loads a configuration: sources -> one merged tree -> placeholders filled -> checked by the schema -> a frozen snapshot.
 * Every change of a source runs all of these steps again from the values of the sources, never from the merged result.
 *
 * @throws one error with a code (CLEW_CONFIG_*). Its message is one line that names the file, the line in it and what
 * would work.
 */
export async function loadConfig<T = Record<string, unknown>>(options: ConfigOptions<T>): Promise<Config<T>> {
  check(options);
  const config = new WatchedConfig(options);
  try {
    await config.load();
  } catch (error) {
    await config.close();
    throw error;
  }
  return config;
}

const sourceList = listOf(
  'a list of sources, such as [file("config.yaml"), env("APP_")]; a later source overrides an earlier one',
  kind(
    'a source, such as file("config.yaml"), env("APP_") or flags()',
    (given) => typeof (given as Partial<Source> | null)?.load === "function",
  ),
);

const optionChecks: OptionChecks<ConfigOptions<unknown>> = {
  sources: sourceList,
  schema: kind(
    "a schema, made by schemaOf({ ... }), protoSchema(...) or a library such as Zod",
    (given) => typeof (given as Partial<Schema<unknown>> | null)?.["~standard"]?.validate === "function",
  ),
  strict: aBoolean,
  logger: having("a logger", "warn"),
  onError: aFunction,
};

/** @throws CLEW_CONFIG_OPTION */
function check<T>(options: ConfigOptions<T>): void {
  const given: Partial<ConfigOptions<T>> = isObject(options) ? options : {};
  checkOptions("loadConfig", given, optionChecks, optionError);
  checkValue("sources", given.sources, sourceList, optionError);
}

/** What all snapshots of a configuration share. */
interface SnapshotRules<T> {
  readonly schema: Schema<T> | undefined;
  readonly shape: Shape | undefined;
  readonly isStrict: boolean;
}

interface SnapshotInit<T> extends SnapshotRules<T> {
  /** All sources as one layer. */
  readonly layer: Layer;
}

async function createSnapshot<T>(init: SnapshotInit<T>): Promise<Snapshot<T>> {
  const { layer, schema, shape } = init;
  const merged = layer.over({}, shape);
  const secrets = new Secrets(shape);
  secrets.addFrom(merged);
  const filled = fill(merged, init, secrets);
  if (schema === undefined) return freezeSnapshot(filled as T);
  secrets.addFrom(filled);
  const result = await schema["~standard"].validate(filled);
  const made = result.issues === undefined ? result.value : undefined;
  const unknown = init.isStrict ? findUnknown(filled, made, init) : [];
  // A schema library that is strict itself reports the same key in other words, at the map around it.
  const issues = [...(result.issues ?? [])].filter(
    ({ message }) => unknown.length === 0 || !/unrecognized key/i.test(message),
  );
  const problems = [...unknown, ...issues].map((issue) => describeIssue(layer, issue, secrets));
  if (problems.length > 0) throw configInvalid(problems);
  return freezeSnapshot((result as { readonly value: T }).value);
}

function fill(tree: Tree, { layer, shape }: SnapshotInit<unknown>, secrets: Secrets): Tree {
  try {
    return fillPlaceholders(tree, {
      shape,
      lookup: (name) => layer.lookup?.(name),
      locate: (path) => layer.locate(path) ?? nowhere,
      onFilled: (name, value) => {
        if (isSecretName(name)) secrets.add(value);
      },
    });
  } catch (error) {
    if (error instanceof Error) {
      error.message = secrets.redact(error.message);
      error.stack = secrets.redact(error.stack ?? "");
    }
    throw error;
  }
}

function findUnknown(tree: Tree, made: unknown, { schema, shape }: SnapshotInit<unknown>): SchemaIssue[] {
  if (schema?.["~standard"].shape !== undefined) return [];
  return shape === undefined ? findDroppedKeys(tree, made) : findUnknownKeys(tree, shape);
}

/** Stands in errors for the place of a path that no source wrote. */
const nowhere = "config";

function describeIssue(layer: Layer, issue: SchemaIssue, secrets: Secrets): string {
  const path = (issue.path ?? []).map((part) => {
    const key = typeof part === "object" ? part.key : part;
    return typeof key === "symbol" ? String(key) : key;
  });
  // A missing key has no place; the nearest map around it has one.
  let known = path;
  while (known.length > 0 && layer.locate(known) === undefined) known = known.slice(0, -1);
  const place = layer.locate(known) ?? nowhere;
  const message = secrets.redact(issue.message.replace(/\s*\n\s*/g, " "), path);
  return `${place}: ${path.length === 0 ? "" : `${formatPath(path)} `}${message}`;
}

/**
 * Editors and deployments write a file in several steps; all events within this time, in milliseconds, are one change.
 */
const settleMs = 50;

class WatchedConfig<T> implements Config<T> {
  readonly #sources: readonly Source[];
  readonly #rules: SnapshotRules<T>;
  readonly #onError: (error: Error) => void;
  /** The last reported error of a change. The same error is not reported twice. */
  #reported: string | undefined;
  #layers: Layer[] = [];
  readonly #stops: (() => void)[] = [];
  readonly #listeners: Set<{ readonly path: Path; readonly listener: ConfigListener }> = new Set();
  #snapshot!: Snapshot<T>;
  readonly #changed: Set<number> = new Set();
  #timer: NodeJS.Timeout | undefined;
  #reloading: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: ConfigOptions<T>) {
    const { sources, schema, strict: isStrict = true } = options;
    this.#sources = sources;
    this.#rules = { schema, shape: schema === undefined ? undefined : shapeOf(schema), isStrict };
    const { logger, onError = logger === undefined ? (error: Error) => process.emitWarning(error) : () => {} } =
      options;
    this.#onError = (error) => {
      const code = (error as NodeJS.ErrnoException).code;
      logger?.warn("a change of the configuration could not be applied; the previous values stay in use", {
        reason: error.message,
        code,
      });
      onError(error);
    };
  }

  /** The first load. Rejects with the first error. */
  async load(): Promise<void> {
    // The watching begins first: what changes during the load is read again.
    this.#sources.forEach((source, index) => {
      const stop = source.watch?.(
        () => this.#change(index),
        (error) => this.#report(error),
      );
      if (stop !== undefined) this.#stops.push(stop);
    });
    const loading = this.#loadAll();
    this.#reloading = loading.catch(() => {});
    await loading;
  }

  async #loadAll(): Promise<void> {
    this.#layers = await Promise.all(this.#sources.map((source) => source.load()));
    this.#snapshot = await this.#create();
  }

  #create(): Promise<Snapshot<T>> {
    return createSnapshot({ ...this.#rules, layer: joinLayers(this.#layers) });
  }

  get snapshot(): Snapshot<T> {
    return this.#snapshot;
  }

  value(key: string): ConfigValue {
    return createConfigValue(
      key,
      () => this.#snapshot,
      () => joinLayers(this.#layers).locate(parsePath(key)) ?? nowhere,
    );
  }

  watch(key: string, listener: ConfigListener): () => void {
    if (this.#isClosed) throw configClosed();
    const entry = { path: parsePath(key), listener };
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const stop of this.#stops.splice(0)) stop();
    this.#listeners.clear();
    await this.#reloading;
  }

  #change(index: number): void {
    if (this.#isClosed) return;
    this.#changed.add(index);
    // One timer at a time: a source that changes all the time must not delay the reload for ever.
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // One reload after the other: a slow one must not overtake the next.
      this.#reloading = this.#reloading.then(() => this.#reload());
    }, settleMs).unref();
  }

  async #reload(): Promise<void> {
    if (this.#isClosed) return;
    const changed = [...this.#changed];
    this.#changed.clear();
    let hasFailed = false;
    try {
      // A source that fails keeps its last values; the other sources are reloaded.
      for (const index of changed) {
        try {
          this.#layers[index] = await this.#sources[index]!.load();
        } catch (error) {
          hasFailed = true;
          this.#reportOnce(error);
        }
      }
      const next = await this.#create();
      if (!this.#isClosed) this.#replace(next);
      if (!hasFailed) this.#reported = undefined;
    } catch (error) {
      this.#reportOnce(error);
    }
  }

  // Every event around a broken file reads it again, and would report it again.
  #reportOnce(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (text === this.#reported) return;
    this.#reported = text;
    this.#report(error);
  }

  #replace(next: Snapshot<T>): void {
    const previous = this.#snapshot;
    if (isDeepStrictEqual(previous, next)) return;
    this.#snapshot = next;
    for (const { path, listener } of [...this.#listeners]) {
      const before = valueAt(previous, path);
      const after = valueAt(next, path);
      if (isDeepStrictEqual(before, after)) continue;
      // An error of one listener, thrown at once or later, must not keep the others from being called.
      void (async () => listener(after, before))().catch((error: unknown) => this.#report(error));
    }
  }

  #report(error: unknown): void {
    if (this.#isClosed) return;
    try {
      this.#onError(error instanceof Error ? error : new Error(String(error), { cause: error }));
    } catch {
      // If the error listener itself fails, nobody is left to report to.
    }
  }
}
