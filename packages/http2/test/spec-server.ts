// A tiny HTTP/2 server for judges: `node spec-server.ts [tls]`. It says "hello" to everything, once the request has ended,
// prints its port, and ends with its standard input.
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { alpnProtocol, ServerSession, type ServerStream, type StreamListener } from "@clew/http2";
import { testCertificates } from "./certificates.ts";

const hello = Buffer.from("hello\n");

function accept(stream: ServerStream): StreamListener {
  return {
    onData() {},
    onEnd() {
      stream.sendHeaders([":status", "200", "content-type", "text/plain"], false);
      stream.sendData(hello, true);
    },
    onReset() {},
    onDrain() {},
  };
}

function serve(socket: Socket): void {
  new ServerSession(socket, { accept });
}

const isTls = process.argv[2] === "tls";
const server: Server = isTls
  ? createTlsServer({ ...testCertificates().server, ALPNProtocols: [alpnProtocol] }, serve)
  : createServer({ noDelay: true }, serve);
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  console.log(typeof address === "object" ? address?.port : address);
});
process.stdin.on("close", () => process.exit(0)).resume();
