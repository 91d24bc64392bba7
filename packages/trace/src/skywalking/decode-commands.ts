import { LENGTH, ProtoReader } from "../proto-reader.ts";
import { readPair } from "./decode.ts";
import type { Command } from "./report-data.ts";

/** Reads Commands, the reply to every report. @throws MalformedError when it is none. */
export function decodeCommands(bytes: Uint8Array): Command[] {
  const reader = new ProtoReader(bytes);
  const commands: Command[] = [];
  while (reader.next()) {
    if (reader.tag !== 8 + LENGTH) {
      reader.skip();
      continue;
    }
    const outer = reader.enter();
    commands.push(readCommand(reader));
    reader.leave(outer);
  }
  return commands;
}

function readCommand(reader: ProtoReader): Command {
  const args = new Map<string, string>();
  let name = "";
  while (reader.next()) {
    if (reader.tag === 8 + LENGTH) name = reader.string();
    else if (reader.tag === 16 + LENGTH) {
      const outer = reader.enter();
      args.set(...readPair(reader));
      reader.leave(outer);
    } else reader.skip();
  }
  return { name, args };
}
