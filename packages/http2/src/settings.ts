import { ProtocolError } from "./errors.ts";
import { defaultWindowBytes, maxWindowBytes } from "./flow-control.ts";
import { defaultMaxFrameBytes, largestMaxFrameBytes, readUint32, writeUint32 } from "./frame.ts";
import { defaultTableBytes } from "./hpack/dynamic-table.ts";

/** The settings of HTTP/2 (RFC 9113 section 6.5.2). */
export const Setting = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;

const settingBytes = 6;

/** What the peer asked us to keep to; begins with the protocol's defaults. */
export class PeerSettings {
  headerTableBytes: number = defaultTableBytes;
  maxConcurrentStreams: number = Number.POSITIVE_INFINITY;
  initialWindowBytes: number = defaultWindowBytes;
  maxFrameBytes: number = defaultMaxFrameBytes;
  maxHeaderListBytes: number = Number.POSITIVE_INFINITY;

  /**
   * Takes the payload of a SETTINGS frame, in order. `mayPush` says whether the peer is one that may ask for pushes: a client.
   *
   * @throws ProtocolError SETTINGS_LENGTH or SETTING_*.
   */
  apply(bytes: Uint8Array, start: number, end: number, isFromClient: boolean): void {
    if ((end - start) % settingBytes !== 0) throw new ProtocolError("SETTINGS_LENGTH", `${end - start} bytes`);
    for (let at = start; at < end; at += settingBytes) {
      const value = readUint32(bytes, at + 2);
      switch ((bytes[at]! << 8) | bytes[at + 1]!) {
        case Setting.HEADER_TABLE_SIZE:
          this.headerTableBytes = value;
          break;
        case Setting.ENABLE_PUSH:
          if (value > 1 || (value === 1 && !isFromClient)) throw new ProtocolError("SETTING_ENABLE_PUSH", `${value}`);
          break;
        case Setting.MAX_CONCURRENT_STREAMS:
          this.maxConcurrentStreams = value;
          break;
        case Setting.INITIAL_WINDOW_SIZE:
          if (value > maxWindowBytes) throw new ProtocolError("SETTING_INITIAL_WINDOW", `${value}`);
          this.initialWindowBytes = value;
          break;
        case Setting.MAX_FRAME_SIZE:
          if (value < defaultMaxFrameBytes || value > largestMaxFrameBytes) {
            throw new ProtocolError("SETTING_MAX_FRAME", `${value}`);
          }
          this.maxFrameBytes = value;
          break;
        case Setting.MAX_HEADER_LIST_SIZE:
          this.maxHeaderListBytes = value;
          break;
        default: // What we do not know is not for us (RFC 9113 section 6.5.2).
      }
    }
  }
}

/** The payload of a SETTINGS frame: pairs of setting and value. */
export function encodeSettings(settings: readonly (readonly [setting: number, value: number])[]): Buffer {
  const payload = Buffer.allocUnsafe(settings.length * settingBytes);
  settings.forEach(([setting, value], index) => {
    const at = index * settingBytes;
    payload[at] = setting >>> 8;
    payload[at + 1] = setting;
    writeUint32(payload, at + 2, value);
  });
  return payload;
}
