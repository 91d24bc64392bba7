import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials } from "@grpc/grpc-js";
import { type HelloReply, HelloReplySchema, type HelloRequest, HelloRequestSchema } from "../gen/bench/v1/bench_pb.ts";
import { runCallLoop } from "./call-loop.ts";

const client = new Client(`127.0.0.1:${process.argv[2]}`, credentials.createInsecure());
const encode = (request: HelloRequest): Buffer => Buffer.from(toBinary(HelloRequestSchema, request));
const decode = (bytes: Buffer): HelloReply => fromBinary(HelloReplySchema, bytes);

await runCallLoop(
  () =>
    new Promise((resolve, reject) => {
      const request = create(HelloRequestSchema, { name: "kratos" });
      // The same deadline as ours has by default.
      const options = { deadline: Date.now() + 2000 };
      client.makeUnaryRequest("/bench.v1.Greeter/SayHello", encode, decode, request, options, (error, reply) =>
        error ? reject(error) : resolve(reply),
      );
    }),
);
client.close();
