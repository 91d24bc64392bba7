import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createServiceClient, type Metadata, type ServiceClient } from "@clew/rpc";
import { GrpcClient, type GrpcServer } from "@clew/transport/grpc";
import * as grpcJs from "@grpc/grpc-js";
import { failureOf } from "./failure-of.ts";
import { Echo, type EchoMessage, EchoMessageSchema } from "./gen/test/v1/test_pb.ts";
import { collect, createEchoClient, startServer, texts } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";

// The same contract in the words of grpc-js.
const definition = Object.fromEntries(
  Echo.methods.map((method) => [
    method.localName,
    {
      path: `/${Echo.typeName}/${method.name}`,
      requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
      responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
      requestSerialize: serialize,
      requestDeserialize: deserialize,
      responseSerialize: serialize,
      responseDeserialize: deserialize,
    },
  ]),
);

function serialize(message: EchoMessage): Buffer {
  return Buffer.from(toBinary(EchoMessageSchema, message));
}

function deserialize(bytes: Buffer): EchoMessage {
  return fromBinary(EchoMessageSchema, bytes);
}

const message = (text: string, count = 0, payload: Uint8Array = new Uint8Array()): EchoMessage =>
  create(EchoMessageSchema, { text, count, payload });

describe("grpc-js calls our server", () => {
  let server: GrpcServer;
  let client: grpcJs.Client;
  before(async () => {
    server = await startServer({ compression: "gzip" });
    client = new grpcJs.Client(server.endpoint().host, grpcJs.credentials.createInsecure());
  });
  after(async () => {
    client.close();
    await server.stop(AbortSignal.timeout(1000));
  });

  interface Outcome {
    reply?: EchoMessage | undefined;
    error?: grpcJs.ServiceError;
    headers?: grpcJs.Metadata;
    trailers?: grpcJs.Metadata;
  }

  function unary(
    request: EchoMessage,
    metadata = new grpcJs.Metadata(),
    options: grpcJs.CallOptions = {},
  ): Promise<Outcome> {
    return new Promise((resolve) => {
      const outcome: Outcome = {};
      const finish = (): void => {
        if ((outcome.reply ?? outcome.error) !== undefined && outcome.trailers !== undefined) resolve(outcome);
      };
      client
        .makeUnaryRequest("/test.v1.Echo/Unary", serialize, deserialize, request, metadata, options, (error, reply) => {
          if (error !== null) outcome.error = error;
          outcome.reply = reply;
          finish();
        })
        .on("metadata", (headers) => {
          outcome.headers = headers;
        })
        .on("status", (status) => {
          outcome.trailers = status.metadata;
          finish();
        });
    });
  }

  it("unary, with metadata, repeated and binary, both ways", async () => {
    const metadata = new grpcJs.Metadata();
    metadata.add("x-echo-a", "1");
    metadata.add("x-echo-a", "2");
    metadata.add("x-echo-b-bin", Buffer.from([0, 255, 1]));
    metadata.add("x-echo-b-bin", Buffer.from([7]));
    metadata.set("x-trail-c", "3");
    const { reply, headers, trailers } = await unary(message("hi", 1, Buffer.from([9])), metadata);
    assert.equal(reply?.text, "hi");
    assert.deepEqual([...reply!.payload], [9]);
    // grpc-js reads repeated text keys as one value, as HTTP has it.
    assert.equal(headers?.get("x-echo-a").join(", "), "1, 2");
    assert.deepEqual(headers.get("x-echo-b-bin"), [Buffer.from([0, 255, 1]), Buffer.from([7])]);
    assert.deepEqual(trailers?.get("x-trail-c"), ["3"]);
  });

  it("unary, in gzip both ways", async () => {
    const payload = Buffer.alloc(100_000, "abc");
    const zipped = new grpcJs.Client(server.endpoint().host, grpcJs.credentials.createInsecure(), {
      "grpc.default_compression_algorithm": grpcJs.compressionAlgorithms.gzip,
    });
    const reply = await new Promise<EchoMessage | undefined>((resolve, reject) => {
      zipped.makeUnaryRequest(
        "/test.v1.Echo/Unary",
        serialize,
        deserialize,
        message("z", 1, payload),
        (error, value) => {
          if (error === null) resolve(value);
          else reject(error);
        },
      );
    });
    zipped.close();
    assert.ok(payload.equals(reply!.payload));
  });

  it("an error with its details", async () => {
    const { error } = await unary(message("fail"));
    assert.equal(error?.code, grpcJs.status.NOT_FOUND);
    assert.equal(error.details, "no book “ü” at 100%");
    const details = error.metadata.get("grpc-status-details-bin")[0] as Buffer;
    assert.ok(details.includes("BOOK_NOT_FOUND") && details.includes("höher"));
  });

  it("a crash, which gives nothing away", async () => {
    const { error } = await unary(message("crash"));
    assert.equal(error?.code, grpcJs.status.INTERNAL);
    assert.ok(!error.message.includes("secret"));
  });

  it("an unknown method", async () => {
    const error = await new Promise<grpcJs.ServiceError | null>((resolve) => {
      client.makeUnaryRequest("/test.v1.Echo/Nope", serialize, deserialize, message(""), resolve);
    });
    assert.equal(error?.code, grpcJs.status.UNIMPLEMENTED);
  });

  it("with a deadline that passes on the server", async () => {
    const { error } = await unary(message("wait"), undefined, { deadline: Date.now() + 60 });
    assert.equal(error?.code, grpcJs.status.DEADLINE_EXCEEDED);
  });

  it("a stream of replies", async () => {
    const call = client.makeServerStreamRequest("/test.v1.Echo/ServerStream", serialize, deserialize, message("a", 3));
    assert.deepEqual(
      (await collect<EchoMessage>(call)).map((reply) => reply.count),
      [0, 1, 2],
    );
  });

  it("a stream of replies that fails after its messages", async () => {
    const call = client.makeServerStreamRequest(
      "/test.v1.Echo/ServerStream",
      serialize,
      deserialize,
      message("fail", 2),
    );
    const counts: number[] = [];
    await assert.rejects(
      async () => {
        for await (const reply of call as AsyncIterable<EchoMessage>) counts.push(reply.count);
      },
      { code: grpcJs.status.NOT_FOUND },
    );
    assert.deepEqual(counts, [0, 1]);
  });

  it("a stream of requests", async () => {
    const reply = await new Promise<EchoMessage | undefined>((resolve, reject) => {
      const call = client.makeClientStreamRequest<EchoMessage, EchoMessage>(
        "/test.v1.Echo/ClientStream",
        serialize,
        deserialize,
        (error, value) => (error === null ? resolve(value) : reject(error)),
      );
      for (const text of ["a", "b"]) call.write(message(text));
      call.end();
    });
    assert.equal(reply?.text, "a,b");
  });

  it("a stream of requests that the server has enough of", async () => {
    const call = await new Promise<EchoMessage | undefined>((resolve, reject) => {
      const stream = client.makeClientStreamRequest<EchoMessage, EchoMessage>(
        "/test.v1.Echo/ClientStream",
        serialize,
        deserialize,
        (error, value) => (error === null ? resolve(value) : reject(error)),
      );
      for (const text of ["a", "enough"]) stream.write(message(text));
    });
    assert.equal(call?.text, "a");
  });

  it("streams both ways, one answer for each question", async () => {
    const call = client.makeBidiStreamRequest<EchoMessage, EchoMessage>(
      "/test.v1.Echo/BidiStream",
      serialize,
      deserialize,
    );
    const replies = (call as AsyncIterable<EchoMessage>)[Symbol.asyncIterator]();
    for (const text of ["a", "b"]) {
      call.write(message(text));
      assert.equal((await replies.next()).value?.text, text);
    }
    call.end();
    assert.equal((await replies.next()).value?.text, "end");
    assert.equal((await replies.next()).done, true);
  });
});

describe("our client calls grpc-js", () => {
  let server: grpcJs.Server;
  let client: ServiceClient<typeof Echo>;
  let port: number;
  before(async () => {
    server = new grpcJs.Server();
    server.addService(definition, grpcJsImplementation as unknown as grpcJs.UntypedServiceImplementation);
    port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", grpcJs.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    client = createServiceClient(Echo, new GrpcClient({ endpoint: `127.0.0.1:${port}` }), { timeoutMs: patientMs });
  });
  after(async () => {
    await client[Symbol.asyncDispose]();
    server.forceShutdown();
  });

  it("unary, with metadata, repeated and binary, both ways", async () => {
    let headers: Metadata | undefined;
    let trailers: Metadata | undefined;
    const reply = await client.unary(
      { text: "hi", payload: new Uint8Array([9]) },
      {
        metadata: [
          ["x-echo-a", "1"],
          ["x-echo-a", "2"],
          ["x-echo-b-bin", "AP8B"],
          ["x-echo-b-bin", "Bw=="],
          ["x-trail-c", "3"],
        ],
        onHeaders: (given) => {
          headers = given;
        },
        onTrailers: (given) => {
          trailers = given;
        },
      },
    );
    assert.equal(reply.text, "hi");
    assert.equal(headers?.getAll("x-echo-a").join(", "), "1, 2");
    assert.deepEqual(headers.getAll("x-echo-b-bin"), ["AP8B", "Bw"]);
    assert.deepEqual(trailers?.getAll("x-trail-c"), ["3"]);
    assert.equal(trailers.get("grpc-status"), undefined);
  });

  it("unary, in gzip both ways", async () => {
    const payload = Buffer.alloc(100_000, "abc");
    const zipped = createEchoClient(new GrpcClient({ endpoint: `127.0.0.1:${port}`, compression: "gzip" }));
    const reply = await zipped.unary({ text: "gzip", payload }, { metadata: { "x-echo-encoding": "gzip" } });
    assert.ok(payload.equals(reply.payload));
  });

  it("an error with its details", async () => {
    const error = await failureOf(client.unary({ text: "fail" }));
    assert.equal(error.code, 400);
    assert.equal(error.message, "not “now”");
    assert.equal(error.reason, "");
  });

  it("with a deadline, which the server is told", async () => {
    const error = await failureOf(client.unary({ text: "wait" }, { timeoutMs: 50 }));
    assert.equal(error.code, 504);
    const reply = await client.unary({ text: "deadline" }, { timeoutMs: 60_000 });
    assert.ok(reply.count > 30_000 && reply.count <= 60_000, `${reply.count} ms were left`);
  });

  it("a stream of replies", async () => {
    const replies = await collect(client.serverStream({ text: "a", count: 3 }));
    assert.deepEqual(
      replies.map((reply) => reply.count),
      [0, 1, 2],
    );
  });

  it("a stream of replies that fails after its messages", async () => {
    const counts: number[] = [];
    const error = await failureOf(
      (async () => {
        for await (const reply of client.serverStream({ text: "fail", count: 2 })) counts.push(reply.count);
      })(),
    );
    assert.equal(error.code, 400);
    assert.deepEqual(counts, [0, 1]);
  });

  it("a stream of requests", async () => {
    assert.equal((await client.clientStream(texts("a", "b"))).text, "a,b");
  });

  it("streams both ways, one answer for each question", async () => {
    let ask: ((text: string | undefined) => void) | undefined;
    const say = async (text: string | undefined): Promise<void> => {
      while (ask === undefined) await new Promise((resolve) => setImmediate(resolve));
      const tell = ask;
      ask = undefined;
      tell(text);
    };
    async function* questions(): AsyncIterable<{ text: string }> {
      for (;;) {
        const text = await new Promise<string | undefined>((resolve) => {
          ask = resolve;
        });
        if (text === undefined) return;
        yield { text };
      }
    }
    const replies = client.bidiStream(questions())[Symbol.asyncIterator]();
    for (const text of ["a", "b"]) {
      const reply = replies.next();
      await say(text);
      assert.equal((await reply).value?.text, text);
    }
    const last = replies.next();
    await say(undefined);
    assert.equal((await last).done, true);
  });

  it("a method that is not there", async () => {
    const method = { ...Echo.methods[0]!, name: "Nope" };
    const other = createServiceClient(
      { ...Echo, methods: [method] } as unknown as typeof Echo,
      new GrpcClient({ endpoint: `127.0.0.1:${port}` }),
    );
    const error = await failureOf(other.unary({}));
    await other[Symbol.asyncDispose]();
    assert.equal(error.code, 501);
  });
});

// A service as people write it over grpc-js.
const failure = { code: grpcJs.status.FAILED_PRECONDITION, details: "not “now”" };

const grpcJsImplementation = {
  unary(call: grpcJs.ServerUnaryCall<EchoMessage, EchoMessage>, reply: grpcJs.sendUnaryData<EchoMessage>): void {
    const headers = new grpcJs.Metadata();
    const trailers = new grpcJs.Metadata();
    for (const name of Object.keys(call.metadata.getMap())) {
      const target = name.startsWith("x-echo-") ? headers : name.startsWith("x-trail-") ? trailers : undefined;
      for (const value of call.metadata.get(name)) target?.add(name, value);
    }
    call.sendMetadata(headers);
    if (call.request.text === "fail") reply(failure);
    else if (call.request.text === "deadline")
      reply(null, message("", Number(call.getDeadline()) - Date.now()), trailers);
    else if (call.request.text !== "wait") reply(null, call.request, trailers);
  },
  serverStream(call: grpcJs.ServerWritableStream<EchoMessage, EchoMessage>): void {
    for (let count = 0; count < call.request.count; count++) call.write(message(call.request.text, count));
    if (call.request.text === "fail") call.emit("error", failure);
    else call.end();
  },
  clientStream(
    call: grpcJs.ServerReadableStream<EchoMessage, EchoMessage>,
    reply: grpcJs.sendUnaryData<EchoMessage>,
  ): void {
    const all: string[] = [];
    call.on("data", (request: EchoMessage) => all.push(request.text));
    call.on("end", () => reply(null, message(all.join(","))));
  },
  bidiStream(call: grpcJs.ServerDuplexStream<EchoMessage, EchoMessage>): void {
    call.on("data", (request: EchoMessage) => call.write(request));
    call.on("end", () => call.end());
  },
};
