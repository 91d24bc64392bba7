// The server that connectconformance judges: reads what is asked of it from stdin, says where it listens on stdout.
import { create, createRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import {
  type Call,
  createJsonCodec,
  fromGrpcCode,
  GrpcStatusSchema,
  type Metadata,
  remainingMs,
  ServiceError,
  service,
} from "@clew/rpc";
import { Server } from "@clew/transport";
import {
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/server_compat_pb.ts";
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayload,
  type ConformancePayload_RequestInfo,
  ConformancePayload_RequestInfoSchema,
  ConformancePayloadSchema,
  ConformanceService,
  file_connectrpc_conformance_v1_service,
  type Header,
  HeaderSchema,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  type StreamResponseDefinition,
  UnaryRequestSchema,
  type UnaryResponseDefinition,
  type Error as WireError,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";
import { readSized, writeSized } from "./sized.ts";

const [requestBytes] = await readSized(process.stdin, 1);
const request = fromBinary(ServerCompatRequestSchema, requestBytes!);

const conformance = service(ConformanceService, {
  async unary(message, call) {
    return { payload: await answerUnary(message.responseDefinition, [anyPack(UnaryRequestSchema, message)], call) };
  },
  async idempotentUnary(message, call) {
    return {
      payload: await answerUnary(message.responseDefinition, [anyPack(IdempotentUnaryRequestSchema, message)], call),
    };
  },
  async clientStream(messages, call) {
    const requests = [];
    let definition: UnaryResponseDefinition | undefined;
    for await (const message of messages) {
      if (requests.length === 0) definition = message.responseDefinition;
      requests.push(anyPack(ClientStreamRequestSchema, message));
    }
    return { payload: await answerUnary(definition, requests, call) };
  },
  async *serverStream(message, call) {
    const info = infoOf([anyPack(ServerStreamRequestSchema, message)], call);
    yield* answerStream(message.responseDefinition, info, call);
  },
  async *bidiStream(messages, call) {
    const requests = [];
    let definition: StreamResponseDefinition | undefined;
    let fullDuplex = false;
    let sent = 0;
    for await (const message of messages) {
      requests.push(anyPack(BidiStreamRequestSchema, message));
      if (requests.length === 1) {
        definition = message.responseDefinition;
        fullDuplex = message.fullDuplex;
        setMetadata(definition, call);
      }
      if (!fullDuplex || definition === undefined) continue;
      // Nothing is left to say: the caller waits for the end.
      if (sent >= definition.responseData.length) break;
      await delay(definition.responseDelayMs, call);
      const info = sent === 0 ? infoOf(requests, call) : infoOf([requests.at(-1)!], call, false);
      yield { payload: payloadOf(definition.responseData[sent++]!, info) };
    }
    const info = infoOf(requests, call);
    yield* answerStream(definition, info, call, sent);
  },
  async unimplemented() {
    throw new ServiceError(501, "", "not implemented");
  },
});

const server = new Server({
  address: "127.0.0.1:0",
  services: [conformance],
  // The judge takes every error in JSON for one of Connect's.
  protocols: ["connect", "grpc", "grpc-web"],
  // The messages hold google.protobuf.Any of each other.
  codecs: [createJsonCodec({ types: createRegistry(file_connectrpc_conformance_v1_service) })],
  compression: "gzip",
  timeoutMs: 0,
  headerLimitBytes: 64 * 1024,
  ...(request.messageReceiveLimit > 0 && { maxMessageBytes: request.messageReceiveLimit }),
  ...(request.useTls && {
    tls: {
      key: Buffer.from(request.serverCreds!.key),
      cert: Buffer.from(request.serverCreds!.cert),
      ...(request.clientTlsCert.length > 0 && { ca: Buffer.from(request.clientTlsCert), requestCert: true }),
    },
  }),
});
await server.start();
process.on("SIGTERM", () => process.exit());
writeSized(
  process.stdout,
  toBinary(
    ServerCompatResponseSchema,
    create(ServerCompatResponseSchema, {
      host: "127.0.0.1",
      port: Number(server.endpoint().port),
      ...(request.useTls && { pemCert: request.serverCreds!.cert }),
    }),
  ),
);

type Requests = NonNullable<ConformancePayload_RequestInfo["requests"]>;

async function answerUnary(
  definition: UnaryResponseDefinition | undefined,
  requests: Requests,
  call: Call,
): Promise<ConformancePayload> {
  const info = infoOf(requests, call);
  setMetadata(definition, call);
  if (definition !== undefined) await delay(definition.responseDelayMs, call);
  if (definition?.response.case === "error") throw toError(definition.response.value, call, info);
  return payloadOf(definition?.response.case === "responseData" ? definition.response.value : new Uint8Array(), info);
}

async function* answerStream(
  definition: StreamResponseDefinition | undefined,
  info: ConformancePayload_RequestInfo,
  call: Call,
  from = 0,
): AsyncIterable<{ payload: ConformancePayload }> {
  if (definition === undefined) return;
  setMetadata(definition, call);
  for (let i = from; i < definition.responseData.length; i++) {
    await delay(definition.responseDelayMs, call);
    yield { payload: payloadOf(definition.responseData[i]!, i === 0 ? info : undefined) };
  }
  if (definition.error !== undefined) {
    throw toError(definition.error, call, definition.responseData.length === 0 ? info : undefined);
  }
}

function payloadOf(data: Uint8Array, requestInfo: ConformancePayload_RequestInfo | undefined): ConformancePayload {
  return create(ConformancePayloadSchema, { data, ...(requestInfo !== undefined && { requestInfo }) });
}

function infoOf(requests: Requests, call: Call, withHeaders = true): ConformancePayload_RequestInfo {
  return create(ConformancePayload_RequestInfoSchema, {
    requests,
    ...(withHeaders && { requestHeaders: toHeaders(call.metadata) }),
    ...(withHeaders && call.deadline !== undefined && { timeoutMs: BigInt(Math.floor(remainingMs(call.deadline))) }),
  });
}

function toHeaders(metadata: Metadata): Header[] {
  return metadata.keys().map((name) => create(HeaderSchema, { name, value: metadata.getAll(name) }));
}

function setMetadata(
  definition: { responseHeaders: Header[]; responseTrailers: Header[] } | undefined,
  call: Call,
): void {
  for (const { name, value } of definition?.responseHeaders ?? []) call.replyMetadata.set(name, value);
  for (const { name, value } of definition?.responseTrailers ?? []) call.replyTrailers.set(name, value);
}

// A ServiceError has no room for the exact gRPC code and for any details: both go where a handler may overrule them.
function toError(error: WireError, call: Call, info: ConformancePayload_RequestInfo | undefined): ServiceError {
  const details = [...error.details];
  if (info !== undefined) details.push(anyPack(ConformancePayload_RequestInfoSchema, info));
  const status = create(GrpcStatusSchema, { code: error.code, message: error.message ?? "", details });
  call.replyTrailers.set("grpc-status", String(error.code));
  const base64 = Buffer.from(toBinary(GrpcStatusSchema, status)).toString("base64");
  call.replyTrailers.set("grpc-status-details-bin", base64.replace(/=+$/, ""));
  return new ServiceError(fromGrpcCode(error.code), "", error.message ?? "");
}

async function delay(ms: number, call: Call): Promise<void> {
  if (ms > 0) await call.orCancelled(new Promise((resolve) => setTimeout(resolve, ms)));
}
