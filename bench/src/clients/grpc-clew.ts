import { createClient, metadata, recovery } from "clew";
import { Greeter } from "../gen/bench/v1/bench_pb.ts";
import { runCallLoop } from "./call-loop.ts";

const endpoint = `grpc://127.0.0.1:${process.argv[2]}`;
const client = createClient(Greeter, { endpoint, middleware: [recovery(), metadata()] });
await runCallLoop(() => client.sayHello({ name: "kratos" }));
await client[Symbol.asyncDispose]();
