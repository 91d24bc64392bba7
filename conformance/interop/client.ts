// The cases with our client: node client.ts HOST:PORT [--ca ca.pem]
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createClient, type Metadata, ServiceError } from "clew";
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
const options =
  values.ca === undefined
    ? { endpoint: `grpc://${positionals[0]}` }
    : { endpoint: `grpcs://${positionals[0]}`, grpc: { tls: { ca: readFileSync(values.ca) } } };
const client = createClient(TestService, { ...options, timeoutMs: 60_000 });
const unimplementedClient = createClient(UnimplementedService, { ...options, timeoutMs: 60_000 });

const cases: Cases = {
  async empty_unary() {
    const reply = await client.emptyCall({});
    assert.equal(reply.$unknown, undefined);
  },

  async large_unary() {
    const reply = await client.unaryCall({ responseSize: largeReplySize, payload: createPayload(largeRequestSize) });
    assert.equal(sizeOf(reply), largeReplySize);
  },

  async client_streaming() {
    async function* requests() {
      for (const size of requestSizes) yield { payload: createPayload(size) };
    }
    const reply = await client.streamingInputCall(requests());
    assert.equal(reply.aggregatedPayloadSize, 74922);
  },

  async server_streaming() {
    const sizes = [];
    const replies = client.streamingOutputCall({ responseParameters: replySizes.map((size) => ({ size })) });
    for await (const reply of replies) sizes.push(sizeOf(reply));
    assert.deepEqual(sizes, replySizes);
  },

  async ping_pong() {
    // Each request is sent when the reply to the one before is there.
    const received: number[] = [];
    let pong = Promise.withResolvers<void>();
    async function* requests() {
      for (const [i, size] of requestSizes.entries()) {
        assert.equal(received.length, i);
        pong = Promise.withResolvers();
        yield { responseParameters: [{ size: replySizes[i]! }], payload: createPayload(size) };
        await pong.promise;
      }
    }
    for await (const reply of client.fullDuplexCall(requests())) {
      received.push(sizeOf(reply));
      pong.resolve();
    }
    assert.deepEqual(received, replySizes);
  },

  async empty_stream() {
    assert.deepEqual(await collect(client.fullDuplexCall(none())), []);
  },

  async timeout_on_sleeping_server() {
    async function* requests() {
      yield { payload: createPayload(27182) };
      await forever;
    }
    await assert.rejects(collect(client.fullDuplexCall(requests(), { timeoutMs: 1 })), hasCode(504));
  },

  async cancel_after_begin() {
    const controller = new AbortController();
    async function* requests() {
      // A client asks for the first message when the call is open.
      controller.abort();
      await forever;
      yield {};
    }
    await assert.rejects(client.streamingInputCall(requests(), { signal: controller.signal }), hasCode(499));
  },

  async cancel_after_first_response() {
    const controller = new AbortController();
    async function* requests() {
      yield { responseParameters: [{ size: 31415 }], payload: createPayload(27182) };
      await forever;
    }
    const replies = client.fullDuplexCall(requests(), { signal: controller.signal })[Symbol.asyncIterator]();
    try {
      const { value } = await replies.next();
      assert.equal(sizeOf(value as StreamingOutputCallResponse), 31415);
    } finally {
      controller.abort();
    }
    await assert.rejects(replies.next(), hasCode(499));
  },

  async status_code_and_message() {
    const responseStatus = { code: unknownCode, message: statusMessage };
    const { onTrailers, trailers } = watchTrailers();
    await assert.rejects(client.unaryCall({ responseStatus }, { onTrailers }), { message: statusMessage });
    assert.equal(trailers()?.get("grpc-status"), String(unknownCode));

    const stream = watchTrailers();
    const replies = client.fullDuplexCall(only({ responseStatus }), { onTrailers: stream.onTrailers });
    await assert.rejects(collect(replies), { message: statusMessage });
    assert.equal(stream.trailers()?.get("grpc-status"), String(unknownCode));
  },

  async special_status_message() {
    const responseStatus = { code: unknownCode, message: specialMessage };
    const { onTrailers, trailers } = watchTrailers();
    await assert.rejects(client.unaryCall({ responseStatus }, { onTrailers }), { message: specialMessage });
    assert.equal(trailers()?.get("grpc-status"), String(unknownCode));
  },

  async custom_metadata() {
    const metadata = { [echoInitial]: initialValue, [echoTrailing]: trailingValue.toString("base64") };
    const unary = watchMetadata();
    const reply = await client.unaryCall(
      { responseSize: 1, payload: createPayload(1) },
      { metadata, ...unary.callbacks },
    );
    assert.equal(sizeOf(reply), 1);
    unary.check();

    const stream = watchMetadata();
    const request = { responseParameters: [{ size: 1 }], payload: createPayload(1) };
    const replies = await collect(client.fullDuplexCall(only(request), { metadata, ...stream.callbacks }));
    assert.deepEqual(replies.map(sizeOf), [1]);
    stream.check();
  },

  async unimplemented_method() {
    await assert.rejects(client.unimplementedCall({}), hasCode(501));
  },

  async unimplemented_service() {
    await assert.rejects(unimplementedClient.unimplementedCall({}), hasCode(501));
  },
};

// Nothing keeps the process alive for it.
const forever = new Promise<never>(() => {});

async function* none(): AsyncIterable<never> {}

async function* only<T>(value: T): AsyncIterable<T> {
  yield value;
}

function createPayload(size: number): { body: Uint8Array } {
  return { body: new Uint8Array(size) };
}

function sizeOf({ payload }: { payload?: Payload | undefined }): number {
  return payload?.body.length ?? 0;
}

function hasCode(code: number): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof ServiceError, `not a ServiceError: ${error}`);
    assert.equal(error.code, code, `code ${error.code} (${error.message}) instead of ${code}`);
    return true;
  };
}

function watchTrailers(): { onTrailers: (trailers: Metadata) => void; trailers: () => Metadata | undefined } {
  let seen: Metadata | undefined;
  return {
    onTrailers: (trailers) => {
      seen = trailers;
    },
    trailers: () => seen,
  };
}

function watchMetadata() {
  let headers: Metadata | undefined;
  let trailers: Metadata | undefined;
  return {
    callbacks: {
      onHeaders: (metadata: Metadata) => {
        headers = metadata;
      },
      onTrailers: (metadata: Metadata) => {
        trailers = metadata;
      },
    },
    check() {
      assert.deepEqual(headers?.getAll(echoInitial), [initialValue]);
      const values = trailers?.getAll(echoTrailing).map((value) => Buffer.from(value, "base64"));
      assert.deepEqual(values, [trailingValue]);
    },
  };
}

await runCases(cases);
await client[Symbol.asyncDispose]();
await unimplementedClient[Symbol.asyncDispose]();
