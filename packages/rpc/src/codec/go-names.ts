import type { DescField, DescMessage, DescOneof } from "@bufbuild/protobuf";

/** What protoc-gen-go calls the fields and oneofs of a message, as fields of a Go struct. */
export function goNamesOf({ fields }: DescMessage): ReadonlyMap<DescField | DescOneof, string> {
  // Methods that each of its structs has.
  const used = new Set(
    "Reset String ProtoMessage Marshal Unmarshal ExtensionRangeArray ExtensionMap Descriptor".split(" "),
  );
  const names = new Map<DescField | DescOneof, string>();
  const add = (member: DescField | DescOneof, hasGetter: boolean): void => {
    let name = toGoName(member.name);
    while (used.has(name) || (hasGetter && used.has(`Get${name}`))) name += "_";
    used.add(name);
    if (hasGetter) used.add(`Get${name}`);
    names.set(member, name);
  };
  for (const field of fields) {
    add(field, true);
    if (field.oneof?.fields[0] === field) add(field.oneof, false);
  }
  return names;
}

/** `optional_int32` -> `OptionalInt32`; an underscore that no small letter follows stays, one at the beginning becomes an X. */
function toGoName(name: string): string {
  return name
    .replace(/^_/, "X\0")
    .replace(/_(?=[a-z])/g, "\0")
    .replace(/(^|[^A-Za-z])([a-z])/g, (_, before: string, letter: string) => before + letter.toUpperCase())
    .replaceAll("\0", "");
}
