import {
  type DescEnum,
  type DescEnumValue,
  type DescField,
  type DescFile,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
} from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { optionInvalid } from "../errors.ts";

// Numbers of fields in descriptor.proto, of which a location's path is made.
const fileMessage = 4;
const fileEnum = 5;
const fileService = 6;
const messageField = 2;
const messageNested = 3;
const messageEnum = 4;
const enumValue = 2;
const serviceMethod = 2;

type Commented = DescMessage | DescField | DescEnum | DescEnumValue | DescService | DescMethod;

/** The comments of .proto files. Generated code has none; they are in what `buf build` writes. */
export class Comments {
  /** Comments by path, for each file that was looked at. */
  readonly #byFile: Map<string, ReadonlyMap<string, string>> = new Map();
  readonly #source: ReadonlyMap<string, FileDescriptorProto>;

  /**
   * @param source a google.protobuf.FileDescriptorSet
   * @throws CLEW_TRANSPORT_OPTION when it is none
   */
  constructor(source: Uint8Array | undefined) {
    this.#source = source === undefined ? new Map() : readSource(source);
  }

  /** What a .proto says of this; undefined when it says nothing, or nobody knows it. */
  of(desc: Commented): string | undefined {
    const file = fileOf(desc);
    let comments = this.#byFile.get(file.proto.name);
    if (comments === undefined) {
      comments = readComments(this.#source.get(file.proto.name) ?? file.proto);
      this.#byFile.set(file.proto.name, comments);
    }
    return comments.get(pathOf(desc).join());
  }
}

function readSource(bytes: Uint8Array): Map<string, FileDescriptorProto> {
  try {
    return new Map(fromBinary(FileDescriptorSetSchema, bytes).file.map((file) => [file.name, file]));
  } catch {
    throw optionInvalid("source", "not readable", "the bytes that `buf build -o api.binpb` writes");
  }
}

function readComments({ sourceCodeInfo }: FileDescriptorProto): Map<string, string> {
  const comments = new Map<string, string>();
  for (const { path, leadingComments, trailingComments } of sourceCodeInfo?.location ?? []) {
    const text = clean(leadingComments) || clean(trailingComments);
    if (text !== "") comments.set(path.join(), text);
  }
  return comments;
}

/** Without the space after each `//`, and without what is for linters. */
function clean(comment: string): string {
  const lines = comment.split("\n").map((line) => line.replace(/^ /, "").trimEnd());
  return lines
    .filter((line) => !line.startsWith("buf:lint:"))
    .join("\n")
    .trim();
}

function fileOf(desc: Commented): DescFile {
  if (desc.kind === "field" || desc.kind === "enum_value" || desc.kind === "rpc") return desc.parent.file;
  return desc.file;
}

/** The place of a descriptor in its file. Map entries count, so the places are those in the file's own descriptor. */
function pathOf(desc: Commented): number[] {
  switch (desc.kind) {
    case "field":
      return [...pathOf(desc.parent), messageField, desc.parent.proto.field.indexOf(desc.proto)];
    case "enum_value":
      return [...pathOf(desc.parent), enumValue, desc.parent.proto.value.indexOf(desc.proto)];
    case "rpc":
      return [...pathOf(desc.parent), serviceMethod, desc.parent.proto.method.indexOf(desc.proto)];
    case "service":
      return [fileService, desc.file.proto.service.indexOf(desc.proto)];
    case "message":
      return desc.parent === undefined
        ? [fileMessage, desc.file.proto.messageType.indexOf(desc.proto)]
        : [...pathOf(desc.parent), messageNested, desc.parent.proto.nestedType.indexOf(desc.proto)];
    case "enum":
      return desc.parent === undefined
        ? [fileEnum, desc.file.proto.enumType.indexOf(desc.proto)]
        : [...pathOf(desc.parent), messageEnum, desc.parent.proto.enumType.indexOf(desc.proto)];
  }
}
