import { create, toBinary } from "@bufbuild/protobuf";
import { HelloRequestSchema } from "./gen/bench/v1/bench_pb.ts";

/** What is measured: one request, and the servers that answer it. The first peer is the one the others are compared with. */
export interface Case {
  readonly name: string;
  readonly path: string;
  /** Arguments of h2load beside the count and the address. */
  readonly load: readonly string[];
  /** Sent with every request; undefined for none. */
  readonly body: Uint8Array | undefined;
  readonly peers: readonly { readonly name: string; readonly file: string }[];
  /** Requests of one round. */
  readonly requests: number;
}

/** A gRPC message on the wire: a flag, the length, the bytes. */
function frame(message: Uint8Array): Uint8Array {
  const framed = Buffer.alloc(5 + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
}

export const cases: readonly Case[] = [
  {
    name: "HTTP/JSON hello",
    path: "/helloworld/kratos",
    load: ["--h1", "-c", "8", "-m", "1"],
    body: undefined,
    requests: 20_000,
    peers: [
      { name: "node:http, bare", file: "http-node.ts" },
      { name: "Fastify", file: "http-fastify.ts" },
      { name: "Clew", file: "http-clew.ts" },
      { name: "Clew, every request traced", file: "http-clew-traced.ts" },
    ],
  },
  {
    name: "gRPC hello, unary",
    path: "/bench.v1.Greeter/SayHello",
    load: ["-c", "8", "-m", "16", "-H", "content-type: application/grpc", "-H", "te: trailers"],
    body: frame(toBinary(HelloRequestSchema, create(HelloRequestSchema, { name: "kratos" }))),
    requests: 20_000,
    peers: [
      { name: "grpc-js", file: "grpc-js.ts" },
      { name: "Clew", file: "grpc-clew.ts" },
    ],
  },
];
