// gRPC with every request traced and exported by OTLP to the collector at the address it is given.
import { GrpcServer, metadata, recovery, tracing } from "clew";
import { alwaysOn, startTracing } from "clew/trace";
import { tellAppStats } from "./app-stats.ts";
import { greeter } from "./greeter.ts";

tellAppStats(startTracing({ service: "bench", endpoint: process.argv[2]!, sampler: alwaysOn }));
const middleware = [recovery(), tracing(), metadata()];
const server = new GrpcServer({ address: "127.0.0.1:0", middleware, services: [greeter] });
await server.start();
console.log(`listening ${server.endpoint().port}`);
