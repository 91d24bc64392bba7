import { type Codec, createJsonCodec, type JsonCodecOptions, type Service } from "@clew/rpc";
import { checkCodecs } from "../check-codecs.ts";
import { optionInvalid } from "../errors.ts";
import { longestTimerMs } from "../listener.ts";
import { findMethodEntries, type MethodEntries } from "../method-entries.ts";

/** What a method may have other than its server. */
export interface HttpMethodOptions {
  /**
   * How long a call may take, in milliseconds; 0 for no end. Then the caller gets 504 and `call.signal` aborts. A stream is limited
   * only by the entry of its own operation, not by that of its service. Default: the server's; none for streams.
   */
  timeoutMs?: number;
  /** The longest body a call may send, in bytes, also after decompression. Default: the server's. */
  bodyLimitBytes?: number;
  /** How bodies are written, the first where the caller does not care. Default: the server's. */
  codecs?: readonly Codec[];
  /** How JSON is written, in the place of the codec `json`. Default: the server's. */
  json?: JsonCodecOptions;
}

export interface ResolvedMethodOptions {
  readonly timeoutMs: number;
  readonly bodyLimitBytes: number;
  readonly codecs: readonly Codec[];
}

/**
 * What holds for each method: its own entry, then that of its service, then the server's, option by option.
 *
 * @throws CLEW_TRANSPORT_METHOD_OPTION for an entry that names nothing here, CLEW_TRANSPORT_OPTION for a wrong option
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

/** @param name what comes before the options' names in a message: `methods["/shop.Orders/*"].` */
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

/** Codecs with another `json`. */
export function withJson(codecs: readonly Codec[], json: JsonCodecOptions | undefined, name = ""): readonly Codec[] {
  if (json === undefined) return codecs;
  // What is no codec is told of by who checks them all.
  if (!codecs.some((codec) => codec?.name === "json")) {
    throw optionInvalid(`${name}json`, "given", `left out where codecs has none that is named "json"`);
  }
  const own = createJsonCodec(json);
  return codecs.map((codec) => (codec?.name === "json" ? own : codec));
}
