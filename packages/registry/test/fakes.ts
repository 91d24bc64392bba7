// What tests of choices need: nodes, calls, and chance that can be foreseen.
import { create, type Message } from "@bufbuild/protobuf";
import { Context } from "@clew/context";
import { Call, createMethod, Metadata, type MetadataInit } from "@clew/rpc";
import { Echo, EchoMessageSchema } from "../../transport/test/gen/test/v1/test_pb.ts";
import { createInstance, type Instance } from "../src/instance.ts";
import { createNode, type Node } from "../src/node.ts";

/** A call that goes nowhere. */
export class TestCall extends Call {
  override readonly side = "client";
  override readonly transport: string = "grpc";
  readonly #tryOf: Call | undefined;

  constructor(metadata: MetadataInit = {}, tryOf?: Call) {
    super({
      method: createMethod(Echo.method.unary),
      metadata: new Metadata(metadata),
      peer: { address: "" },
      deadline: undefined,
      context: Context.root,
    });
    this.#tryOf = tryOf;
  }

  override get tryOf(): Call | undefined {
    return this.#tryOf;
  }

  override async receive(): Promise<Message> {
    return create(EchoMessageSchema);
  }

  override messages(): AsyncIterable<Message> {
    throw new Error("takes one message");
  }
}

/** Nodes by name, each with its metadata: `{ a: {}, b: { weight: "50" } }`. */
export function nodesOf(metadataOf: Record<string, Record<string, string>>, version = "v1"): Node[] {
  return Object.entries(metadataOf).map(([id, metadata]) => {
    const endpoints = [`grpc://${id}:9000`];
    return createNode(endpoints[0]!, createInstance({ id, name: "user", version, metadata, endpoints }));
  });
}

export function instanceOf(id: string, ...endpoints: string[]): Instance {
  return createInstance({ id, name: "user", version: "v1", endpoints });
}

/** Chance from a seed (mulberry32): the same numbers at each run. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Chance that gives these numbers in turn, and then fails. */
export function scripted(...numbers: number[]): () => number {
  return () => {
    if (numbers.length === 0) throw new Error("no number left");
    return numbers.shift()!;
  };
}

/** How often each node was picked. */
export function countBy(nodes: readonly Node[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { id } of nodes) counts[id] = (counts[id] ?? 0) + 1;
  return counts;
}
