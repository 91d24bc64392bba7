import { decodeProtobufSpans, decodeSpans } from "@clew/trace/zipkin";
import type { Intake } from "./intake.ts";
import { type Receiver, replyText } from "./receiver-route.ts";

/** Zipkin's API v2 for spans. The reply is 202 without a body, as in Zipkin, or with a line of text if spans were rejected. */
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
