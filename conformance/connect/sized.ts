import type { Readable, Writable } from "node:stream";

/** Reads messages, each after its length in four bytes: `count` of them, or all until the end. */
export async function readSized(input: Readable, count = Number.POSITIVE_INFINITY): Promise<Uint8Array[]> {
  const messages: Uint8Array[] = [];
  let buffer = Buffer.alloc(0);
  for await (const chunk of input) {
    buffer = Buffer.concat([buffer, chunk as Buffer]);
    while (buffer.length >= 4 && buffer.length >= 4 + buffer.readUInt32BE(0)) {
      const end = 4 + buffer.readUInt32BE(0);
      messages.push(buffer.subarray(4, end));
      buffer = buffer.subarray(end);
      if (messages.length === count) return messages;
    }
  }
  return messages;
}

/** Writes a message after its length. */
export function writeSized(output: Writable, message: Uint8Array): void {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(message.length);
  output.write(Buffer.concat([size, message]));
}
