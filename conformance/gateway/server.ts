// gateway.v1.Gateway on our HttpServer, each method answering with its name and its request. Prints where it listens, ends with
// its input.
import { HttpServer, type Implementation, service } from "clew";
import { Gateway, type Request } from "./gen/gateway/v1/gateway_pb.ts";

const implementation = Object.fromEntries(
  Gateway.methods.map(({ localName, name }) => [
    localName,
    (request: Request) => ({ method: `/${Gateway.typeName}/${name}`, request }),
  ]),
) as unknown as Implementation<typeof Gateway>;

const services = [service(Gateway, implementation)];
const server = new HttpServer({ address: "127.0.0.1:0", services, timeoutMs: 60_000 });
await server.start();
console.log(`listening on ${server.endpoint().host}`);
process.stdin.resume();
process.stdin.once("end", () => void server.stop(AbortSignal.timeout(1000)));
