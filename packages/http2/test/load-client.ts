// A bare client for measuring: `node load-client.ts clew|node PORT REQUESTS CONNECTIONS STREAMS BYTES`. Keeps that many calls under
// way and prints what a call cost it.
import { once } from "node:events";
import { connect as connectNode } from "node:http2";
import { connect } from "node:net";
import { ClientSession, type ClientStreamListener } from "@clew/http2";

const [engine, port, requests, connections, streams, bytes] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const body = Buffer.alloc(bytes ?? 10);
let left = requests ?? 100_000;
let pending = 0;
let finish = (): void => {};
const finished = new Promise<void>((resolve) => {
  finish = resolve;
});
const fields = [":method", "POST", ":scheme", "http", ":path", "/a.B/C", ":authority", "localhost", "te", "trailers"];
fields.push("content-type", "application/grpc+proto");

function over(next: () => void): void {
  pending--;
  if (left > 0) next();
  else if (pending === 0) finish();
}

const start = process.cpuUsage();
for (let i = 0; i < (connections ?? 1); i++) {
  if (engine === "clew") {
    const socket = connect({ port: port ?? 0, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    const session = new ClientSession(socket);
    const call = (): void => {
      left--;
      pending++;
      const listener: ClientStreamListener = {
        onHeaders() {},
        onData() {},
        onEnd: () => over(call),
        onReset: (code) => console.error(`reset ${code}`),
        onDrain() {},
      };
      session.openStream(fields, body, listener);
    };
    for (let k = 0; k < (streams ?? 1); k++) call();
  } else {
    const session = connectNode(`http://127.0.0.1:${port}`);
    await once(session, "connect");
    const call = (): void => {
      left--;
      pending++;
      const stream = session.request({
        ":method": "POST",
        ":path": "/a.B/C",
        te: "trailers",
        "content-type": "application/grpc+proto",
      });
      stream.on("trailers", () => {});
      stream.on("data", () => {});
      stream.on("end", () => over(call));
      stream.end(body);
    };
    for (let k = 0; k < (streams ?? 1); k++) call();
  }
}
await finished;
const { user, system } = process.cpuUsage(start);
const each = (us: number): string => (us / (requests ?? 1)).toFixed(2);
console.log(`${engine}: user ${each(user)} system ${each(system)} us a call`);
process.exit(0);
