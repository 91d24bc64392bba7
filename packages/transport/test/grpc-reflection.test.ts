import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { createServiceClient } from "@clew/rpc";
import type { GrpcServer } from "@clew/transport/grpc";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from "../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as Alpha } from "../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { failureOf } from "./failure-of.ts";
import { collect, connectTo, startServer } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";

type Question = ServerReflectionRequest["messageRequest"];
type Answer = ServerReflectionResponse["messageResponse"];

/** What a server answers to questions on one stream. */
async function ask(server: GrpcServer, ...questions: Question[]): Promise<Answer[]> {
  const client = createServiceClient(ServerReflection, connectTo(server));
  async function* requests(): AsyncIterable<{ host: string; messageRequest: Question }> {
    for (const messageRequest of questions) yield { host: "here", messageRequest };
  }
  const replies = await collect(client.serverReflectionInfo(requests()));
  assert.deepEqual(
    replies.map(({ originalRequest }) => originalRequest?.messageRequest.case),
    questions.map((question) => question.case),
  );
  await client[Symbol.asyncDispose]();
  return replies.map((reply) => reply.messageResponse);
}

const symbol = (value: string): Question => ({ case: "fileContainingSymbol", value });

function filesOf(answer: Answer | undefined): FileDescriptorProto[] {
  assert.equal(answer?.case, "fileDescriptorResponse");
  return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
}

describe("grpc.reflection", () => {
  it("lists the services", async () => {
    const [answer] = await ask(await startServer(), { case: "listServices", value: "" });
    assert.equal(answer?.case, "listServicesResponse");
    assert.deepEqual(
      answer.value.service.map(({ name }) => name),
      [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "kratos.api.Metadata",
        "test.v1.Echo",
      ],
    );
  });

  it("gives the files of a symbol, from which the service can be called", async () => {
    const [answer] = await ask(await startServer(), symbol("test.v1.Echo"));
    const files = filesOf(answer);
    // The one that was asked for comes first, those that it needs after it.
    const registry = createFileRegistry(files[0]!, (name) => files.find((file) => file.name === name));
    assert.equal(registry.getService("test.v1.Echo")?.method.unary?.input.typeName, "test.v1.EchoMessage");
  });

  it("finds types, methods, fields and values by their names, and files by theirs", async () => {
    const server = await startServer();
    const [method, type, field, value, byName] = await ask(
      server,
      symbol("test.v1.Echo.Unary"),
      symbol("test.v1.EchoMessage"),
      symbol("test.v1.EchoMessage.text"),
      symbol("grpc.health.v1.HealthCheckResponse.ServingStatus.SERVING"),
      { case: "fileByFilename", value: "grpc/health/v1/health.proto" },
    );
    for (const answer of [method, type, field]) assert.equal(filesOf(answer)[0]?.package, "test.v1");
    for (const answer of [value, byName]) assert.equal(filesOf(answer)[0]?.name, "grpc/health/v1/health.proto");
  });

  it("answers NOT_FOUND to what is not there, and goes on", async () => {
    const server = await startServer();
    const answers = await ask(
      server,
      symbol("test.v1.Nope"),
      symbol("test.v1.Echo.Nope"),
      symbol(""),
      { case: "fileByFilename", value: "nope.proto" },
      { case: "allExtensionNumbersOfType", value: "nope.Type" },
      { case: undefined },
      { case: "allExtensionNumbersOfType", value: "test.v1.EchoMessage" },
    );
    assert.deepEqual(
      answers.map((answer) => (answer.case === "errorResponse" ? answer.value.errorCode : answer.case)),
      [5, 5, 5, 5, 5, 3, "allExtensionNumbersResponse"],
    );
  });

  it("speaks v1alpha as well", async () => {
    const client = createServiceClient(Alpha, connectTo(await startServer()), { timeoutMs: patientMs });
    async function* requests() {
      yield { messageRequest: { case: "fileContainingSymbol" as const, value: "test.v1.Echo" } };
    }
    const [reply] = await collect(client.serverReflectionInfo(requests()));
    assert.equal(reply?.messageResponse.case, "fileDescriptorResponse");
    await client[Symbol.asyncDispose]();
  });

  it("is left out when that is asked for", async () => {
    const client = createServiceClient(ServerReflection, connectTo(await startServer({ reflection: false })));
    async function* requests(): AsyncIterable<object> {
      yield {};
    }
    assert.equal((await failureOf(collect(client.serverReflectionInfo(requests())))).code, 501);
    await client[Symbol.asyncDispose]();
  });
});
