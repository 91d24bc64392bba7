// The same with every request traced and exported by OTLP to a sink in another process.
import { HttpServer, metadata, recovery, tracing } from "clew";
import { startTracing } from "clew/trace";
import { greeter } from "./greeter.ts";
import { startSink } from "./sink.ts";

startTracing({ service: "bench", endpoint: await startSink() });
const middleware = [recovery(), tracing(), metadata()];
const server = new HttpServer({ address: "127.0.0.1:0", middleware, services: [greeter] });
await server.start();
console.log(`listening ${server.endpoint().port}`);
