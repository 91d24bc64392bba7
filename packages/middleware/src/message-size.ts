import type { DescMessage, Message } from "@bufbuild/protobuf";
import { protoCodec } from "@clew/rpc";

/** How many bytes a message is as protobuf, whatever carries it; it is encoded for that. Undefined for one that cannot be written. */
export function sizeOf(desc: DescMessage, message: Message): number | undefined {
  try {
    return protoCodec.compile(desc).encode(message).length;
  } catch {
    // Whoever sends it learns that.
    return undefined;
  }
}
