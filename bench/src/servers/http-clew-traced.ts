// The same with every request traced and exported by OTLP to a sink in another process.
//
//     node http-clew-traced.ts [off]       with off no request is sampled
import { tracing } from "clew";
import { alwaysOff, alwaysOn, startTracing } from "clew/trace";
import { serveWebGreeter } from "./serve-web-greeter.ts";
import { startSink } from "./sink.ts";

const sampler = process.argv[2] === "off" ? alwaysOff : alwaysOn;
startTracing({ service: "bench", endpoint: (await startSink(false)).endpoint, sampler });
await serveWebGreeter(tracing());
