import { HttpServer, metadata, recovery, validate } from "clew";
import { WebGreeter } from "../gen/bench/v1/web_pb.ts";
import { webGreeter } from "./web-greeter.ts";

const validation = validate({ services: [WebGreeter] });
await validation.ready;
const middleware = [recovery(), metadata(), validation];
const server = new HttpServer({ address: "127.0.0.1:0", middleware, services: [webGreeter] });
await server.start();
console.log(`listening ${server.endpoint().port}`);
