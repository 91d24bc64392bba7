import type { OutgoingHttpHeaders } from "node:http";
import type { Logger } from "@clew/log";
import { type Route, replyUnread } from "@clew/transport/http";
import { acceptedEncodings, BodyError, readBody } from "./body.ts";
import type { Intake, Outcome } from "./intake.ts";

/** The encoding of a request's body. */
export type BodyEncoding = "protobuf" | "json";

/** The reply of a receiver, sent unchanged. */
export interface Reply {
  readonly status: number;
  /** Empty if there is no body. */
  readonly contentType: string;
  readonly body: Buffer | string;
}

/** One path that receives bodies with spans. */
export interface Receiver {
  readonly path: string;
  /** For the log. */
  readonly dialect: string;
  readonly encodings: readonly BodyEncoding[];
  readonly intake: Intake;
  receive(body: Buffer, encoding: BodyEncoding): Promise<Outcome>;
  /** `encoding` is undefined when the request was refused for an unknown one. */
  reply(outcome: Outcome, encoding: BodyEncoding | undefined): Reply;
}

const contentTypes: Readonly<Record<BodyEncoding, string>> = {
  protobuf: "application/x-protobuf",
  json: "application/json",
};

/** The encoding that a content type names; undefined when it is neither. */
function encodingOf(contentType: string | undefined): BodyEncoding | undefined {
  const type = (contentType ?? "").split(";", 1)[0]!.trim().toLowerCase();
  if (type === "application/x-protobuf" || type === "application/protobuf") return "protobuf";
  return type === "application/json" ? "json" : undefined;
}

/** Creates the route of a receiver: it reads the body within the limit, passes it on, replies, and logs refusals. */
export function receiverRoute(receiver: Receiver, bodyLimitBytes: number, logger: Logger): Route {
  const { path, dialect, encodings, intake } = receiver;
  return {
    verb: "POST",
    path,
    async handle(request, response) {
      // Before these content types a browser sends a preflight (CORS), whose reply says which pages may send.
      const named = encodingOf(request.headers["content-type"]);
      const encoding = named !== undefined && encodings.includes(named) ? named : undefined;
      let body: Buffer;
      try {
        if (encoding === undefined) {
          const accepted = encodings.map((one) => contentTypes[one]).join(" or ");
          throw new BodyError(415, `the content type must be ${accepted}`);
        }
        body = await readBody(request, bodyLimitBytes);
      } catch (error) {
        if (!(error instanceof BodyError)) throw error;
        const { status, message } = error;
        logger.warn(`${dialect} request refused: ${message}`, { status });
        const outcome = intake.refuse({ isTaken: false, status, message });
        const reply = receiver.reply(outcome, encoding);
        replyUnread(request, response, { ...reply, headers: headersOf(outcome, reply) });
        return;
      }
      // Read now: the store may take the bytes away.
      const bytes = body.length;
      const outcome = await receiver.receive(body, encoding);
      noteOutcome(logger, dialect, outcome, bytes);
      const reply = receiver.reply(outcome, encoding);
      response.writeHead(reply.status, headersOf(outcome, reply)).end(reply.body);
    },
  };
}

/** Logs that a request, or a part of it, was refused or could not be stored. */
export function noteOutcome(logger: Logger, dialect: string, outcome: Outcome, bytes: number): void {
  if (outcome.isTaken) {
    const { partial } = outcome;
    if (partial !== undefined)
      logger.warn(`${dialect}: ${partial.rejectedSpans} refused: ${partial.message}`, { bytes });
  } else if (outcome.cause !== undefined) {
    logger.error(`${dialect} request not stored`, { error: outcome.cause });
  } else {
    logger.warn(`${dialect} request refused with ${outcome.status}: ${outcome.message}`, { bytes });
  }
}

function headersOf(outcome: Outcome, { status, contentType, body }: Reply): OutgoingHttpHeaders {
  return {
    ...(contentType === "" ? {} : { "content-type": contentType }),
    "content-length": Buffer.byteLength(body),
    ...(outcome.isTaken || outcome.retryAfterS === undefined ? {} : { "retry-after": String(outcome.retryAfterS) }),
    ...(status === 415 ? { "accept-encoding": acceptedEncodings } : {}),
  };
}

/** A line of text; no body when it is empty. */
export function replyText(status: number, text: string): Reply {
  return text === ""
    ? { status, contentType: "", body: "" }
    : { status, contentType: "text/plain; charset=utf-8", body: `${text}\n` };
}
