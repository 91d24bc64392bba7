// The cases with grpc-js as the client: node grpc-js-client.ts HOST:PORT [--ca ca.pem]
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import {
  create,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import * as grpcJs from "@grpc/grpc-js";
import {
  type Cases,
  collect,
  echoInitial,
  echoTrailing,
  initialValue,
  largeReplySize,
  largeRequestSize,
  replySizes,
  requestSizes,
  runCases,
  specialMessage,
  statusMessage,
  trailingValue,
  unknownCode,
} from "./cases.ts";
import type { Payload, StreamingOutputCallResponse } from "./gen/grpc/testing/messages_pb.ts";
import { TestService, UnimplementedService } from "./gen/grpc/testing/test_pb.ts";

const { values, positionals } = parseArgs({ options: { ca: { type: "string" } }, allowPositionals: true });
const client = new grpcJs.Client(
  positionals[0]!,
  values.ca === undefined ? grpcJs.credentials.createInsecure() : grpcJs.credentials.createSsl(readFileSync(values.ca)),
);
const { emptyCall, unaryCall, streamingOutputCall, streamingInputCall, fullDuplexCall, unimplementedCall } =
  TestService.method;

const cases: Cases = {
  async empty_unary() {
    const { error } = await callUnary(emptyCall, {});
    assert.equal(error, null);
  },

  async large_unary() {
    const request = { responseSize: largeReplySize, payload: createPayload(largeRequestSize) };
    const { error, reply } = await callUnary(unaryCall, request);
    assert.equal(error, null);
    assert.equal(sizeOf(reply), largeReplySize);
  },

  async client_streaming() {
    const { call, result } = openClientStream();
    for (const size of requestSizes) call.write(create(streamingInputCall.input, { payload: createPayload(size) }));
    call.end();
    const { error, reply } = await result;
    assert.equal(error, null);
    assert.equal(reply?.aggregatedPayloadSize, 74922);
  },

  async server_streaming() {
    const request = create(streamingOutputCall.input, { responseParameters: replySizes.map((size) => ({ size })) });
    const { path, serialize, deserialize } = wireOf(streamingOutputCall);
    const replies = client.makeServerStreamRequest(path, serialize, deserialize, request);
    const sizes = [];
    for await (const reply of replies) sizes.push(sizeOf(reply));
    assert.deepEqual(sizes, replySizes);
  },

  async ping_pong() {
    const call = openDuplex();
    const replies = call[Symbol.asyncIterator]();
    for (const [i, size] of requestSizes.entries()) {
      call.write(createRequest({ responseParameters: [{ size: replySizes[i]! }], payload: createPayload(size) }));
      assert.equal(sizeOf((await replies.next()).value), replySizes[i]);
    }
    call.end();
    assert.equal((await replies.next()).done, true);
  },

  async empty_stream() {
    const call = openDuplex();
    call.end();
    assert.deepEqual(await collect(call), []);
  },

  async timeout_on_sleeping_server() {
    const call = openDuplex(new grpcJs.Metadata(), { deadline: Date.now() + 1 });
    call.on("error", () => {});
    call.write(createRequest({ payload: createPayload(27182) }));
    await endsWith(call, grpcJs.status.DEADLINE_EXCEEDED);
  },

  async cancel_after_begin() {
    const { call, result } = openClientStream();
    call.cancel();
    const { error } = await result;
    assert.equal(error?.code, grpcJs.status.CANCELLED, error?.message);
  },

  async cancel_after_first_response() {
    const call = openDuplex();
    call.on("error", () => {});
    call.write(createRequest({ responseParameters: [{ size: 31415 }], payload: createPayload(27182) }));
    const [reply] = (await once(call, "data")) as [StreamingOutputCallResponse];
    assert.equal(sizeOf(reply), 31415);
    const ended = endsWith(call, grpcJs.status.CANCELLED);
    call.cancel();
    await ended;
  },

  async status_code_and_message() {
    const responseStatus = { code: unknownCode, message: statusMessage };
    const { error } = await callUnary(unaryCall, { responseStatus });
    assert.deepEqual([error?.code, error?.details], [unknownCode, statusMessage]);

    const call = openDuplex();
    call.on("error", () => {});
    call.resume();
    call.write(createRequest({ responseStatus }));
    call.end();
    const { details } = await endsWith(call, unknownCode);
    assert.equal(details, statusMessage);
  },

  async special_status_message() {
    const { error } = await callUnary(unaryCall, { responseStatus: { code: unknownCode, message: specialMessage } });
    assert.deepEqual([error?.code, error?.details], [unknownCode, specialMessage]);
  },

  async custom_metadata() {
    const metadata = new grpcJs.Metadata();
    metadata.set(echoInitial, initialValue);
    metadata.set(echoTrailing, trailingValue);
    const unary = await callUnary(unaryCall, { responseSize: 1, payload: createPayload(1) }, metadata);
    assert.equal(unary.error, null);
    checkMetadata(unary.headers, unary.trailers);

    const call = openDuplex(metadata);
    const headers = once(call, "metadata");
    const status = once(call, "status");
    call.write(createRequest({ responseParameters: [{ size: 1 }], payload: createPayload(1) }));
    call.end();
    assert.deepEqual((await collect(call)).map(sizeOf), [1]);
    checkMetadata((await headers)[0], (await status)[0].metadata);
  },

  async unimplemented_method() {
    const { error } = await callUnary(unimplementedCall, {});
    assert.equal(error?.code, grpcJs.status.UNIMPLEMENTED, error?.message);
  },

  async unimplemented_service() {
    const { error } = await callUnary(UnimplementedService.method.unimplementedCall, {});
    assert.equal(error?.code, grpcJs.status.UNIMPLEMENTED, error?.message);
  },
};

type Duplex = grpcJs.ClientDuplexStream<
  MessageShape<typeof fullDuplexCall.input>,
  MessageShape<typeof fullDuplexCall.output>
>;

/** What grpc-js asks for to call a method. */
function wireOf<M extends DescMethod>(method: M) {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    serialize: (message: MessageShape<M["input"]>) => Buffer.from(toBinary(method.input, message)),
    deserialize: (bytes: Buffer) => fromBinary(method.output, bytes) as MessageShape<M["output"]>,
  };
}

interface Result<M extends DescMethod> {
  error: grpcJs.ServiceError | null;
  reply: MessageShape<M["output"]> | undefined;
  headers: grpcJs.Metadata | undefined;
  trailers: grpcJs.Metadata;
}

function callUnary<M extends DescMethod>(
  method: M,
  init: MessageInitShape<M["input"]>,
  metadata: grpcJs.Metadata = new grpcJs.Metadata(),
): Promise<Result<M>> {
  const { path, serialize, deserialize } = wireOf(method);
  const request = create(method.input, init) as MessageShape<M["input"]>;
  return new Promise((resolve) => {
    let headers: grpcJs.Metadata | undefined;
    let answer: Pick<Result<M>, "error" | "reply">;
    const call = client.makeUnaryRequest(path, serialize, deserialize, request, metadata, (error, reply) => {
      answer = { error, reply };
    });
    call.on("metadata", (received) => {
      headers = received;
    });
    // It comes after the reply or the error.
    call.on("status", (status) => {
      setImmediate(() => resolve({ ...answer, headers, trailers: status.metadata }));
    });
  });
}

function openClientStream() {
  const { path, serialize, deserialize } = wireOf(streamingInputCall);
  const { promise: result, resolve } =
    Promise.withResolvers<Pick<Result<typeof streamingInputCall>, "error" | "reply">>();
  const call = client.makeClientStreamRequest(path, serialize, deserialize, (error, reply) =>
    resolve({ error, reply }),
  );
  return { call, result };
}

function openDuplex(metadata = new grpcJs.Metadata(), options: grpcJs.CallOptions = {}): Duplex {
  const { path, serialize, deserialize } = wireOf(fullDuplexCall);
  return client.makeBidiStreamRequest(path, serialize, deserialize, metadata, options);
}

async function endsWith(call: Duplex, code: number): Promise<grpcJs.StatusObject> {
  call.resume();
  const status = await new Promise<grpcJs.StatusObject>((resolve) => call.on("status", resolve));
  assert.equal(status.code, code, `status ${status.code} (${status.details}) instead of ${code}`);
  return status;
}

function createRequest(init: MessageInitShape<typeof fullDuplexCall.input>): MessageShape<typeof fullDuplexCall.input> {
  return create(fullDuplexCall.input, init);
}

function createPayload(size: number): { body: Uint8Array } {
  return { body: new Uint8Array(size) };
}

function sizeOf(reply: { payload?: Payload | undefined } | undefined): number {
  return reply?.payload?.body.length ?? 0;
}

function checkMetadata(headers: grpcJs.Metadata | undefined, trailers: grpcJs.Metadata): void {
  assert.deepEqual(headers?.get(echoInitial), [initialValue]);
  assert.deepEqual(trailers.get(echoTrailing), [trailingValue]);
}

await runCases(cases);
// Of streams that it cancelled grpc-js keeps some, and the process with them, whatever the server.
process.exit();
