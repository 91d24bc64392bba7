import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServiceDefinition } from "@grpc/grpc-js";
import { type HelloReply, HelloReplySchema, type HelloRequest, HelloRequestSchema } from "../gen/bench/v1/bench_pb.ts";

const definition: ServiceDefinition = {
  sayHello: {
    path: "/bench.v1.Greeter/SayHello",
    requestStream: false,
    responseStream: false,
    requestSerialize: (value: HelloRequest) => Buffer.from(toBinary(HelloRequestSchema, value)),
    requestDeserialize: (bytes: Buffer) => fromBinary(HelloRequestSchema, bytes),
    responseSerialize: (value: HelloReply) => Buffer.from(toBinary(HelloReplySchema, value)),
    responseDeserialize: (bytes: Buffer) => fromBinary(HelloReplySchema, bytes),
  },
};
const server = new Server();
server.addService(definition, {
  sayHello: (call: { request: HelloRequest }, callback: (error: null, reply: HelloReply) => void) =>
    callback(null, create(HelloReplySchema, { message: `Hello ${call.request.name}` })),
});
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(`listening ${port}`);
});
