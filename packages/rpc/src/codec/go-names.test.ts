import assert from "node:assert/strict";
import { test } from "node:test";
import { create, createFileRegistry } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { goNamesOf } from "./go-names.ts";

test("a name that the Go struct has already gets an underscore", () => {
  const names = ["reset", "string", "foo", "get_foo", "Foo", "choice"];
  const field = names.map((name, i) => ({ name, number: i + 1, type: 9, label: 1, ...(i === 5 && { oneofIndex: 0 }) }));
  const message = { name: "Names", field, oneofDecl: [{ name: "Choice" }] };
  const file = [{ name: "names.proto", syntax: "proto3", messageType: [message] }];
  const desc = createFileRegistry(create(FileDescriptorSetSchema, { file })).getMessage("Names")!;
  assert.deepEqual(
    [...goNamesOf(desc)].map(([member, name]) => [member.kind, member.name, name]),
    [
      ["field", "reset", "Reset_"],
      ["field", "string", "String_"],
      ["field", "foo", "Foo"],
      ["field", "get_foo", "GetFoo_"],
      // Its getter would be that of get_foo.
      ["field", "Foo", "Foo__"],
      ["field", "choice", "Choice"],
      ["oneof", "Choice", "Choice_"],
    ],
  );
});
