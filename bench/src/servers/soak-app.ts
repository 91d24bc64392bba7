// An app of HTTP whose requests make spans; with the address of a collector it is traced.
import { HttpServer, ServiceError, service, tracing } from "clew";
import { startTracing, withSpan } from "clew/trace";
import { WebGreeter } from "../gen/bench/v1/web_pb.ts";
import { tellAppStats } from "./app-stats.ts";

const [, , spansInside, endpoint] = process.argv;

tellAppStats(endpoint === undefined ? undefined : startTracing({ service: "soak", endpoint }));
const greeter = service(WebGreeter, {
  async sayHello({ name }) {
    for (let index = 0; index < Number(spansInside); index++) {
      await withSpan("work", { attributes: { index } }, async () => name);
    }
    if (name.endsWith("7")) throw new ServiceError(404, "NOBODY", `no ${name}`);
    return { message: `Hello ${name}` };
  },
});
const server = new HttpServer({ address: "127.0.0.1:0", middleware: [tracing()], services: [greeter] });
await server.start();
console.log(`listening ${server.endpoint().port}`);
