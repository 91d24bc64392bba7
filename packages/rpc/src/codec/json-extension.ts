import {
  create,
  type DescExtension,
  type DescField,
  type DescMessage,
  getExtension,
  type Message,
  type Registry,
  setExtension,
} from "@bufbuild/protobuf";
import type { JsonWriterSlot, WriteJson } from "./json-writer.ts";

const containers = new WeakMap<DescExtension, DescMessage>();

/** A message type whose only field is the extension: what compiles messages compiles extensions. */
function containerOf(extension: DescExtension): DescMessage {
  let container = containers.get(extension);
  if (container === undefined) {
    const field = {
      ...extension,
      kind: "field",
      parent: extension.extendee,
      localName: extension.typeName,
    } as unknown as DescField;
    container = { ...extension.extendee, fields: [field], members: [field], oneofs: [] };
    containers.set(extension, container);
  }
  return container;
}

/** Writes the extensions that a message has among its unknown fields, each with a comma before it. */
export function compileExtensionWriter(
  desc: DescMessage,
  types: Registry,
  writers: { slotOf(desc: DescMessage): JsonWriterSlot },
): WriteJson {
  return (message, bytes, at) => {
    const numbers = new Set((message as Message).$unknown!.map(({ no }) => no));
    for (const number of numbers) {
      const extension = types.getExtensionFor(desc, number);
      if (extension === undefined) continue;
      const container = containerOf(extension);
      const value = getExtension(message as Message, extension);
      const end = writers.slotOf(container).write(create(container, { [extension.typeName]: value }), bytes, at);
      // Of `{"[name]":value}` the braces go; `{}` is an empty list.
      if (end - at === 2) continue;
      bytes[at] = 0x2c;
      at = end - 1;
    }
    return at;
  };
}

/** Reads `value` into the extension that a name in brackets means. False when there is none of that name. */
export function readExtension(
  message: Message,
  name: string,
  value: unknown,
  types: Registry | undefined,
  read: (container: DescMessage, json: object) => object,
): boolean {
  if (types === undefined || !name.startsWith("[") || !name.endsWith("]")) return false;
  const extension = types.getExtension(name.slice(1, -1));
  if (extension?.extendee.typeName !== message.$typeName) return false;
  const container = read(containerOf(extension), { [name]: value }) as Record<string, unknown>;
  const own = Object.hasOwn(container, extension.typeName) ? container[extension.typeName] : undefined;
  if (own !== undefined) setExtension(message, extension, own as never);
  return true;
}
