import {
  create,
  type DescField,
  type DescMessage,
  type DescOneof,
  type Message,
  type MessageInitShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { compileCreate } from "./proto-create.ts";
import { canGenerate, quote, Source } from "./source.ts";

/** Makes messages of one type: the same as `create` of protobuf-es, which walks a table of the fields for each. */
export interface MessageMaker {
  /** `create(desc)` */
  empty(): Message;
  /** `create(desc, init)`, and `init` itself when it is a message of the type already. */
  from(init: object): Message;
}

const makers = new WeakMap<DescMessage, MessageMaker>();

export function messageMaker(desc: DescMessage): MessageMaker {
  let maker = makers.get(desc);
  if (maker === undefined) {
    maker = canGenerate ? generatedMaker(desc) : { empty: () => create(desc), from: (init) => make(desc, init) };
    makers.set(desc, maker);
  }
  return maker;
}

// What a user gave is of no type here.
function make(desc: DescMessage, init: object): Message {
  return create(desc, init as MessageInitShape<DescMessage>);
}

// As protobuf-es's `isMessage`, with one look at a property that most objects have not.
function isOfType(desc: DescMessage, init: object): init is Message {
  return (init as Partial<Message>).$typeName === desc.typeName;
}

// The functions are made at the first message: a service of fifty methods need not wait for them before it listens.
function generatedMaker(desc: DescMessage): MessageMaker {
  let empty: (() => object) | undefined;
  let from: ((init: object) => object) | undefined;
  return {
    empty: () => {
      empty ??= compileCreate(desc);
      return empty() as Message;
    },
    from: (init) => {
      if (isOfType(desc, init)) return init;
      from ??= compileFrom(desc);
      return from(init) as Message;
    },
  };
}

/**
 * Of `message M { string name = 1; repeated int32 items = 2; }` it generates
 * `(init) => ({ $typeName: "M", name: init.name ?? "", items: init.items ?? [] })`. What has more in it than that is made by protobuf-es.
 */
function compileFrom(desc: DescMessage): (init: object) => object {
  const sample = create(desc) as Message & Record<string, unknown>;
  if (
    Object.getPrototypeOf(sample) !== Object.prototype ||
    !desc.members.every((member) => isTakenAsItIs(member, sample))
  ) {
    return (init) => make(desc, init);
  }
  const source = new Source();
  const properties = desc.members.map(({ localName: name }) => {
    const value = sample[name];
    const otherwise = Array.isArray(value) ? "[]" : typeof value === "object" ? "{}" : source.constant(value);
    return `${quote(name)}: init[${quote(name)}] ?? ${otherwise},`;
  });
  source.add("(init) => ({", `$typeName: ${quote(desc.typeName)},`, ...properties, "})");
  return source.build();
}

/** Whether a value that is given for a member goes into the message unchanged, and the member is there without one. */
function isTakenAsItIs(member: DescField | DescOneof, sample: Record<string, unknown>): boolean {
  if (member.kind === "oneof" || !Object.hasOwn(sample, member.localName)) return false;
  if (member.fieldKind === "list" && member.listKind === "message") return false;
  if (member.fieldKind === "map" && member.mapKind === "message") return false;
  return member.fieldKind !== "message" && member.scalar !== ScalarType.BYTES;
}
