import { decodeProtobufSpans, decodeSpans } from "@clew/trace/zipkin";
import type { Intake } from "./intake.ts";
import { type Receiver, replyText } from "./receiver-route.ts";

/** Zipkin's API v2 for spans. It answers 202 with nothing, as Zipkin does; where spans were refused, with a line that says so. */
export function zipkinReceiver(intake: Intake): Receiver {
  return {
    path: "/api/v2/spans",
    dialect: "Zipkin",
    encodings: ["json", "protobuf"],
    intake,
    receive: (body, encoding) =>
      intake.takeSpans(() => (encoding === "json" ? decodeSpans(body.toString("utf8")) : decodeProtobufSpans(body))),
    reply(outcome) {
      if (!outcome.isTaken) return replyText(outcome.status, outcome.message);
      const { partial } = outcome;
      return replyText(202, partial === undefined ? "" : `${partial.rejectedSpans} refused: ${partial.message}`);
    },
  };
}
