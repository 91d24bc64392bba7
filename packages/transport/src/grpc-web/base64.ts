import { ServiceError } from "@clew/rpc";

/**
 * Decodes base64 that arrives in pieces, split anywhere. A padding may be in the middle as well: senders encode each frame for
 * itself, and one after the other is what arrives (PROTOCOL-WEB.md, "application/grpc-web-text").
 */
export class Base64Reader {
  /** Up to three characters that make no byte yet. */
  #left = "";

  /** @throws ServiceError 400 CODEC */
  push(chunk: Buffer): Buffer {
    const text = this.#left + chunk.toString("latin1");
    const whole = text.length & ~3;
    this.#left = text.slice(whole);
    if (!/^[A-Za-z0-9+/=]*$/.test(text)) throw new ServiceError(400, "CODEC", "the body is not base64");
    if (!text.slice(0, whole).includes("=")) return Buffer.from(text.slice(0, whole), "base64");
    const quads = text.slice(0, whole).match(/(?:[^=]{4})+|[^=]{2,3}={1,2}/g) ?? [];
    return Buffer.concat(quads.map((quad) => Buffer.from(quad, "base64")));
  }
}

/** Bytes as base64 that may follow other base64. */
export function encodeBase64(bytes: Uint8Array): Buffer {
  return Buffer.from(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64"), "latin1");
}
