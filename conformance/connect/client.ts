// The client that connectconformance judges: reads calls to make from stdin, says on stdout what came of each.
import {
  create,
  createRegistry,
  type DescMessage,
  fromBinary,
  type Message,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type Any, anyUnpack } from "@bufbuild/protobuf/wkt";
import {
  type Client,
  createJsonCodec,
  createServiceClient,
  GrpcStatusSchema,
  type Metadata,
  protoCodec,
  ServiceError,
  toGrpcCode,
} from "@clew/rpc";
import { ConnectClient } from "@clew/transport/connect";
import { GrpcClient } from "@clew/transport/grpc";
import { GrpcWebClient } from "@clew/transport/grpc-web";
import {
  type ClientCompatRequest,
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
  type ClientResponseResult,
  ClientResponseResultSchema,
} from "./gen/connectrpc/conformance/v1/client_compat_pb.ts";
import {
  type Code,
  Codec,
  Compression,
  HTTPVersion,
  Protocol,
  StreamType,
} from "./gen/connectrpc/conformance/v1/config_pb.ts";
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayload,
  ConformancePayloadSchema,
  ConformanceService,
  ErrorSchema,
  file_connectrpc_conformance_v1_service,
  type Header,
  HeaderSchema,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  UnaryRequestSchema,
  UnimplementedRequestSchema,
  type Error as WireError,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";
import { writeSized } from "./sized.ts";

// The messages hold google.protobuf.Any of each other.
const jsonCodec = createJsonCodec({ types: createRegistry(file_connectrpc_conformance_v1_service) });

const compressions: { readonly [C in Compression]?: "gzip" | "br" } = {
  [Compression.GZIP]: "gzip",
  [Compression.BR]: "br",
};

// The judge gives all calls at once. Their deadlines run from their beginning, which should not be a crowd.
const concurrency = 8;
const running = new Set<Promise<void>>();
for await (const bytes of readEach()) {
  const request = fromBinary(ClientCompatRequestSchema, bytes);
  const done: Promise<void> = answer(request).then((response) => {
    writeSized(process.stdout, toBinary(ClientCompatResponseSchema, response));
    running.delete(done);
  });
  running.add(done);
  if (running.size >= concurrency) await Promise.race(running);
}
await Promise.all(running);

/** Every sized message of stdin as it comes. */
async function* readEach(): AsyncIterable<Uint8Array> {
  let buffer = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    buffer = Buffer.concat([buffer, chunk as Buffer]);
    while (buffer.length >= 4 && buffer.length >= 4 + buffer.readUInt32BE(0)) {
      const end = 4 + buffer.readUInt32BE(0);
      yield buffer.subarray(4, end);
      buffer = buffer.subarray(end);
    }
  }
}

async function answer(request: ClientCompatRequest) {
  const { testName } = request;
  try {
    const value = await makeCall(request);
    return create(ClientCompatResponseSchema, { testName, result: { case: "response", value } });
  } catch (thrown) {
    const message = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    return create(ClientCompatResponseSchema, { testName, result: { case: "error", value: { message } } });
  }
}

function openClient(request: ClientCompatRequest): Client {
  const isSecure = request.serverTlsCert.length > 0;
  const address = `${isSecure ? "s" : ""}://${request.host}:${request.port}`;
  const options = {
    codec: request.codec === Codec.JSON ? jsonCodec : protoCodec,
    compression: compressions[request.compression] ?? "identity",
    compressFromBytes: 0,
    headerLimitBytes: 256 * 1024,
    ...(request.messageReceiveLimit > 0 && { maxMessageBytes: request.messageReceiveLimit }),
    ...(isSecure && {
      tls: {
        ca: Buffer.from(request.serverTlsCert),
        ...(request.clientTlsCreds && {
          key: Buffer.from(request.clientTlsCreds.key),
          cert: Buffer.from(request.clientTlsCreds.cert),
        }),
      },
    }),
  } as const;
  if (request.protocol === Protocol.GRPC) return new GrpcClient({ ...options, endpoint: `grpc${address}` });
  const web = { ...options, endpoint: `http${address}`, http2: request.httpVersion === HTTPVersion.HTTP_VERSION_2 };
  if (request.protocol === Protocol.GRPC_WEB) return new GrpcWebClient(web);
  return new ConnectClient({ ...web, useGet: request.useGetHttpMethod });
}

async function makeCall(request: ClientCompatRequest): Promise<ClientResponseResult> {
  const client = createServiceClient(ConformanceService, openClient(request));
  const controller = new AbortController();
  const result = create(ClientResponseResultSchema);
  let trailers: Metadata | undefined;
  const options = {
    metadata: request.requestHeaders.flatMap(({ name, value }) => value.map((one): [string, string] => [name, one])),
    signal: controller.signal,
    timeoutMs: request.timeoutMs ?? Number.POSITIVE_INFINITY,
    onHeaders: (headers: Metadata) => {
      result.responseHeaders = toHeaders(headers);
    },
    onTrailers: (given: Metadata) => {
      trailers = given;
    },
  };
  const { cancelTiming } = request.cancel ?? { cancelTiming: { case: undefined, value: undefined } };
  const messages = request.requestMessages;
  let sent = 0;

  async function* requests<T extends Message>(unpack: (any: Any) => T): AsyncIterable<T> {
    for (const message of messages) {
      await delay(request.requestDelayMs);
      sent++;
      yield unpack(message);
    }
    if (cancelTiming.case === "beforeCloseSend") controller.abort();
    // The half-close follows before this does.
    if (cancelTiming.case === "afterCloseSendMs") setTimeout(() => controller.abort(), cancelTiming.value);
  }

  const take = ({ payload }: { payload?: ConformancePayload | undefined }): void => {
    result.payloads.push(payload ?? create(ConformancePayloadSchema));
  };
  const takeAll = async (replies: AsyncIterable<{ payload?: ConformancePayload | undefined }>): Promise<void> => {
    if (cancelTiming.case === "afterNumResponses" && cancelTiming.value === 0) controller.abort();
    for await (const reply of replies) {
      take(reply);
      if (cancelTiming.case === "afterNumResponses" && result.payloads.length === cancelTiming.value)
        controller.abort();
    }
  };

  try {
    switch (request.method) {
      case "Unary":
      case "IdempotentUnary":
      case "Unimplemented":
      case "ServerStream": {
        await delay(request.requestDelayMs);
        if (cancelTiming.case === "afterCloseSendMs") setTimeout(() => controller.abort(), cancelTiming.value);
        sent = 1;
        const message = messages[0]!;
        if (request.method === "Unary") take(await client.unary(unpackAs(UnaryRequestSchema)(message), options));
        else if (request.method === "IdempotentUnary") {
          take(await client.idempotentUnary(unpackAs(IdempotentUnaryRequestSchema)(message), options));
        } else if (request.method === "Unimplemented") {
          await client.unimplemented(unpackAs(UnimplementedRequestSchema)(message), options);
        } else await takeAll(client.serverStream(unpackAs(ServerStreamRequestSchema)(message), options));
        break;
      }
      case "ClientStream":
        take(await client.clientStream(requests(unpackAs(ClientStreamRequestSchema)), options));
        break;
      case "BidiStream":
        if (request.streamType === StreamType.FULL_DUPLEX_BIDI_STREAM) {
          await converse(request, takeAll);
        } else await takeAll(client.bidiStream(requests(unpackAs(BidiStreamRequestSchema)), options));
        break;
      default:
        throw new Error(`unknown method ${request.method}`);
    }
  } catch (thrown) {
    if (!(thrown instanceof ServiceError)) throw thrown;
    result.error = toWireError(thrown, trailers);
  }
  result.responseTrailers = trailers === undefined ? [] : toHeaders(trailers);
  result.numUnsentRequests = messages.length - Math.min(sent, messages.length);
  await client[Symbol.asyncDispose]();
  return result;

  // One request, one reply, and so on.
  async function converse(
    { requestMessages, requestDelayMs }: ClientCompatRequest,
    readAll: (replies: AsyncIterable<{ payload?: ConformancePayload | undefined }>) => Promise<void>,
  ): Promise<void> {
    let wake: () => void = () => {};
    let replied = 0;
    let isOver = false;
    async function* turns() {
      for (const [i, message] of requestMessages.entries()) {
        while (replied < i && !isOver) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        if (isOver) return;
        await delay(requestDelayMs);
        sent++;
        yield unpackAs(BidiStreamRequestSchema)(message);
      }
      while (replied < requestMessages.length && !isOver) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (cancelTiming.case === "beforeCloseSend") controller.abort();
      if (cancelTiming.case === "afterCloseSendMs") setTimeout(() => controller.abort(), cancelTiming.value);
    }
    async function* counted() {
      for await (const reply of client.bidiStream(turns(), options)) {
        yield reply;
        replied++;
        wake();
      }
    }
    try {
      await readAll(counted());
    } finally {
      isOver = true;
      wake();
    }
  }
}

function unpackAs<S extends DescMessage>(schema: S): (any: Any) => MessageShape<S> {
  return (any) => anyUnpack(any, schema)!;
}

// The exact code and the details are in the trailers, where the status shows as it came.
function toWireError(error: ServiceError, trailers: Metadata | undefined): WireError {
  const code = trailers?.get("grpc-status");
  const details = trailers?.get("grpc-status-details-bin");
  const status = details === undefined ? undefined : fromBinary(GrpcStatusSchema, Buffer.from(details, "base64"));
  return create(ErrorSchema, {
    code: (code === undefined ? toGrpcCode(error.code) : Number(code)) as Code,
    message: error.message,
    details: status?.details ?? [],
  });
}

function toHeaders(metadata: Metadata): Header[] {
  return metadata.keys().map((name) => create(HeaderSchema, { name, value: metadata.getAll(name) }));
}

function delay(ms: number): Promise<void> {
  return ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : Promise.resolve();
}
