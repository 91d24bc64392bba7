// grpc.testing.TestService on our GrpcServer. Prints where it listens, ends with its process.
//
//     node server.ts [--cert cert.pem --key key.pem]
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Call, GrpcServer, type Service, ServiceError, service } from "clew";
import { fromGrpcCode } from "clew/rpc";
import { echoInitial, echoTrailing } from "./cases.ts";
import type { EchoStatus, Payload, StreamingOutputCallRequest } from "./gen/grpc/testing/messages_pb.ts";
import { TestService } from "./gen/grpc/testing/test_pb.ts";

const { values: files } = parseArgs({ options: { cert: { type: "string" }, key: { type: "string" } } });

const testService = service(TestService, {
  emptyCall: () => ({}),
  unaryCall(request, call) {
    echoMetadata(call);
    echoStatus(request.responseStatus, call);
    return { payload: createPayload(request.responseSize) };
  },
  streamingOutputCall: (request, call) => answer(request, call),
  async streamingInputCall(requests) {
    let aggregatedPayloadSize = 0;
    for await (const { payload } of requests) aggregatedPayloadSize += payload?.body.length ?? 0;
    return { aggregatedPayloadSize };
  },
  async *fullDuplexCall(requests, call) {
    echoMetadata(call);
    for await (const request of requests) {
      echoStatus(request.responseStatus, call);
      yield* answer(request, call);
    }
  },
  async *halfDuplexCall(requests, call) {
    const received: StreamingOutputCallRequest[] = [];
    for await (const request of requests) received.push(request);
    for (const request of received) yield* answer(request, call);
  },
  unimplementedCall() {
    throw new Error("this method is not served");
  },
});

async function* answer(request: StreamingOutputCallRequest, call: Call): AsyncIterable<{ payload: PayloadInit }> {
  for (const { size, intervalUs } of request.responseParameters) {
    if (intervalUs > 0) await setTimeout(intervalUs / 1000, undefined, { signal: call.signal });
    yield { payload: createPayload(size) };
  }
}

type PayloadInit = Pick<Payload, "body">;

function createPayload(size: number): PayloadInit {
  if (size < 0) throw new ServiceError(400, "SIZE", `a payload of ${size} bytes cannot be made`);
  return { body: new Uint8Array(size) };
}

function echoMetadata({ metadata, replyMetadata, replyTrailers }: Call): void {
  const initial = metadata.getAll(echoInitial);
  if (initial.length > 0) replyMetadata.set(echoInitial, initial);
  const trailing = metadata.getAll(echoTrailing);
  if (trailing.length > 0) replyTrailers.set(echoTrailing, trailing);
}

function echoStatus(status: EchoStatus | undefined, call: Call): void {
  if (status === undefined || status.code === 0) return;
  // A ServiceError's code cannot tell UNKNOWN from INTERNAL: the exact status goes where a handler may overrule it.
  call.replyTrailers.set("grpc-status", String(status.code));
  throw new ServiceError(fromGrpcCode(status.code), "", status.message);
}

/** All of a service but one method: a caller finds the service and not the method. */
function withoutMethod(whole: Service, name: string): Service {
  return { desc: whole.desc, methods: whole.methods.filter(({ method }) => method.localName !== name) };
}

const server = new GrpcServer({
  address: "127.0.0.1:0",
  timeoutMs: 60_000,
  services: [withoutMethod(testService, "unimplementedCall")],
  ...(files.cert !== undefined &&
    files.key !== undefined && { tls: { cert: readFileSync(files.cert), key: readFileSync(files.key) } }),
});
await server.start();
console.log(`listening on ${server.endpoint().host}`);
