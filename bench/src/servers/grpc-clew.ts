import { GrpcServer, metadata, recovery } from "clew";
import { greeter } from "./greeter.ts";

const server = new GrpcServer({ address: "127.0.0.1:0", middleware: [recovery(), metadata()], services: [greeter] });
await server.start();
console.log(`listening ${server.endpoint().port}`);
