import { create, type Message } from "@bufbuild/protobuf";
import { runHolder } from "@clew/context";
import type { Call, Handler, Middleware, Reply } from "@clew/rpc";
import { HelloSchema } from "../../rpc/test/gen/rpc_test_pb.ts";

export const hello: Reply = create(HelloSchema, { name: "ann" });

/** Answers with {@link hello}. */
export const answer: Handler = async () => hello;

export function fail(thrown: unknown): Handler {
  return async () => {
    throw thrown;
  };
}

/** Runs a call through a middleware as a transport does. */
export function invoke(middleware: Middleware, handler: Handler, call: Call): Promise<Reply> {
  return runHolder(call, middleware(handler), call);
}

/** A stream of one message that then ends, or fails. */
export async function* stream(thrown?: unknown): AsyncIterable<Message> {
  yield create(HelloSchema);
  if (thrown !== undefined) throw thrown;
}

export async function drain(reply: Reply): Promise<void> {
  for await (const _ of reply as AsyncIterable<Message>);
}
