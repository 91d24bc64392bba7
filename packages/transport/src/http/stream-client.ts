import type { Call, Codec, Method, Peer } from "@clew/rpc";
import type { ResolvedHttpClientOptions } from "./client-options.ts";
import type { HttpSender } from "./sender.ts";

/** What calling a streaming method takes from its client. */
export interface StreamClientInit {
  readonly method: Method;
  readonly options: ResolvedHttpClientOptions;
  readonly sender: HttpSender;
  readonly peer: Peer;
  /** The headers of a request, with what the call's metadata adds. They ask for no compression. */
  readonly createHeaders: (call: Call, accept: string) => Record<string, string | string[]>;
}

/** What a codec goes by in streams: Kratos 3, which alone serves them this way, means Go's own JSON when it says `json`. */
export function streamType(codec: Codec): string {
  return codec.name === "json" ? "application/protojson" : codec.contentType;
}
