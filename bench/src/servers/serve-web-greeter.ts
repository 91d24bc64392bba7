import { HttpServer, type Middleware, metadata, recovery, validate } from "clew";
import { WebGreeter } from "../gen/bench/v1/web_pb.ts";
import { webGreeter } from "./web-greeter.ts";

/** Clew's server of HTTP with what every app has, and what traces it, if anything does. */
export async function serveWebGreeter(...tracing: readonly Middleware[]): Promise<void> {
  const validation = validate({ services: [WebGreeter] });
  await validation.ready;
  const middleware = [recovery(), ...tracing, metadata(), validation];
  const server = new HttpServer({ address: "127.0.0.1:0", middleware, services: [webGreeter] });
  await server.start();
  console.log(`listening ${server.endpoint().port}`);
}
