import type { DescField } from "@bufbuild/protobuf";
import { isReflectMessage, type ReflectMessage } from "@bufbuild/protobuf/reflect";

/** Stands in place of a field that must not be shown. */
const redacted = '"***"';

/**
 * Formats a message for people, similar to its JSON form. Fields with the option `debug_redact` become `"***"`; bytes and the
 * content of an Any become their length. At most `maxChars` characters are written, and no more of the message is read than they
 * need. A text that was cut ends with "...".
 */
export function formatMessage(message: ReflectMessage, maxChars: number): string {
  const text = new Text(maxChars);
  writeMessage(text, message);
  return text.toString();
}

/** Collects text up to a length, and a little beyond. */
class Text {
  #text = "";
  readonly #maxChars: number;

  constructor(maxChars: number) {
    this.#maxChars = maxChars;
  }

  get isFull(): boolean {
    return this.#text.length > this.#maxChars;
  }

  write(part: string): void {
    this.#text += part;
  }

  /** Of a text of megabytes, only the part that fits is written. */
  writeQuoted(value: string): void {
    this.#text += JSON.stringify(value.slice(0, this.#maxChars + 1));
  }

  toString(): string {
    return this.isFull ? `${this.#text.slice(0, this.#maxChars)}...` : this.#text;
  }
}

function writeMessage(text: Text, message: ReflectMessage): void {
  text.write("{");
  let separator = "";
  for (const field of message.fields) {
    if (text.isFull) return;
    if (!message.isSet(field)) continue;
    text.write(`${separator}${JSON.stringify(field.jsonName)}:`);
    if (field.proto.options?.debugRedact) text.write(redacted);
    else writeField(text, message, field);
    separator = ",";
  }
  text.write("}");
}

function writeField(text: Text, message: ReflectMessage, field: DescField): void {
  if (field.fieldKind === "list") {
    text.write("[");
    let separator = "";
    for (const item of message.get(field)) {
      if (text.isFull) return;
      text.write(separator);
      writeValue(text, item, field);
      separator = ",";
    }
    text.write("]");
  } else if (field.fieldKind === "map") {
    text.write("{");
    let separator = "";
    for (const [key, value] of message.get(field)) {
      if (text.isFull) return;
      text.write(separator);
      text.writeQuoted(String(key));
      text.write(":");
      writeValue(text, value, field);
      separator = ",";
    }
    text.write("}");
  } else writeValue(text, message.get(field), field);
}

function writeValue(text: Text, value: unknown, { enum: enumeration }: DescField): void {
  if (typeof value === "string") text.writeQuoted(value);
  else if (isReflectMessage(value)) writeMessage(text, value);
  else if (value instanceof Uint8Array) text.write(`"<${value.length} bytes>"`);
  else if (typeof value === "bigint") text.write(`"${value}"`);
  else if (typeof value === "number" && enumeration !== undefined) {
    const name = enumeration.value[value]?.name;
    text.write(name === undefined ? String(value) : `"${name}"`);
  } else text.write(String(value));
}
