import { type Call, hasReplyStream, hasRequestStream } from "@clew/rpc";
import type { Attributes, Histogram, Meter } from "@opentelemetry/api";
import { sizeOf } from "./message-size.ts";
import { rpcSystemOf } from "./rpc-system.ts";
import { RPC_METHOD, RPC_SYSTEM_NAME } from "./semantic-conventions.ts";

/**
 * Observes the messages of a call. Returns a function to call at the end, or undefined when there is nothing to
 * observe.
 */
export type MessageRecorder = (call: Call) => (() => void) | undefined;

interface SideInstruments {
  readonly requests: Histogram;
  readonly responses: Histogram;
  readonly requestSize: Histogram;
  readonly responseSize: Histogram;
}

const countBoundaries = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000];
/** The bucket boundaries for messages and bodies, in bytes. */
export const sizeBoundaries: number[] = [0, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];

/**
 * Measures the number of messages of a stream in each direction, `rpc.{server,client}.{requests,responses}_per_rpc`. With `hasSizes`
 * it also measures the size of each message, `rpc.{server,client}.{request,response}.size`: its size as protobuf, whatever the
 * transport. (The names are not stable yet in the conventions.)
 */
export function createMessageRecorder(meter: Meter, hasSizes: boolean): MessageRecorder {
  const create = (side: Call["side"]): SideInstruments => {
    const count = (what: string) =>
      meter.createHistogram(`rpc.${side}.${what}_per_rpc`, {
        description: `Messages of a stream: ${what}.`,
        unit: "{count}",
        advice: { explicitBucketBoundaries: countBoundaries },
      });
    const size = (what: string) =>
      meter.createHistogram(`rpc.${side}.${what}.size`, {
        description: `Size of a ${what} message as protobuf, uncompressed.`,
        unit: "By",
        advice: { explicitBucketBoundaries: sizeBoundaries },
      });
    return {
      requests: count("requests"),
      responses: count("responses"),
      requestSize: size("request"),
      responseSize: size("response"),
    };
  };
  const instruments = { server: create("server"), client: create("client") };
  const attributesOf = keepMessageAttributes();
  return (call) => {
    const { method, side, context } = call;
    const isRequestStream = hasRequestStream(method);
    const isReplyStream = hasReplyStream(method);
    // A raw route has no messages.
    if (!call.operation.startsWith("/") || !(hasSizes || isRequestStream || isReplyStream)) return undefined;
    const { requests, responses, requestSize, responseSize } = instruments[side];
    const attributes = attributesOf(call);
    let requestCount = 0;
    let responseCount = 0;
    call.onMessage((direction, message) => {
      const isRequest = (direction === "received") === (side === "server");
      if (isRequest) requestCount++;
      else responseCount++;
      if (!hasSizes) return;
      const { input, output } = method.desc;
      const size = sizeOf(isRequest ? input : output, message);
      if (size !== undefined) (isRequest ? requestSize : responseSize).record(size, attributes, context);
    });
    return () => {
      if (isRequestStream) requests.record(requestCount, attributes, call.context);
      if (isReplyStream) responses.record(responseCount, attributes, call.context);
    };
  };
}

/** One object for each operation and transport. It is frozen, so that a provider can recognize it. */
function keepMessageAttributes(): (call: Call) => Attributes {
  const known = new Map<string, Attributes>();
  return ({ operation, transport }) => {
    const key = `${transport} ${operation}`;
    let attributes = known.get(key);
    if (attributes === undefined) {
      attributes = Object.freeze({ [RPC_SYSTEM_NAME]: rpcSystemOf(transport), [RPC_METHOD]: operation.slice(1) });
      known.set(key, attributes);
    }
    return attributes;
  };
}
