// Forms as bytes, a service that takes them, and a route that tells of their parts.

import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import type { Message } from "@bufbuild/protobuf";
import { service } from "@clew/rpc";
import { type RawHandler, type ReadMultipartOptions, type Route, readMultipart } from "@clew/transport/http";
import { Uploads } from "./gen/test/v1/uploads_pb.ts";
import type { Question } from "./http-versions.ts";

/** Stores what comes into `stored`. */
export function uploads(stored: Message[] = []): ReturnType<typeof service> {
  const store = <T extends Message>(message: T): T => {
    stored.push(message);
    return message;
  };
  return service(Uploads, { store, storePart: store });
}

export interface RawPart {
  readonly disposition: string;
  readonly contentType?: string;
  readonly content: string | Buffer;
}

/** A question that posts these parts. */
export function form(parts: readonly RawPart[], end = "--xx--\r\n"): Question & { body: Buffer } {
  const pieces = parts.flatMap(({ disposition, contentType, content }) => [
    Buffer.from(
      `--xx\r\nContent-Disposition: form-data; ${disposition}\r\n${contentType === undefined ? "" : `Content-Type: ${contentType}\r\n`}\r\n`,
    ),
    Buffer.from(content),
    Buffer.from("\r\n"),
  ]);
  return {
    verb: "POST",
    headers: { "content-type": "multipart/form-data; boundary=xx" },
    body: Buffer.concat([...pieces, Buffer.from(end)]),
  };
}

export function field(name: string, content: string): RawPart {
  return { disposition: `name="${name}"`, content };
}

export function file(name: string, content: string | Buffer, contentType?: string): RawPart {
  return { disposition: `name="${name}"; filename="${name}.bin"`, content, ...(contentType && { contentType }) };
}

export function problemOf(text: string): [code: number, reason: string, message: string] {
  const { code, reason, message } = JSON.parse(text) as { code: number; reason: string; message: string };
  return [code, reason, message];
}

export interface Told {
  readonly name: string;
  readonly filename?: string;
  readonly contentType: string;
  readonly length: number;
  readonly hash: string;
}

/** A route that tells of each part. */
export function parts(options?: ReadMultipartOptions): Route {
  return route(async (request, response) => {
    const told: Told[] = [];
    for await (const { stream, ...head } of readMultipart(request, options)) {
      const bytes = await buffer(stream);
      told.push({ ...head, filename: head.filename!, length: bytes.length, hash: hashOf(bytes) });
    }
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(told));
  });
}

export function route(handle: RawHandler): Route {
  return { verb: "POST", path: "/parts", handle };
}

export function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
