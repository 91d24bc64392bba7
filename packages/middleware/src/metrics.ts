import { aBoolean, aText, checkOptions, having, type OptionChecks, oneOf } from "@clew/options";
import { type Call, GrpcCode, type Middleware, type ServiceError, toGrpcCode, watcher } from "@clew/rpc";
import { type Attributes, type Meter, type MeterProvider, metrics as metricsApi } from "@opentelemetry/api";
import { type BodyRecorder, createBodyRecorder } from "./body-metrics.ts";
import { optionError } from "./errors.ts";
import { legacyMethod } from "./legacy-span.ts";
import { createMessageRecorder, type MessageRecorder } from "./message-metrics.ts";
import { codeOf, errorTypeOf, failureOf } from "./outcome.ts";
import { rpcSystemOf } from "./rpc-system.ts";
import {
  ERROR_TYPE,
  HTTP_REQUEST_METHOD,
  HTTP_RESPONSE_STATUS_CODE,
  HTTP_ROUTE,
  METRIC_HTTP_SERVER_REQUEST_DURATION,
  METRIC_RPC_CLIENT_CALL_DURATION,
  METRIC_RPC_SERVER_CALL_DURATION,
  RPC_METHOD,
  RPC_STATUS_CODE,
  RPC_SYSTEM_NAME,
  URL_SCHEME,
} from "./semantic-conventions.ts";

export interface MetricsOptions {
  /** The provider of the instruments: any provider of OpenTelemetry's API. Default: the global one. */
  meterProvider?: MeterProvider;
  /** The name of the instruments' scope. Default: "clew". */
  meterName?: string;
  /**
   * The names of the instruments: "semconv" for OpenTelemetry's stable semantic conventions, "legacy" for the names that its
   * instrumentations used before, "kratos" for the names and labels of Kratos v3. Default: "semconv".
   */
  names?: "semconv" | "legacy" | "kratos";
  /**
   * Whether the size of each message is measured, as protobuf. Each message is encoded once more for that. Default:
   * false.
   */
  messageSizes?: boolean;
  /**
   * Whether the sizes of bodies on the wire are measured, for calls over HTTP/JSON that are not streams and for raw routes. Default:
   * false.
   */
  bodySizes?: boolean;
}

const optionChecks: OptionChecks<MetricsOptions> = {
  meterProvider: having("a meter provider", "getMeter"),
  meterName: aText,
  names: oneOf("semconv", "legacy", "kratos"),
  messageSizes: aBoolean,
  bodySizes: aBoolean,
};

/**
 * Measures each call: how long it took, how it ended, and how many are in flight. A stream counts until its end, and so do its
 * messages: `rpc.{server,client}.{requests,responses}_per_rpc`, and on request `.{request,response}.size`, and the bodies that carry them:
 * `http.{server,client}.{request,response}.body.size`.
 *
 * | names   | instruments                                                                                          |
 * | ------- | ---------------------------------------------------------------------------------------------------- |
 * | semconv | `http.server.request.duration` for calls over HTTP/JSON, else `rpc.server.call.duration`,            |
 * |         | `rpc.client.call.duration`; in flight `http.server.active_requests`, `rpc.{server,client}.active_calls` |
 * | legacy  | `http.server.duration`, `rpc.{server,client}.duration` in milliseconds; `http.server.active_requests`   |
 * | kratos  | `{server,client}_requests_code_total`, `_requests_seconds`, `_requests_in_flight`                    |
 *
 * @throws CLEW_MIDDLEWARE_OPTION
 */
export function metrics(options: MetricsOptions = {}): Middleware {
  checkOptions("metrics", options, optionChecks, optionError);
  const { meterName = "clew", names = "semconv", messageSizes = false, bodySizes = false } = options;
  const createRecorder = recorderMakers[names];
  let recorders: Recorders | undefined;
  // Called at the first call: the global provider may be registered after the middleware was created.
  const getRecorders = (): Recorders => {
    if (recorders === undefined) {
      const meter = (options.meterProvider ?? metricsApi).getMeter(meterName);
      recorders = {
        calls: createRecorder(meter),
        messages: createMessageRecorder(meter, messageSizes),
        bodies: bodySizes ? createBodyRecorder(meter) : undefined,
      };
    }
    return recorders;
  };
  return watcher(() => (call) => {
    const { calls, messages, bodies } = getRecorders();
    const end = calls(call);
    const endMessages = messages(call);
    const endBodies = bodies?.(call);
    return (thrown, endMs) => {
      endMessages?.();
      const code = codeOf(call, thrown);
      const error = failureOf(call, thrown);
      end((endMs - call.startMs) / 1000, code, error);
      endBodies?.(endAttributes(activeAttributes(call), call, code, error));
    };
  });
}

interface Recorders {
  readonly calls: Recorder;
  readonly messages: MessageRecorder;
  /** Undefined if bodySizes is off. */
  readonly bodies: BodyRecorder | undefined;
}

/** The instruments of one set of names. Called when a call begins; returns a function to call at its end. */
type Recorder = (call: Call) => (seconds: number, code: number, error: ServiceError | undefined) => void;

/** The bucket boundaries of the conventions, in seconds. */
const semconvBoundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

const grpcNames: readonly string[] = Object.keys(GrpcCode);

function createSemconvRecorder(meter: Meter): Recorder {
  const createDuration = (name: string, description: string) =>
    meter.createHistogram(name, {
      description,
      unit: "s",
      advice: { explicitBucketBoundaries: semconvBoundaries },
    });
  const createActive = (name: string, unit: string) =>
    meter.createUpDownCounter(name, { description: "Calls that are in flight.", unit });
  const http = {
    duration: createDuration(METRIC_HTTP_SERVER_REQUEST_DURATION, "Duration of HTTP server requests."),
    // Not stable yet in the conventions. For RPC they have no such instrument at all; the other two names follow this
    // one.
    active: createActive("http.server.active_requests", "{request}"),
  };
  const server = {
    duration: createDuration(METRIC_RPC_SERVER_CALL_DURATION, "Duration of incoming calls."),
    active: createActive("rpc.server.active_calls", "{call}"),
  };
  const client = {
    duration: createDuration(METRIC_RPC_CLIENT_CALL_DURATION, "Duration of outgoing calls."),
    active: createActive("rpc.client.active_calls", "{call}"),
  };
  const attributesOf = keepAttributes();
  return (call) => {
    const { duration, active } = call.http !== undefined ? http : call.side === "server" ? server : client;
    const attributes = attributesOf(call);
    active.add(1, attributes.active, call.context);
    return (seconds, code, error) => {
      active.add(-1, attributes.active, call.context);
      const ended =
        error === undefined && code === 200
          ? attributes.succeeded
          : endAttributes(attributes.active, call, code, error);
      // The call's context contains its span: a histogram that keeps exemplars finds the trace there.
      duration.record(seconds, ended, call.context);
    };
  };
}

interface KnownAttributes {
  readonly transport: string;
  readonly verb: string | undefined;
  readonly route: string | undefined;
  readonly scheme: string | undefined;
  readonly active: Attributes;
  readonly succeeded: Attributes;
}

/**
 * The attributes of an operation's last call are used again for the next call if it came in the same way, as nearly all calls
 * do: this saves two objects and a string per call (0.1 us). They are frozen, so that a provider can recognize them by
 * identity.
 */
function keepAttributes(): (call: Call) => KnownAttributes {
  const known = new Map<string, KnownAttributes>();
  return (call) => {
    const { operation, transport, http } = call;
    const last = known.get(operation);
    if (
      last !== undefined &&
      last.transport === transport &&
      last.route === http?.route &&
      last.verb === http?.verb &&
      last.scheme === http?.scheme
    ) {
      return last;
    }
    const active = Object.freeze(activeAttributes(call));
    const { verb, route, scheme } = http ?? {};
    const succeeded = Object.freeze(endAttributes(active, call, 200, undefined));
    const made = { transport, verb, route, scheme, active, succeeded };
    known.set(operation, made);
    return made;
  };
}

function activeAttributes({ http, operation, transport }: Call): Attributes {
  if (http === undefined) return { [RPC_SYSTEM_NAME]: rpcSystemOf(transport), [RPC_METHOD]: operation.slice(1) };
  return { [HTTP_REQUEST_METHOD]: http.verb, [URL_SCHEME]: http.scheme ?? "http" };
}

function endAttributes(active: Attributes, call: Call, code: number, error: ServiceError | undefined): Attributes {
  const attributes = { ...active };
  if (call.http !== undefined) {
    attributes[HTTP_ROUTE] = call.http.route;
    attributes[HTTP_RESPONSE_STATUS_CODE] = code;
  } else attributes[RPC_STATUS_CODE] = grpcNames[toGrpcCode(code)] ?? "UNKNOWN";
  const errorType = errorTypeOf(call, code, error);
  if (errorType !== undefined) attributes[ERROR_TYPE] = errorType;
  return attributes;
}

/** The default bucket boundaries of OpenTelemetry's SDKs, in milliseconds; the legacy conventions define no others. */
const legacyBoundaries = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000];

function createLegacyRecorder(meter: Meter): Recorder {
  const createDuration = (name: string, description: string) =>
    meter.createHistogram(name, {
      description,
      unit: "ms",
      advice: { explicitBucketBoundaries: legacyBoundaries },
    });
  const http = createDuration("http.server.duration", "Duration of HTTP server requests.");
  const active = meter.createUpDownCounter("http.server.active_requests", {
    description: "Calls that are in flight.",
    unit: "{request}",
  });
  const rpc = {
    server: createDuration("rpc.server.duration", "Duration of incoming calls."),
    client: createDuration("rpc.client.duration", "Duration of outgoing calls."),
  };
  return (call) => {
    if (call.http === undefined) {
      return (seconds, code) => {
        const attributes = { ...legacyMethod(call), "rpc.grpc.status_code": toGrpcCode(code) };
        rpc[call.side].record(seconds * 1000, attributes, call.context);
      };
    }
    const { verb, scheme = "http", version, route } = call.http;
    const begun: Attributes = { "http.method": verb, "http.scheme": scheme };
    active.add(1, begun, call.context);
    return (seconds, code) => {
      active.add(-1, begun, call.context);
      const flavor: Attributes = version === undefined ? {} : { "http.flavor": version };
      const attributes = { ...begun, ...flavor, "http.route": route, "http.status_code": code };
      http.record(seconds * 1000, attributes, call.context);
    };
  };
}

/** The bucket boundaries of Kratos, in seconds. */
const kratosBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

function createKratosRecorder(meter: Meter): Recorder {
  const create = (side: Call["side"]) => ({
    requests: meter.createCounter(`${side}_requests_code_total`, { unit: "{call}" }),
    duration: meter.createHistogram(`${side}_requests_seconds`, {
      unit: "s",
      advice: { explicitBucketBoundaries: kratosBoundaries },
    }),
    inFlight: meter.createUpDownCounter(`${side}_requests_in_flight`, { unit: "{call}" }),
  });
  const instruments = { server: create("server"), client: create("client") };
  return (call) => {
    const { requests, duration, inFlight } = instruments[call.side];
    const labels: Attributes = { kind: call.transport, operation: call.operation };
    inFlight.add(1, labels, call.context);
    return (seconds, code, error) => {
      inFlight.add(-1, labels, call.context);
      duration.record(seconds, labels, call.context);
      requests.add(1, { ...labels, code, reason: error?.reason ?? "" }, call.context);
    };
  };
}

const recorderMakers: Readonly<Record<MetricsOptions["names"] & {}, (meter: Meter) => Recorder>> = {
  semconv: createSemconvRecorder,
  legacy: createLegacyRecorder,
  kratos: createKratosRecorder,
};
