export { ClientSession, type ClientSessionOptions } from "./client-session.ts";
export { ErrorCode, errorCodeName } from "./error-code.ts";
export { type ConnectionError, ProtocolError, type Scope, type Violation } from "./errors.ts";
export type { HeaderFields } from "./hpack/header-block.ts";
export type { LimitOptions } from "./limits.ts";
export { alpnProtocol, isHttp2Preface } from "./preface.ts";
export { ServerSession, type ServerSessionOptions } from "./server-session.ts";
export type { SessionOptions } from "./session-options.ts";
export type { ClientStream, ClientStreamListener, Http2Stream, ServerStream, StreamListener } from "./stream.ts";

// For library authors.

export { violations } from "./errors.ts";
export { Decoder } from "./hpack/decoder.ts";
export { Encoder } from "./hpack/encoder.ts";
export type { HeaderBlock } from "./hpack/header-block.ts";
