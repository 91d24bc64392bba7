import { create, type DescMethod, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServerWritableStream, type ServiceDefinition } from "@grpc/grpc-js";
import {
  Greeter,
  type HelloReply,
  HelloReplySchema,
  type HelloRequest,
  type Payload,
  PayloadSchema,
  type RepeatRequest,
} from "../gen/bench/v1/bench_pb.ts";

function define({ input, output, parent, name, methodKind }: DescMethod): ServiceDefinition[string] {
  return {
    path: `/${parent.typeName}/${name}`,
    requestStream: false,
    responseStream: methodKind === "server_streaming",
    requestSerialize: (value) => Buffer.from(toBinary(input, value)),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (value) => Buffer.from(toBinary(output, value)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

type Callback<T> = (error: null, reply: T) => void;

const server = new Server({ "grpc.max_receive_message_length": -1 });
server.addService(Object.fromEntries(Greeter.methods.map((method) => [method.localName, define(method)])), {
  sayHello: ({ request }: { request: HelloRequest }, callback: Callback<HelloReply>) =>
    callback(null, create(HelloReplySchema, { message: `Hello ${request.name}` })),
  echo: ({ request }: { request: Payload }, callback: Callback<Payload>) =>
    callback(null, create(PayloadSchema, { data: request.data })),
  repeat(call: ServerWritableStream<RepeatRequest, Payload>) {
    const { data, count } = call.request;
    let sent = 0;
    const send = (): void => {
      while (sent < count) {
        sent++;
        if (!call.write(create(PayloadSchema, { data }))) {
          call.once("drain", send);
          return;
        }
      }
      call.end();
    };
    send();
  },
});
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(`listening ${port}`);
});
