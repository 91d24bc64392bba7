import type { DescMessage, Message } from "@bufbuild/protobuf";
import { protoCodec } from "@clew/rpc";

/**
 * Returns the size of a message as protobuf in bytes, whatever the transport. The message is encoded to find out. Undefined for a
 * message that cannot be encoded.
 */
export function sizeOf(desc: DescMessage, message: Message): number | undefined {
  try {
    return protoCodec.compile(desc).encode(message).length;
  } catch {
    // The code that sends the message reports the error.
    return undefined;
  }
}
