import { create, toBinary } from "@bufbuild/protobuf";
import { HelloRequestSchema, PayloadSchema, RepeatRequestSchema } from "./gen/bench/v1/bench_pb.ts";
import { buildGoPeer } from "./go-peer.ts";

/** A server under measurement: a program of Node in `servers/`, or a built one. */
export interface Peer {
  readonly name: string;
  readonly command: () => readonly string[];
}

/** One request, and the servers that answer it. The first peer is the one the others are compared with. */
export interface Case {
  readonly name: string;
  readonly path: string;
  /** Arguments of h2load beside the count and the address. */
  readonly load: readonly string[];
  /** Sent with every request; undefined for none. */
  readonly body: Uint8Array | undefined;
  readonly peers: readonly Peer[];
  /** Requests of one round. */
  readonly requests: number;
  /** Messages that one request brings, where the cost of a message is the question. */
  readonly messages?: number;
}

export const node = (name: string, file: string, ...args: string[]): Peer => ({
  name,
  command: () => [process.execPath, new URL(`servers/${file}`, import.meta.url).pathname, ...args],
});
const http = [
  node("node:http, bare", "http-node.ts"),
  node("Fastify", "http-fastify.ts"),
  node("Clew", "http-clew.ts"),
  node("Clew, every request traced", "http-clew-traced.ts"),
];

/** Servers without tracing, and the same with it: what the second costs more is the price of a traced request. */
export const tracingPeers: readonly { readonly name: string; readonly plain: Peer; readonly traced: Peer }[] = [
  {
    name: "OpenTelemetry SDK on node:http, every request sampled",
    plain: node("node:http", "http-node.ts"),
    traced: node("node:http and OpenTelemetry", "http-node-otel.ts"),
  },
  {
    name: "Clew, every request sampled",
    plain: node("Clew", "http-clew.ts"),
    traced: node("Clew, traced", "http-clew-traced.ts"),
  },
  {
    name: "OpenTelemetry SDK on node:http, none sampled",
    plain: node("node:http", "http-node.ts"),
    traced: node("node:http and OpenTelemetry, off", "http-node-otel.ts", "off"),
  },
  {
    name: "Clew, none sampled",
    plain: node("Clew", "http-clew.ts"),
    traced: node("Clew, not sampled", "http-clew-traced.ts", "off"),
  },
];

/** A server of Clew, and what traces it: what it allocates more than without is the price of a traced request. */
export const allocationPeers = {
  plain: node("nobody", "http-clew.ts"),
  theirs: node("OpenTelemetry SDK and its HTTP instrumentation", "http-clew-otel.ts"),
  ours: node("Clew", "http-clew-traced.ts"),
} as const;

export const grpcPeers: readonly Peer[] = [
  node("grpc-js", "grpc-js.ts"),
  { name: "grpc-go", command: () => [buildGoPeer()] },
  node("Clew", "grpc-clew.ts"),
];

/** Programs that call a server many times and tell what a call cost them. */
export const grpcClients: readonly { readonly name: string; readonly file: string }[] = [
  { name: "grpc-js", file: "grpc-js.ts" },
  { name: "Clew", file: "grpc-clew.ts" },
];

/** A gRPC message on the wire: a flag, the length, the bytes. */
function frame(message: Uint8Array): Uint8Array {
  const framed = Buffer.alloc(5 + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
}

const hello = frame(toBinary(HelloRequestSchema, create(HelloRequestSchema, { name: "kratos" })));
const payload = (bytes: number): Uint8Array =>
  frame(toBinary(PayloadSchema, create(PayloadSchema, { data: Buffer.alloc(bytes, "payload ") })));
const grpcHeaders = ["-H", "content-type: application/grpc", "-H", "te: trailers"];
const wide = ["-c", "8", "-m", "16", ...grpcHeaders];
const narrow = ["-c", "1", "-m", "1", ...grpcHeaders];
const service = "/bench.v1.Greeter";

export const cases: readonly Case[] = [
  {
    name: "HTTP/JSON hello",
    path: "/helloworld/kratos",
    load: ["--h1", "-c", "8", "-m", "1"],
    body: undefined,
    requests: 20_000,
    peers: http,
  },
  {
    name: "gRPC hello, 8 x 16",
    path: `${service}/SayHello`,
    load: wide,
    body: hello,
    requests: 30_000,
    peers: grpcPeers,
  },
  {
    name: "gRPC hello, 1 x 1",
    path: `${service}/SayHello`,
    load: narrow,
    body: hello,
    requests: 10_000,
    peers: grpcPeers,
  },
  {
    name: "gRPC echo of 1 KB, 8 x 16",
    path: `${service}/Echo`,
    load: wide,
    body: payload(1024),
    requests: 20_000,
    peers: grpcPeers,
  },
  {
    name: "gRPC echo of 100 KB, 8 x 16",
    path: `${service}/Echo`,
    load: wide,
    body: payload(102_400),
    requests: 2_000,
    peers: grpcPeers,
  },
  {
    name: "gRPC server stream, messages of 100 B",
    path: `${service}/Repeat`,
    load: wide,
    body: frame(
      toBinary(RepeatRequestSchema, create(RepeatRequestSchema, { data: Buffer.alloc(100, "payload "), count: 1000 })),
    ),
    requests: 200,
    messages: 1000,
    peers: grpcPeers,
  },
];
