import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { test } from "node:test";
import { SlowReaders } from "./slow-readers.ts";

test("a reply that nobody takes ends with its connection; one with nothing to send stays", async () => {
  const open = new Set<ServerResponse>();
  const readers = new SlowReaders(open, 200);
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    open.add(response);
    response.once("close", () => open.delete(response));
    readers.watch();
    if (request.url === "/large") response.end(Buffer.alloc(50_000_000));
    else response.write("quiet");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const get = (path: string): Socket => {
    const socket = connect(port, "127.0.0.1").setEncoding("latin1");
    socket.on("error", () => {});
    socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`);
    return socket;
  };
  const quiet = get("/quiet");
  await once(quiet, "data");
  const [response] = open as Iterable<ServerResponse>;

  // Nothing listens to what comes: it stays in the kernel's buffers, and then at the server.
  const slow = get("/large");
  await once(server, "request");
  const [large] = [...open].filter((one) => one !== response);
  await once(large!, "close");
  // What the kernel had taken comes, and no more.
  let taken = 0;
  await new Promise((resolve) => slow.once("close", resolve).on("data", (text: string) => (taken += text.length)));
  assert.ok(taken < 50_000_000, `${taken} bytes`);
  assert.ok(!response!.destroyed && !quiet.closed);

  // Who takes its reply keeps the connection.
  const honest = get("/large");
  let length = 0;
  honest.on("data", (text: string) => (length += text.length));
  while (length < 50_000_000) await once(honest, "data");
  honest.write("GET /quiet HTTP/1.1\r\nhost: a\r\n\r\n");
  await once(honest, "data");
  for (const socket of [quiet, slow, honest]) socket.destroy();
  server.close();
  await once(server, "close");
});
