import { create, type Message } from "@bufbuild/protobuf";
import { Context } from "@clew/context";
import { Call, createMethod, Metadata } from "@clew/rpc";
import { Greeter, HelloSchema } from "../../rpc/test/gen/rpc_test_pb.ts";

/** A call without a transport: what a middleware sees. */
export class TestCall extends Call {
  override readonly side: "server" | "client";
  override readonly transport = "memory";

  constructor(side: "server" | "client", headers: Record<string, string | string[]> = {}, context = Context.root) {
    super({
      method: createMethod(Greeter.method.sayHello),
      metadata: new Metadata(headers),
      peer: { address: "10.0.0.5:9000" },
      deadline: undefined,
      context,
    });
    this.side = side;
  }

  override async receive(): Promise<Message> {
    return create(HelloSchema);
  }

  override messages(): AsyncIterable<Message> {
    throw new Error("takes one message");
  }
}
