import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFileRegistry } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createServiceClient } from "@clew/rpc";
import { Metadata } from "../src/gen/kratos/api/metadata_pb.ts";
import { failureOf } from "./failure-of.ts";
import { connectTo, startServer } from "./grpc-echo.ts";
import { patientMs } from "./patient-ms.ts";

describe("kratos.api.Metadata", () => {
  it("lists services and operations", async () => {
    const client = createServiceClient(Metadata, connectTo(await startServer()), { timeoutMs: patientMs });
    const { services, methods } = await client.listServices({});
    assert.deepEqual(services, ["grpc.health.v1.Health", "kratos.api.Metadata", "test.v1.Echo"]);
    assert.ok(methods.includes("/test.v1.Echo/Unary"));
    assert.deepEqual(methods, methods.toSorted());
    await client[Symbol.asyncDispose]();
  });

  it("gives a service's file after those it imports, from which it can be called", async () => {
    const client = createServiceClient(Metadata, connectTo(await startServer()), { timeoutMs: patientMs });
    const { fileDescSet } = await client.getServiceDesc({ name: "test.v1.Echo" });
    assert.equal(fileDescSet?.$typeName, FileDescriptorSetSchema.typeName);
    const seen = new Set<string>();
    for (const { name, dependency } of fileDescSet.file) {
      for (const one of dependency) assert.ok(seen.has(one), `${one} comes after ${name}`);
      seen.add(name);
    }
    const registry = createFileRegistry(fileDescSet);
    assert.equal(registry.getService("test.v1.Echo")?.method.unary?.input.typeName, "test.v1.EchoMessage");
    await client[Symbol.asyncDispose]();
  });

  it("answers NOT_FOUND to a service that is not served", async () => {
    const client = createServiceClient(Metadata, connectTo(await startServer()), { timeoutMs: patientMs });
    assert.equal((await failureOf(client.getServiceDesc({ name: "test.v1.Nope" }))).code, 404);
    await client[Symbol.asyncDispose]();
  });

  it("is left out with reflection", async () => {
    const client = createServiceClient(Metadata, connectTo(await startServer({ reflection: false })), {
      timeoutMs: patientMs,
    });
    assert.equal((await failureOf(client.listServices({}))).code, 501);
    await client[Symbol.asyncDispose]();
  });
});
