// A service that registers itself in a folder, run by processes.test.ts: node greeter-program.ts <folder> <id>
import { App, runMain } from "@clew/app";
import { FileRegistry } from "@clew/registry";
import { service } from "@clew/rpc";
import { Server } from "@clew/transport";
import { Echo } from "../../transport/test/gen/test/v1/test_pb.ts";

const [folder, id] = process.argv.slice(2);
const echo = service(Echo, {
  unary: () => ({ text: id! }),
  async *serverStream() {},
  clientStream: async () => ({}),
  async *bidiStream() {},
});

await runMain(async () => {
  const server = new Server({ address: "127.0.0.1:0", services: [echo], timeoutMs: 60_000 });
  const registrar = new FileRegistry({ folder: folder! });
  await new App({ id: id!, name: "echo", servers: [server], registrar, drainDelayMs: 100 }).run();
});
