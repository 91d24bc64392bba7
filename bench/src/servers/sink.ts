// Takes spans and forgets them, in a process of its own so that its work is not counted.
import { spawn } from "node:child_process";
import { once } from "node:events";

const program = `
  const server = require("node:http").createServer((request, response) => {
    request.resume().on("end", () => response.writeHead(200, { "content-type": "application/x-protobuf" }).end());
  });
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
  process.stdin.resume().on("end", () => process.exit());
`;

/** Starts the sink; it ends with this process. Returns its endpoint. */
export async function startSink(): Promise<string> {
  // On the core of the load: on the server's own it would take its caches away.
  const command = ["-c", "1", process.execPath, "--eval", program];
  const child = spawn("taskset", command, { stdio: ["pipe", "pipe", "inherit"] });
  const [port] = await once(child.stdout, "data");
  child.unref();
  return `http://127.0.0.1:${String(port).trim()}`;
}
