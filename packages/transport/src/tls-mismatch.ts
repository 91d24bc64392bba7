/** The endpoint that a client calls. */
export interface MismatchEndpoint {
  /** http, https, grpc or grpcs. */
  readonly scheme: string;
  readonly socketPath?: string | undefined;
}

const otherSchemes: Readonly<Record<string, string>> = { http: "https", https: "http", grpc: "grpcs", grpcs: "grpc" };

const grpcSchemes: Readonly<Record<string, string>> = { http: "grpc", https: "grpcs" };

/**
 * Explains why a connection failed if probably only one end speaks TLS, or HTTP/2: says what was given and what would work.
 * Undefined if there is no sign of it.
 *
 * @param said the first data that the other end sent over a connection without TLS; undefined when it is known to speak our
 * protocol
 */
export function explainMismatch(
  { scheme, socketPath }: MismatchEndpoint,
  error: Error & { code?: unknown },
  said: string | undefined,
): string | undefined {
  const show = (one: string): string => (socketPath === undefined ? `${one}://` : `${one}+unix:`);
  const given = show(scheme);
  const other = show(otherSchemes[scheme] ?? scheme);
  const grpc = grpcSchemes[scheme];
  if (grpc !== undefined && said !== undefined && isSettings(unreadableStart(error))) {
    return `the server answers in HTTP/2 and not in HTTP/1.1, and the endpoint has ${given}: if it speaks gRPC, use ${show(grpc)}`;
  }
  if (scheme.endsWith("s")) {
    if (hasNoCommonProtocol(error)) {
      const works =
        scheme === "https"
          ? `leave out the option http2 or, if the server speaks gRPC, use ${show("grpcs")}`
          : `if the server speaks only HTTP/1.1, use ${show("https")}`;
      return `the server accepts none of the offered versions of HTTP, and the endpoint has ${given}: ${works}`;
    }
    return isVersionWrong(error)
      ? `the server does not speak TLS, but the endpoint has ${given}; use ${other}`
      : undefined;
  }
  // The record of an alert (RFC 8446 section 5.1), or words in clear.
  if (said !== undefined && (said.startsWith("\x15\x03") || refusals.test(said)))
    return `the server speaks TLS, but the endpoint has ${given}; use ${other}`;
  const maybe = `and the endpoint has ${given}: if it speaks TLS, use ${other}`;
  // Some servers of TLS tell in clear, and in HTTP/1.1, what they want; most hang up.
  if (said?.startsWith("HTTP/")) {
    const works = scheme === "http" ? "leave out the option http2" : `use HTTP/JSON with ${show("http")}`;
    return `the server answers in HTTP/1.1 and not in HTTP/2, ${maybe}; otherwise ${works}`;
  }
  if (said === "" && isHangUp(error)) return `the server closed the connection without an answer, ${maybe}`;
  return undefined;
}

/** Whether the other end ended TLS's handshake for want of a protocol that both speak (RFC 7301 section 3.2). */
function hasNoCommonProtocol({ code, message }: Error & { code?: unknown }): boolean {
  return code === "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL" || message.includes("SSL alert number 120");
}

/** Whether it is the head of a SETTINGS frame, with which every server of HTTP/2 begins (RFC 9113 sections 3.4 and 6.5). */
function isSettings(said: string): boolean {
  return said.startsWith("\0\0") && said.startsWith("\x04\0", 3);
}

// What Go, nginx and Apache answer with where they want TLS.
const refusals = /HTTP request to an HTTPS server|HTTP request was sent to HTTPS port|plain HTTP to an SSL-enabled/;

/** What parsers of HTTP/1.1 made no sense of: undici's and node:http's. */
export function unreadableStart(error: Error & { data?: unknown; rawPacket?: unknown }): string {
  const { data, rawPacket } = error;
  return typeof data === "string" ? data : Buffer.isBuffer(rawPacket) ? rawPacket.toString("latin1", 0, 5) : "";
}

const hangUpCodes: ReadonlySet<unknown> = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);

/** Whether the other end closed the connection: to undici, to a socket, to a session of HTTP/2. */
function isHangUp(error: unknown): boolean {
  const { code, cause } = error as Error & { code?: unknown };
  if (code === "CLEW_HTTP2_CONNECTION_LOST") return cause === undefined || isHangUp(cause);
  return hangUpCodes.has(code);
}

// OpenSSL looks for a version where a record of TLS has it, and finds another protocol. A write tells of it as EPROTO.
function isVersionWrong({ code, message }: Error & { code?: unknown }): boolean {
  return code === "ERR_SSL_WRONG_VERSION_NUMBER" || (code === "EPROTO" && message.includes("wrong version number"));
}
