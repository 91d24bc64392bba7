// One node of the endurance test: an app with both transports in a registry that is a folder.
import { App, GrpcServer, HttpServer, recovery } from "clew";
import { FileRegistry } from "clew/registry";
import { greeter } from "../servers/greeter.ts";

const [, , folder, id] = process.argv;
const options = { address: "127.0.0.1:0", middleware: [recovery()], services: [greeter] };
const app = new App({
  id: id!,
  name: "greeter",
  servers: [new HttpServer(options), new GrpcServer(options)],
  registrar: new FileRegistry({ folder: folder! }),
  afterStart: [() => void process.stdout.write("started\n")],
});
await app.run();
