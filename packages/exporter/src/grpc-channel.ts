import { type CallOptions, createServiceClient, GrpcCode, RetryInfoSchema, ServiceError, toGrpcCode } from "@clew/rpc";
import { GrpcClient } from "@clew/transport/grpc";
import { type Attempt, cut, noAnswer, noBytes } from "./delivery.ts";
import type { OtlpSettings } from "./otlp-options.ts";
import { exportMethods, type RawMessage, rawCodec, toRawMessage } from "./otlp-service.ts";

/** A client of any of OTLP's services, with raw messages. */
interface RawClient extends AsyncDisposable {
  readonly export: (request: RawMessage, options: CallOptions) => Promise<RawMessage>;
}

/** Calls the method `Export` of one of OTLP's services. An idle connection does not keep the process alive. */
export class GrpcChannel {
  readonly #settings: OtlpSettings;
  #client: RawClient | undefined;

  constructor(settings: OtlpSettings) {
    this.#settings = settings;
  }

  /** Makes one call. Never rejects. */
  async send(body: Buffer, signal: AbortSignal): Promise<Attempt> {
    const { headers, timeoutMs, signal: kind } = this.#settings;
    this.#client ??= this.#open();
    const client = this.#client;
    const { input } = exportMethods[kind];
    let status: string | undefined;
    try {
      const reply = await client.export(toRawMessage(input, body), {
        timeoutMs,
        signal,
        metadata: headers,
        onTrailers: (trailers) => {
          status = trailers.get("grpc-status");
        },
      });
      return { outcome: "taken", reply: Buffer.from(reply.bytes), retryAfterMs: undefined, error: undefined };
    } catch (thrown) {
      const error = ServiceError.from(thrown);
      // Without a connection the client would back off on its own, for minutes; but the delivery decides on delays.
      if (status === undefined && this.#client === client) this.#drop();
      return toAttempt(error, status === undefined ? toGrpcCode(error.code) : Number(status));
    }
  }

  async close(): Promise<void> {
    await this.#client?.[Symbol.asyncDispose]();
  }

  #drop(): void {
    void Promise.resolve(this.#client?.[Symbol.asyncDispose]()).catch(nothing);
    this.#client = undefined;
  }

  #open(): RawClient {
    const { url, tls, compression, timeoutMs, signal } = this.#settings;
    const isSecure = url.protocol === "https:";
    const port = url.port || (isSecure ? "443" : "80");
    const client = new GrpcClient({
      endpoint: `${isSecure ? "grpcs" : "grpc"}://${url.hostname}:${port}`,
      codec: rawCodec,
      compression: compression === "gzip" ? "gzip" : "identity",
      connectTimeoutMs: timeoutMs,
      tls,
    });
    return createServiceClient(exportMethods[signal].parent, client) as unknown as RawClient;
  }
}

// Retryable statuses (OTLP specification, "OTLP/gRPC Response"); RESOURCE_EXHAUSTED is retryable only with a RetryInfo.
const busyCodes: ReadonlySet<number> = new Set([
  GrpcCode.CANCELLED,
  GrpcCode.DEADLINE_EXCEEDED,
  GrpcCode.ABORTED,
  GrpcCode.OUT_OF_RANGE,
  GrpcCode.UNAVAILABLE,
  GrpcCode.DATA_LOSS,
]);

const codeNames = Object.keys(GrpcCode);

function toAttempt(error: ServiceError, code: number): Attempt {
  const retryAfterMs = retryAfterOf(error);
  const isBusy = busyCodes.has(code) || (code === GrpcCode.RESOURCE_EXHAUSTED && retryAfterMs !== undefined);
  const cause = error.cause instanceof Error ? `: ${noAnswer(error.cause).error?.message}` : "";
  return {
    outcome: isBusy ? "busy" : "refused",
    reply: noBytes,
    retryAfterMs: isBusy ? retryAfterMs : undefined,
    error: new Error(cut(`the collector answers ${codeNames[code] ?? code}: ${error.message}${cause}`), {
      cause: error,
    }),
  };
}

/** The delay in the google.rpc.RetryInfo among the details. */
function retryAfterOf(error: ServiceError): number | undefined {
  try {
    const delay = error.detail(RetryInfoSchema)?.retryDelay;
    if (delay === undefined) return undefined;
    return Math.max(0, Number(delay.seconds) * 1000 + delay.nanos / 1e6);
  } catch {
    // The bytes are not a valid message of that type.
    return undefined;
  }
}

function nothing(): void {}
