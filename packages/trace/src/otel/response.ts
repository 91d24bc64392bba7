import { LENGTH, ProtoReader, VARINT } from "../proto-reader.ts";
import {
  closeMessage,
  openMessage,
  smallRoom,
  takeBytes,
  writeInt64,
  writeString,
  writeVarint,
} from "../proto-writer.ts";

/** What a receiver says about a request it took, but not the whole of it; with no rejected span it is a warning. */
export interface PartialSuccess {
  readonly rejectedSpans: number;
  readonly message: string;
}

/**
 * Reads an ExportTraceServiceResponse. Undefined when everything was taken, and for bytes that are no such message: the status
 * has said already that the request was taken.
 */
export function decodePartialSuccess(response: Uint8Array): PartialSuccess | undefined {
  let rejectedSpans = 0;
  let message = "";
  try {
    const reader = new ProtoReader(response);
    while (reader.next()) {
      if (reader.tag !== ((1 << 3) | LENGTH)) {
        reader.skip();
        continue;
      }
      const outer = reader.enter();
      while (reader.next()) {
        if (reader.tag === ((1 << 3) | VARINT)) rejectedSpans = reader.varint();
        else if (reader.tag === ((2 << 3) | LENGTH)) message = reader.string();
        else reader.skip();
      }
      reader.leave(outer);
    }
  } catch {
    return undefined;
  }
  return rejectedSpans === 0 && message === "" ? undefined : { rejectedSpans, message };
}

/** An ExportTraceServiceResponse; without a partial success it has no bytes at all. */
export function encodePartialSuccess(partial: PartialSuccess | undefined): Buffer<ArrayBuffer> {
  if (partial === undefined) return Buffer.alloc(0);
  const start = openMessage(0, (1 << 3) | LENGTH, smallRoom);
  let at = start;
  if (partial.rejectedSpans !== 0) at = writeInt64(writeVarint(at, (1 << 3) | VARINT), partial.rejectedSpans);
  if (partial.message !== "") at = writeString(at, (2 << 3) | LENGTH, partial.message);
  return takeBytes(closeMessage(start, at, smallRoom));
}

/** The message of a google.rpc.Status, with which a receiver says why it refused a request; empty when there is none. */
export function decodeStatusMessage(response: Uint8Array): string {
  try {
    const reader = new ProtoReader(response);
    while (reader.next()) {
      if (reader.tag === ((2 << 3) | LENGTH)) return reader.string();
      reader.skip();
    }
  } catch {
    // No such message: a proxy between may have answered.
  }
  return "";
}
