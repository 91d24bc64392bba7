import { ErrorCode, errorCodeName } from "./error-code.ts";

/** What a violation costs: the connection, or only the stream it happened on. */
export type Scope = "connection" | "stream";

/** Error code, what is lost, the section that says so (of RFC 9113 where none is named), and words for the log. */
type Row = readonly [code: keyof typeof ErrorCode, scope: Scope, section: string, text: string];

/** Everything a peer can do wrong, and the answer. */
export const violations = {
  PREFACE: ["PROTOCOL_ERROR", "connection", "3.4", "the connection does not begin with the client's preface"],
  SETTINGS_FIRST: ["PROTOCOL_ERROR", "connection", "3.4", "the first frame is not SETTINGS"],

  FRAME_TOO_LARGE: ["FRAME_SIZE_ERROR", "connection", "4.2", "a frame is larger than SETTINGS_MAX_FRAME_SIZE"],
  FRAME_LENGTH: ["FRAME_SIZE_ERROR", "connection", "4.2", "a frame has not the length its type asks for"],
  PRIORITY_LENGTH: ["FRAME_SIZE_ERROR", "stream", "6.3", "a PRIORITY frame has not 5 bytes"],
  PADDING: ["PROTOCOL_ERROR", "connection", "6.1", "there is more padding than payload"],
  STREAM_ZERO: ["PROTOCOL_ERROR", "connection", "6", "a frame that belongs to a stream names stream 0"],
  NOT_STREAM_ZERO: ["PROTOCOL_ERROR", "connection", "6", "a frame that belongs to the connection names a stream"],

  BLOCK_INTERRUPTED: ["PROTOCOL_ERROR", "connection", "6.10", "a header block was interrupted by another frame"],
  CONTINUATION_ALONE: ["PROTOCOL_ERROR", "connection", "6.10", "a CONTINUATION frame continues nothing"],
  COMPRESSION: ["COMPRESSION_ERROR", "connection", "4.3", "a header block cannot be decoded"],
  PUSH: ["PROTOCOL_ERROR", "connection", "8.4", "PUSH_PROMISE, where push is off"],

  STREAM_ID_PARITY: ["PROTOCOL_ERROR", "connection", "5.1.1", "a stream was opened with a number of the other end's"],
  STREAM_IDLE: ["PROTOCOL_ERROR", "connection", "5.1", "a frame names a stream that was never opened"],
  STREAM_HALF_CLOSED: ["STREAM_CLOSED", "stream", "5.1", "a frame on a stream after its end"],
  STREAM_OVER: ["STREAM_CLOSED", "connection", "5.1", "a frame on a stream that is closed"],
  STREAM_DEPENDS_ON_ITSELF: ["PROTOCOL_ERROR", "stream", "RFC 7540 5.3.1", "a stream depends on itself"],
  PRIORITY_OF_ITSELF: ["PROTOCOL_ERROR", "connection", "RFC 7540 5.3.1", "a stream's priority depends on itself"],
  STREAM_LIMIT: ["REFUSED_STREAM", "stream", "5.1.2", "more streams than SETTINGS_MAX_CONCURRENT_STREAMS"],

  SETTINGS_ACK_LENGTH: ["FRAME_SIZE_ERROR", "connection", "6.5", "a SETTINGS acknowledgement has a payload"],
  SETTINGS_LENGTH: ["FRAME_SIZE_ERROR", "connection", "6.5", "the length of a SETTINGS frame is not a multiple of 6"],
  SETTING_ENABLE_PUSH: ["PROTOCOL_ERROR", "connection", "6.5.2", "SETTINGS_ENABLE_PUSH has a value it cannot have"],
  SETTING_INITIAL_WINDOW: ["FLOW_CONTROL_ERROR", "connection", "6.5.2", "SETTINGS_INITIAL_WINDOW_SIZE is over 2^31-1"],
  SETTING_MAX_FRAME: ["PROTOCOL_ERROR", "connection", "6.5.2", "SETTINGS_MAX_FRAME_SIZE is not in 2^14..2^24-1"],

  WINDOW_ZERO_INCREMENT: ["PROTOCOL_ERROR", "stream", "6.9", "a stream's WINDOW_UPDATE of 0"],
  WINDOW_ZERO_INCREMENT_CONNECTION: ["PROTOCOL_ERROR", "connection", "6.9", "a WINDOW_UPDATE of 0"],
  WINDOW_OVERFLOW: ["FLOW_CONTROL_ERROR", "stream", "6.9.1", "a stream's window is over 2^31-1"],
  WINDOW_OVERFLOW_CONNECTION: ["FLOW_CONTROL_ERROR", "connection", "6.9.1", "the connection's window is over 2^31-1"],
  WINDOW_EXCEEDED: ["FLOW_CONTROL_ERROR", "stream", "6.9.1", "more data than the stream's window"],
  WINDOW_EXCEEDED_CONNECTION: ["FLOW_CONTROL_ERROR", "connection", "6.9.1", "more data than the connection's window"],

  MALFORMED: ["PROTOCOL_ERROR", "stream", "8.1.1", "a malformed message"],
  CONTENT_LENGTH: ["PROTOCOL_ERROR", "stream", "8.1.1", "content-length is not what the data adds up to"],
  TRAILERS_WITHOUT_END: ["PROTOCOL_ERROR", "stream", "8.1", "trailers that do not end their stream"],
  DATA_BEFORE_HEADERS: ["PROTOCOL_ERROR", "stream", "8.1", "data before the final response headers"],
  HEADERS_TOO_LARGE: ["ENHANCE_YOUR_CALM", "stream", "10.5.1", "a header list over SETTINGS_MAX_HEADER_LIST_SIZE"],

  BLOCK_TOO_LARGE: ["ENHANCE_YOUR_CALM", "connection", "10.5.1", "a header block far over the limit of its list"],
  TOO_MANY_CONTINUATIONS: ["ENHANCE_YOUR_CALM", "connection", "10.5", "a header block in too many frames"],
  TOO_MANY_RESETS: ["ENHANCE_YOUR_CALM", "connection", "10.5", "too many streams were cut off"],
  TOO_MANY_CONTROLS: ["ENHANCE_YOUR_CALM", "connection", "10.5", "too many frames that ask for an answer"],
  TOO_MANY_IDLE_FRAMES: ["ENHANCE_YOUR_CALM", "connection", "10.5", "too many frames that carry nothing"],
  STREAM_STALLED: ["ENHANCE_YOUR_CALM", "stream", "10.5", "the peer does not take the reply it asked for"],
  REQUEST_STALLED: [
    "ENHANCE_YOUR_CALM",
    "stream",
    "10.5",
    "the rest of a message does not come, and others wait for its room (maxUnfinishedBytes)",
  ],
  STALLED: ["ENHANCE_YOUR_CALM", "connection", "10.5", "the peer does not read what it is sent"],
  TOO_MUCH_PENDING: ["ENHANCE_YOUR_CALM", "connection", "10.5", "too much waits for the peer, which does not take it"],
  TOO_MUCH_UNSENT: ["ENHANCE_YOUR_CALM", "stream", "10.5", "more waits for the peer than may at once (maxUnsentBytes)"],
  PREFACE_TIMEOUT: ["SETTINGS_TIMEOUT", "connection", "3.4", "no preface and SETTINGS in time"],
} as const;

export type Violation = keyof typeof violations;

/** A peer broke the protocol. Thrown and caught inside a session; users meet it as the cause of a stream's end. */
export class ProtocolError extends Error {
  readonly violation: Violation;
  /** The HTTP/2 error code it is answered with. */
  readonly errorCode: ErrorCode;
  readonly scope: Scope;

  constructor(violation: Violation, detail?: string) {
    const [code, scope, section, text]: Row = violations[violation];
    const where = section.startsWith("RFC") ? section : `RFC 9113 section ${section}`;
    super(`${text}${detail === undefined ? "" : `: ${detail}`} (${where})`);
    this.name = "ProtocolError";
    this.violation = violation;
    this.errorCode = ErrorCode[code];
    this.scope = scope;
  }
}

/** Why a stream ended with its connection; `code` is stable, `errorCode` the HTTP/2 code, `cause` what happened first. */
export interface ConnectionError extends Error {
  readonly code: "CLEW_HTTP2_CONNECTION_LOST" | "CLEW_HTTP2_GOAWAY" | "CLEW_HTTP2_CONNECTION_CLOSED";
  readonly errorCode: number;
}

function connectionError(
  code: ConnectionError["code"],
  errorCode: number,
  text: string,
  cause?: unknown,
): ConnectionError {
  return Object.assign(new Error(text, cause === undefined ? undefined : { cause }), { code, errorCode });
}

/** The socket ended or failed. */
export function connectionLost(cause: unknown): ConnectionError {
  const why = cause instanceof Error ? cause.message : "it was closed by the other end";
  return connectionError(
    "CLEW_HTTP2_CONNECTION_LOST",
    ErrorCode.INTERNAL_ERROR,
    `the connection was lost: ${why}`,
    cause,
  );
}

/** The peer said goodbye. */
export function wentAway(errorCode: number, debug: string): ConnectionError {
  const said = debug === "" ? "" : ` ("${debug}")`;
  return connectionError("CLEW_HTTP2_GOAWAY", errorCode, `the other end went away: ${errorCodeName(errorCode)}${said}`);
}

/** This end closed, on request or because the peer broke the protocol. */
export function connectionClosed(errorCode: number, cause?: unknown): ConnectionError {
  const why = cause instanceof Error ? cause.message : errorCodeName(errorCode);
  return connectionError("CLEW_HTTP2_CONNECTION_CLOSED", errorCode, `the connection was closed: ${why}`, cause);
}

/** What a developer did wrong. `code` is stable; the message says what would work. */
function usageError(code: string, message: string): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code });
}

export function headerNameInvalid(name: string): Error {
  return usageError(
    "CLEW_HTTP2_HEADER_NAME",
    `"${name}" is not a header name: lower-case letters, digits and !#$%&'*+-.^_\`|~ make one (RFC 9113 section 8.2.1)`,
  );
}

export function headerValueInvalid(name: string, value: unknown): Error {
  return usageError(
    "CLEW_HTTP2_HEADER_VALUE",
    `the value of header "${name}" is ${JSON.stringify(value)}; it must be a string of characters up to U+00FF ` +
      "with no control character, and no white space at its ends (RFC 9113 section 8.2.1)",
  );
}

export function headersOdd(length: number): Error {
  return usageError("CLEW_HTTP2_HEADERS", `a header list has ${length} entries; it is name, value, name, value`);
}

export function writeAfterEnd(id: number, what: string): Error {
  return usageError("CLEW_HTTP2_WRITE_AFTER_END", `stream ${id}: ${what} after this end of the stream was ended`);
}

export function headersOutOfOrder(id: number, what: string): Error {
  return usageError(
    "CLEW_HTTP2_HEADERS_ORDER",
    `stream ${id}: ${what}; headers go first, once, then data, then trailers`,
  );
}

export function sessionNotOpen(): Error {
  return usageError(
    "CLEW_HTTP2_SESSION_CLOSED",
    "this session takes no new streams: look at isOpen before opening one",
  );
}

export function optionInvalid(name: string, given: unknown, wanted: string): Error {
  return usageError("CLEW_HTTP2_OPTION", `${name} is ${String(given)}; it must be ${wanted}`);
}
