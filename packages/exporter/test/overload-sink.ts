// Counts the spans that come to it, over HTTP and gRPC, and answers well or slowly. Told to stop, it says how many came.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type RawMessage, rawCodec, TraceService, toRawMessage } from "@clew/exporter/otlp-service";
import { service } from "@clew/rpc";
import { encodeJsonRequest, sliceSpans } from "@clew/trace/otel";
import { GrpcServer } from "@clew/transport/grpc";

const delayMs = process.argv[2] === "slowly" ? 2000 : 0;
let received = 0;

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks);
    const isJson = request.headers["content-type"] === "application/json";
    received += sliceSpans(isJson ? encodeJsonRequest(body.toString()) : body).length;
    setTimeout(() => response.end(isJson ? "{}" : ""), delayMs);
  });
});
server.listen(0, "127.0.0.1");
await once(server, "listening");

const grpc = new GrpcServer({
  address: "127.0.0.1:0",
  codecs: [rawCodec],
  health: false,
  reflection: false,
  services: [
    service(TraceService, {
      export(request) {
        received += sliceSpans((request as unknown as RawMessage).bytes).length;
        return toRawMessage(TraceService.method.export.output, new Uint8Array(0));
      },
    }),
  ],
});
await grpc.start();
process.once("message", () => {
  process.send!(received);
  server.closeAllConnections();
  server.close();
  void grpc.stop(AbortSignal.abort());
});
process.send!({ endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, grpc: grpc.endpoint().href });
