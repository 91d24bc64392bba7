// The same with every request traced and exported by OTLP to a sink in another process.
//
//     node http-clew-traced.ts [off]       with off no request is sampled
import { HttpServer, metadata, recovery, tracing, validate } from "clew";
import { alwaysOff, alwaysOn, startTracing } from "clew/trace";
import { WebGreeter } from "../gen/bench/v1/web_pb.ts";
import { startSink } from "./sink.ts";
import { webGreeter } from "./web-greeter.ts";

const sampler = process.argv[2] === "off" ? alwaysOff : alwaysOn;
startTracing({ service: "bench", endpoint: await startSink(), sampler });
const validation = validate({ services: [WebGreeter] });
await validation.ready;
const middleware = [recovery(), tracing(), metadata(), validation];
const server = new HttpServer({ address: "127.0.0.1:0", middleware, services: [webGreeter] });
await server.start();
console.log(`listening ${server.endpoint().port}`);
