import type { HeaderFields } from "@clew/http2";
import { Metadata, ServiceError } from "@clew/rpc";

/**
 * Whether a field is the protocol's own: it does not show in metadata, and metadata cannot set it. Asked of every field of every
 * call, so by the first letter, which tells most others apart.
 */
function isOwnName(name: string): boolean {
  switch (name.charCodeAt(0)) {
    case 0x3a: // A pseudo-header.
      return true;
    case 0x74:
      return name === "te";
    case 0x63:
      return name === "content-type";
    case 0x67:
      return name.startsWith("grpc-") && ownGrpcNames.has(name);
    default:
      return false;
  }
}

const ownGrpcNames: ReadonlySet<string> = new Set([
  "grpc-timeout",
  "grpc-encoding",
  "grpc-accept-encoding",
  "grpc-message-type",
  "grpc-status",
  "grpc-message",
  "grpc-status-details-bin",
]);

// What speaks of one hop (RFC 9113 section 8.2.2), of a body or of a program: metadata taken over from another call must not
// carry it on.
const hopNames: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "host",
  "content-length",
  "user-agent",
]);

/**
 * The fields that are the caller's and not the protocol's; undefined when there are none. Binary values that came in one
 * field, separated by commas, become values of their own.
 */
export function readMetadata(headers: HeaderFields): Metadata | undefined {
  let metadata: Metadata | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    if (isOwnName(name)) continue;
    metadata ??= new Metadata();
    const value = headers[i + 1]!;
    if (name.endsWith("-bin")) appendBinary(metadata, name, value);
    else if (metadata.record[name] === undefined) metadata.record[name] = value;
    else metadata.append(name, value);
  }
  return metadata;
}

// A field of commas is thousands of values: to append them one by one would copy the list with each.
function appendBinary(metadata: Metadata, name: string, value: string): void {
  const values = value.split(",").map((one) => withoutPadding(one.trim()));
  metadata.set(name, [...metadata.getAll(name), ...values]);
}

/**
 * Appends metadata to header fields, leaving out names that belong to the protocol.
 *
 * @throws ServiceError 500 METADATA for a name or a value that HTTP/2 cannot carry.
 */
export function appendMetadata(headers: string[], metadata: Metadata): void {
  const record = metadata.record;
  for (const name in record) {
    const value = record[name];
    if (value === undefined || isOwnName(name) || hopNames.has(name)) continue;
    if (typeof value === "string") appendField(headers, name, value);
    else for (const one of value) appendField(headers, name, one);
  }
}

const validName = /^[0-9a-z_.-]+$/;
const validText = /^[\x20-\x7e]*$/;

/** Whether text is base64 without padding. */
export function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/]*$/.test(text);
}

function appendField(headers: string[], name: string, value: string): void {
  if (!validName.test(name)) throw invalid(`metadata "${name}" has a name outside 0-9 a-z _ - .`);
  if (!name.endsWith("-bin")) {
    if (!validText.test(value))
      throw invalid(
        `metadata "${name}" has a value outside printable ASCII; base64 under a name that ends in -bin would work`,
      );
    // White space at the ends is no part of a value (RFC 9113 section 8.2.1), and gRPC lets it be stripped.
    headers.push(name, value.startsWith(" ") || value.endsWith(" ") ? value.trim() : value);
    return;
  }
  const base64 = withoutPadding(value);
  if (!isBase64(base64)) throw invalid(`metadata "${name}" is binary by its name, and its value is not base64`);
  headers.push(name, base64);
}

/** Bytes in base64 as gRPC and Connect send it, without padding. */
export function encodeBase64(bytes: Uint8Array): string {
  return withoutPadding(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64"));
}

function withoutPadding(base64: string): string {
  // Not by /=+$/, which begins anew at each "=" of a value that is full of them.
  let end = base64.length;
  while (end > 0 && base64.charCodeAt(end - 1) === 0x3d) end--;
  return end === base64.length ? base64 : base64.slice(0, end);
}

function invalid(message: string): ServiceError {
  return new ServiceError(500, "METADATA", message);
}
