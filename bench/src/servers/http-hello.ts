// The smallest app: what its start takes is measured.
import { HttpServer, metadata, recovery } from "clew";
import { greeter } from "./greeter.ts";

const server = new HttpServer({ address: "127.0.0.1:0", middleware: [recovery(), metadata()], services: [greeter] });
await server.start();
console.log(`listening ${server.endpoint().port}`);
