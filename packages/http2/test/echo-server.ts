// A bare echo server for measuring: `node echo-server.ts clew|node [async]`. It sends back what it got, as a gRPC server would:
// headers, data, trailers. Prints its port, and at the end of its standard input what it cost.
import { createServer as createNodeServer } from "node:http2";
import { type AddressInfo, createServer, type Server } from "node:net";
import { type HeaderFields, ServerSession, type ServerStream, type StreamListener } from "@clew/http2";

const headers: HeaderFields = [":status", "200", "content-type", "application/grpc+proto"];
const trailers: HeaderFields = ["grpc-status", "0"];
const nothing = Buffer.alloc(0);
const isAsync = process.argv[3] === "async";

class Echo implements StreamListener {
  readonly #stream: ServerStream;
  #first: Buffer | undefined;
  #parts: Buffer[] | undefined;

  constructor(stream: ServerStream) {
    this.#stream = stream;
  }

  onData(bytes: Buffer): void {
    if (this.#first === undefined) this.#first = bytes;
    else if (this.#parts === undefined) this.#parts = [this.#first, bytes];
    else this.#parts.push(bytes);
  }

  onEnd(): void {
    if (isAsync) void this.#reply();
    else this.#send();
  }

  #send(): void {
    const body = this.#parts === undefined ? this.#first : Buffer.concat(this.#parts);
    this.#stream.sendReply(headers, body ?? nothing, trailers);
  }

  async #reply(): Promise<void> {
    await undefined;
    await undefined;
    await undefined;
    this.#send();
  }

  onReset(): void {}
  onDrain(): void {}
}

function createClewServer(): Server {
  const accept = (stream: ServerStream): StreamListener => new Echo(stream);
  return createServer({ noDelay: true }, (socket) => new ServerSession(socket, { accept }));
}

function createPeerServer(): Server {
  const server = createNodeServer();
  server.on("stream", (stream) => {
    const parts: Buffer[] = [];
    stream.on("data", (bytes: Buffer) => parts.push(bytes));
    stream.on("end", () => {
      stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(parts.length === 1 ? parts[0] : Buffer.concat(parts));
    });
  });
  return server as unknown as Server;
}

const server = process.argv[2] === "node" ? createPeerServer() : createClewServer();
server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
process.stdin.on("close", () => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  console.log(JSON.stringify({ userMs: userCPUTime / 1000, systemMs: systemCPUTime / 1000, maxRssMb: maxRSS / 1024 }));
  process.exit(0);
});
process.stdin.resume();
