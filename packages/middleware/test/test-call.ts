import { create, type DescMethod, type Message } from "@bufbuild/protobuf";
import { Context } from "@clew/context";
import { Call, createMethod, type HttpInfo, Metadata } from "@clew/rpc";
import { Greeter, HelloSchema } from "../../rpc/test/gen/rpc_test_pb.ts";

/** A call without a transport: what a middleware sees. */
export class TestCall extends Call {
  override readonly side: "server" | "client";
  override readonly transport: string = "memory";
  /** What {@link http} gives. */
  httpInfo: HttpInfo | undefined;
  /** What {@link receive} gives. */
  message: Message | undefined;

  constructor(
    side: "server" | "client",
    headers: Record<string, string | string[]> = {},
    context = Context.root,
    method: DescMethod = Greeter.method.sayHello,
  ) {
    super({
      method: createMethod(method),
      metadata: new Metadata(headers),
      peer: { address: "10.0.0.5:9000" },
      deadline: undefined,
      context,
    });
    this.side = side;
  }

  override get http(): HttpInfo | undefined {
    return this.httpInfo;
  }

  override async receive(): Promise<Message> {
    return this.message ?? create(HelloSchema);
  }

  override messages(): AsyncIterable<Message> {
    throw new Error("takes one message");
  }
}
