/** A request that is all in its URL (https://connectrpc.com/docs/protocol/#unary-get-request). */
export interface QueryRequest {
  readonly version: string | undefined;
  readonly encoding: string | undefined;
  readonly compression: string | undefined;
  /** Undefined when there is none, or when it is not what it says it is. */
  readonly message: Buffer | undefined;
}

/** Reads the query of a GET. */
export function readQuery(query: string): QueryRequest {
  const values = new Map<string, string>();
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    const name = equals === -1 ? pair : pair.slice(0, equals);
    if (!values.has(name)) values.set(name, equals === -1 ? "" : pair.slice(equals + 1));
  }
  const text = values.get("message");
  const bytes = text === undefined ? undefined : percentDecode(text);
  return {
    version: values.get("connect"),
    encoding: values.get("encoding"),
    compression: values.get("compression"),
    message: bytes !== undefined && values.get("base64") === "1" ? fromBase64(bytes.toString("latin1")) : bytes,
  };
}

// The bytes may be no text: decodeURIComponent would refuse them.
function percentDecode(text: string): Buffer | undefined {
  if (/%(?![\dA-Fa-f]{2})/.test(text)) return undefined;
  const plain = text.replaceAll("+", " ");
  return Buffer.from(
    plain.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    "latin1",
  );
}

// Both alphabets are taken, with padding and without. A plus sign that was not escaped came as a space.
function fromBase64(text: string): Buffer | undefined {
  const plain = text.replaceAll(" ", "+");
  return /^[A-Za-z0-9+/_-]*={0,2}$/.test(plain) ? Buffer.from(plain, "base64") : undefined;
}

/** The query of a request: what goes behind the question mark. */
export function writeQuery(encoding: string, message: Uint8Array, compression: string | undefined): string {
  const buffer = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const compressed = compression === undefined ? "" : `&compression=${compression}`;
  // In this order, so that a cache sees the same URL from everybody.
  if (encoding === "json" && compression === undefined) {
    return `connect=v1&encoding=json&message=${encodeURIComponent(buffer.toString())}`;
  }
  return `base64=1${compressed}&connect=v1&encoding=${encoding}&message=${buffer.toString("base64url")}`;
}
