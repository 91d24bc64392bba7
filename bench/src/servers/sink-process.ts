// Counts spans that come by OTLP, and answers as it is told, on a port it keeps: the process of sink.ts.
//
//     node sink-process.ts [blind]         blind takes everything and looks at nothing
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { gunzipSync } from "node:zlib";
import { encodePartialSuccess, sliceSpans } from "clew/trace";
import type { SinkMode, SinkStats } from "./sink.ts";

let port = 0;
let mode: SinkMode = "well";
let taken = 0;
let rejected = 0;
const requests: Record<SinkMode, number> = {
  well: 0,
  fails: 0,
  throttles: 0,
  partial: 0,
  garbage: 0,
  slow: 0,
  resets: 0,
  cuts: 0,
  hangs: 0,
  away: 0,
};

const contentType = { "content-type": "application/x-protobuf" };

/** Answers that spans were taken, and counts them, unless nobody is there any more who could hear it. */
function take(response: ServerResponse, spans: number, reply: string | Uint8Array = "", rejectedSpans = 0): void {
  if (response.destroyed) return;
  taken += spans - rejectedSpans;
  rejected += rejectedSpans;
  response.writeHead(200, contentType).end(reply);
}

/** What each mode does to a request with so many spans, the number `index` of its mode. */
const answers: Readonly<Record<SinkMode, (response: ServerResponse, spans: number, index: number) => void>> = {
  well: (response, spans) => take(response, spans),
  fails: (response, _, index) => response.writeHead(index % 3 === 0 ? 500 : 503).end("no"),
  throttles: (response, _, index) => response.writeHead(index % 2 === 0 ? 429 : 503, { "retry-after": "1" }).end(),
  partial(response, spans) {
    const rejectedSpans = spans >> 1;
    take(response, spans, encodePartialSuccess({ rejectedSpans, message: "half will do" }), rejectedSpans);
  },
  garbage(response, spans, index) {
    if (index % 3 === 0) take(response, spans, Buffer.alloc(1000, "\xff\x07garbage", "latin1"));
    else if (index % 3 === 1) take(response, spans, Buffer.alloc(1 << 20, "<p>garbage</p>"));
    else response.socket!.end("220 this is no HTTP\r\n\r\n");
  },
  slow: (response, spans) => setTimeout(take, 3000, response, spans),
  resets: (response) => response.socket!.resetAndDestroy(),
  cuts(response) {
    const { socket } = response;
    response.writeHead(200, { ...contentType, "content-length": 1000 });
    response.write(Buffer.alloc(500), () => socket!.resetAndDestroy());
  },
  hangs: (response) => hanging.add(response.socket!),
  away: (response) => response.destroy(),
};

const sockets = new Set<Socket>();
const hanging = new Set<Socket>();
const isBlind = process.argv[2] === "blind";
const server = createServer((request, response) => {
  if (isBlind) {
    request.on("end", () => take(response, 0)).resume();
    return;
  }
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("error", () => {});
  request.on("end", () => {
    const body = Buffer.concat(chunks);
    const spans = sliceSpans(request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body);
    answers[mode](response, spans.length, requests[mode]++);
  });
});
server.on("connection", (socket) => {
  sockets.add(socket);
  socket.on("error", () => {});
  socket.on("close", () => {
    sockets.delete(socket);
    hanging.delete(socket);
  });
});

process.on("message", (told: SinkMode) => {
  const stats: SinkStats = { taken, rejected, requests };
  if (told === mode) {
    process.send!(stats);
    return;
  }
  // Who waits for an answer would wait through the next mode as well.
  for (const socket of hanging) socket.destroy();
  if (told === "away") {
    server.close();
    for (const socket of sockets) socket.destroy();
  }
  if (mode === "away") server.listen(port, "127.0.0.1", () => process.send!(stats));
  else process.send!(stats);
  mode = told;
});
process.on("disconnect", () => process.exit());

server.listen(0, "127.0.0.1", () => {
  ({ port } = server.address() as AddressInfo);
  console.log(`listening ${port}`);
});
