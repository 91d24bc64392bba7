import { type Codec, createJsonCodec, type JsonCodecOptions, type Service } from "@clew/rpc";
import { checkCodecs } from "../check-codecs.ts";
import { optionInvalid } from "../errors.ts";
import { longestTimerMs } from "../listener.ts";
import { findMethodEntries, type MethodEntries } from "../method-entries.ts";

/** Options of a method that override those of its server. */
export interface HttpMethodOptions {
  /**
   * How long a call may take, in milliseconds; 0 for no limit. After that the caller gets 504 and `call.signal` aborts. For a
   * stream only the entry of its own operation counts, not that of its service. Default: the server's; none for streams.
   */
  timeoutMs?: number;
  /** The largest request body, in bytes, also after decompression. Default: the server's. */
  bodyLimitBytes?: number;
  /** The codecs for bodies; the first one if the caller has no preference. Default: the server's. */
  codecs?: readonly Codec[];
  /** Options for JSON, which replace those of the codec `json`. Default: the server's. */
  json?: JsonCodecOptions;
}

export interface ResolvedMethodOptions {
  readonly timeoutMs: number;
  readonly bodyLimitBytes: number;
  readonly codecs: readonly Codec[];
}

/**
 * Resolves the options of each method: an option of its own entry wins over that of its service's entry, and that over the
 * server's.
 *
 * @throws CLEW_TRANSPORT_METHOD_OPTION for an entry that matches no method here, CLEW_TRANSPORT_OPTION for a wrong option
 */
export function compileMethodOptions(
  server: ResolvedMethodOptions,
  methods: MethodEntries<HttpMethodOptions>,
  services: readonly Service[],
): (operation: string) => ResolvedMethodOptions {
  const entriesOf = findMethodEntries(methods, services);
  return (operation) =>
    entriesOf(operation).reduce((options, [key, entry]) => override(options, entry, `methods["${key}"].`), server);
}

function override(outer: ResolvedMethodOptions, entry: HttpMethodOptions, name: string): ResolvedMethodOptions {
  return checkMethodOptions(
    {
      timeoutMs: entry.timeoutMs ?? outer.timeoutMs,
      bodyLimitBytes: entry.bodyLimitBytes ?? outer.bodyLimitBytes,
      codecs: withJson(entry.codecs ?? outer.codecs, entry.json, name),
    },
    name,
  );
}

/** @param name the prefix of the options' names in a message: `methods["/shop.Orders/*"].` */
export function checkMethodOptions(options: ResolvedMethodOptions, name = ""): ResolvedMethodOptions {
  const { timeoutMs, bodyLimitBytes, codecs } = options;
  checkTimeout(timeoutMs, `${name}timeoutMs`);
  if (!(bodyLimitBytes >= 0 && bodyLimitBytes < Infinity)) {
    throw optionInvalid(`${name}bodyLimitBytes`, bodyLimitBytes, "a number of 0 or more");
  }
  checkCodecs(`${name}codecs`, codecs);
  if (codecs.length === 0) throw optionInvalid(`${name}codecs`, "empty", "at least one codec");
  return options;
}

export function checkTimeout(timeoutMs: number, name: string): void {
  if (typeof timeoutMs === "number" && timeoutMs >= 0 && timeoutMs <= longestTimerMs) return;
  throw optionInvalid(name, timeoutMs, `a number of milliseconds from 0 to ${longestTimerMs}`);
}

/** Returns the codecs with another `json`. */
export function withJson(codecs: readonly Codec[], json: JsonCodecOptions | undefined, name = ""): readonly Codec[] {
  if (json === undefined) return codecs;
  // Values that are not codecs are reported where all codecs are checked.
  if (!codecs.some((codec) => codec?.name === "json")) {
    throw optionInvalid(`${name}json`, "given", `omitted if codecs contains no codec named "json"`);
  }
  const own = createJsonCodec(json);
  return codecs.map((codec) => (codec?.name === "json" ? own : codec));
}
