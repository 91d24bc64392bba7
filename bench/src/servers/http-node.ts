// The floor: a bare node:http handler that writes the same JSON.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const server = createServer((request, response) => {
  const name = request.url?.slice("/helloworld/".length) ?? "";
  const body = JSON.stringify({ message: `Hello ${name}` });
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
});
server.listen(0, "127.0.0.1", () => console.log(`listening ${(server.address() as AddressInfo).port}`));
