import type { BodySizes, Call } from "@clew/rpc";
import type { Attributes, Histogram, Meter } from "@opentelemetry/api";
import { parseAddress } from "./address.ts";
import { sizeBoundaries } from "./message-metrics.ts";
import { HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, SERVER_ADDRESS, SERVER_PORT } from "./semantic-conventions.ts";

/**
 * Observes the bodies of a call over HTTP. Returns a function to call at the end, with the attributes of the
 * measurement.
 */
export type BodyRecorder = (call: Call) => (attributes: Attributes) => void;

/**
 * Measures the sizes of bodies on the wire, after compression: `http.{server,client}.{request,response}.body.size`. (The names are not
 * stable yet in the conventions.)
 */
export function createBodyRecorder(meter: Meter): BodyRecorder {
  const create = (side: Call["side"]): { readonly request: Histogram; readonly response: Histogram } => {
    const size = (what: string) =>
      meter.createHistogram(`http.${side}.${what}.body.size`, {
        description: `Size of HTTP ${side} ${what} bodies.`,
        unit: "By",
        advice: { explicitBucketBoundaries: sizeBoundaries },
      });
    return { request: size("request"), response: size("response") };
  };
  const instruments = { server: create("server"), client: create("client") };
  return (call) => {
    const { request, response } = instruments[call.side];
    let sizes: BodySizes | undefined;
    let attributes: Attributes | undefined;
    // On a server the sizes are known after the end of the call, on a client before it: those of the last attempt.
    const record = (): void => {
      if (sizes === undefined || attributes === undefined) return;
      if (sizes.request !== undefined) request.record(sizes.request, attributes, call.context);
      if (sizes.response !== undefined) response.record(sizes.response, attributes, call.context);
    };
    call.onBodies((passed) => {
      sizes = passed;
      record();
    });
    return (ended) => {
      attributes = call.side === "client" ? clientAttributes(call, ended) : ended;
      record();
    };
  };
}

/** In the other metrics a client's call is an RPC, which has other attributes. */
function clientAttributes({ sentHttp, peer }: Call, { "error.type": errorType }: Attributes): Attributes {
  const { host, port } = parseAddress(peer.address);
  const attributes: Attributes = {};
  if (sentHttp !== undefined) attributes[HTTP_REQUEST_METHOD] = sentHttp.verb;
  if (sentHttp?.status !== undefined) attributes[HTTP_RESPONSE_STATUS_CODE] = sentHttp.status;
  if (host !== "") attributes[SERVER_ADDRESS] = host;
  if (port !== undefined) attributes[SERVER_PORT] = port;
  if (errorType !== undefined) attributes["error.type"] = errorType;
  return attributes;
}
