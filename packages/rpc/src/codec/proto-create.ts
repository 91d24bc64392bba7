import { create, type DescMessage } from "@bufbuild/protobuf";
import { quote, Source } from "./source.ts";

/**
 * Generates a function that makes what `create(desc)` of protobuf-es makes, at the price of an object literal: of
 * `message M { string name = 1; repeated M items = 2; }` it returns `{ $typeName: "M", name: "", items: [] }`. Where
 * protobuf-es keeps defaults on a prototype, the same prototype is used.
 */
export function compileCreate(desc: DescMessage): () => object {
  const sample = create(desc);
  const prototype = Object.getPrototypeOf(sample) as object;
  const source = new Source();
  const properties = Object.entries(sample as Record<string, unknown>).map(([name, value]): [string, string] => {
    // Lists, maps and oneofs are each message's own; what else there is cannot be changed.
    if (Array.isArray(value)) return [name, "[]"];
    if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
      return [name, "case" in value ? "{ case: undefined }" : "{}"];
    }
    return [name, source.constant(value)];
  });
  if (prototype === Object.prototype) {
    source.add("() => ({", ...properties.map(([name, value]) => `${quote(name)}: ${value},`), "})");
    return source.build();
  }
  source.add(
    "(() => {",
    "function Message() {",
    ...properties.map(([name, value]) => `this[${quote(name)}] = ${value};`),
    "}",
    `Message.prototype = ${source.constant(prototype)};`,
    "return () => new Message();",
    "})()",
  );
  return source.build();
}
