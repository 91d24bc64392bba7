// Only over gRPC: streams, what every server tells of itself, and messages in JSON.
import assert from "node:assert/strict";
import { type Answer, assertFailure, assertReply, type Case, callBehaviour, callRules, type Pair } from "./pair.ts";
import { child } from "./rule-cases.ts";

function callStream(pair: Pair, method: string, requests: object[]): Promise<Answer> {
  return pair.client.call({ service: "interop.v1.Streams", endpoint: pair.server.endpoints.grpc, method, requests });
}

function assertStreamFailed(answer: Answer, code: number): void {
  const failure = assertFailure(answer, code, "STREAM_FAILED");
  assert.equal(failure.message, "as it was told");
  assert.deepEqual(failure.metadata, { code: "as asked" });
}

function callOwn(pair: Pair, service: string, method: string, requests: object[]): Promise<Answer> {
  return pair.client.call({ service, endpoint: pair.server.endpoints.grpc, method, requests });
}

const reflections = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

const streamCases: Case[] = [
  {
    name: "stream: the server's",
    async run(pair) {
      const { replies, error } = await callStream(pair, "Down", [{ count: 3, number: 7 }]);
      assert.equal(error, undefined);
      assert.deepEqual(
        replies,
        [1, 2, 3].map((count) => ({ count, number: 7 })),
      );
    },
  },
  {
    name: "stream: the server's, of nothing",
    run: async (pair) => assert.deepEqual((await callStream(pair, "Down", [{}])).replies, []),
  },
  {
    name: "stream: the server's fails after three messages",
    async run(pair) {
      const answer = await callStream(pair, "Down", [{ count: 3, failCode: 404 }]);
      assert.equal(answer.replies.length, 3);
      assertStreamFailed(answer, 404);
    },
  },
  {
    name: "stream: the client's",
    run: async (pair) =>
      assertReply(await callStream(pair, "Up", [{ number: 1 }, { number: 2 }, { number: 3 }]), { count: 3, number: 6 }),
  },
  {
    name: "stream: the client's, of nothing",
    run: async (pair) => assertReply(await callStream(pair, "Up", []), {}),
  },
  {
    name: "stream: the client's fails in the middle",
    run: async (pair) => assertStreamFailed(await callStream(pair, "Up", [{}, { failCode: 409 }, {}]), 409),
  },
  {
    name: "stream: both",
    async run(pair) {
      const { replies, error } = await callStream(pair, "Both", [{ number: 1 }, { number: 2 }]);
      assert.equal(error, undefined);
      assert.deepEqual(replies, [
        { count: 1, number: 1 },
        { count: 2, number: 2 },
      ]);
    },
  },
  {
    name: "stream: both, fails in the middle",
    async run(pair) {
      const answer = await callStream(pair, "Both", [{ number: 1 }, { failCode: 403 }, { number: 3 }]);
      assert.deepEqual(answer.replies, [{ count: 1, number: 1 }]);
      assertStreamFailed(answer, 403);
    },
  },
  {
    name: "health: of the server and of a service",
    async run(pair) {
      const check = (service: string): Promise<Answer> =>
        callOwn(pair, "grpc.health.v1.Health", "Check", [{ service }]);
      assertReply(await check(""), { status: "SERVING" });
      assertFailure(await check("nope"), 404);
    },
  },
  ...reflections.map(
    (service): Case => ({
      name: `reflection: ${service.split(".")[2]}`,
      async run(pair) {
        const { replies, error } = await callOwn(pair, service, "ServerReflectionInfo", [
          { listServices: "" },
          { fileContainingSymbol: "interop.v1.Rules" },
          { fileContainingSymbol: "interop.v1.Nope" },
        ]);
        assert.equal(error, undefined, JSON.stringify(error));
        const [list, file, none] = replies as Record<string, Record<string, unknown>>[];
        const names = ((list?.listServicesResponse?.service ?? []) as { name: string }[]).map(({ name }) => name);
        for (const name of ["interop.v1.Rules", "interop.v1.Streams", ...reflections])
          assert.ok(names.includes(name), name);
        const files = file?.fileDescriptorResponse?.fileDescriptorProto as string[];
        assert.ok(files.some((one) => Buffer.from(one, "base64").includes("interop/v1/interop.proto")));
        assert.equal(none?.errorResponse?.errorCode, 5);
      },
    }),
  ),
  {
    name: "kratos.api.Metadata",
    async run(pair) {
      const { replies } = await callOwn(pair, "kratos.api.Metadata", "ListServices", [{}]);
      const { services, methods } = replies[0] as { services: string[]; methods: string[] };
      assert.ok(services.includes("interop.v1.Rules") && services.includes("kratos.api.Metadata"));
      assert.ok(methods.includes("/interop.v1.Rules/Get"));
      const described = await callOwn(pair, "kratos.api.Metadata", "GetServiceDesc", [{ name: "interop.v1.Rules" }]);
      assert.equal(described.error, undefined, JSON.stringify(described.error));
      const { file } = (described.replies[0] as { fileDescSet: { file: { name: string }[] } }).fileDescSet;
      assert.equal(file.at(-1)?.name, "interop/v1/interop.proto");
      assertFailure(await callOwn(pair, "kratos.api.Metadata", "GetServiceDesc", [{ name: "nope" }]), 404);
    },
  },
];

const jsonOverGrpc: Case = {
  name: "application/grpc+json",
  protocol: "grpc",
  async run(pair) {
    const request = { id: "7", tags: ["x"], child };
    assertReply(await callRules(pair, "Create", request, { codec: "json" }), request);
    assertFailure(await callBehaviour(pair, "Fail", { code: 409, reason: "X" }, { codec: "json" }), 409, "X");
  },
};

export const grpcCases: readonly Case[] = [
  ...streamCases.map((one) => ({ ...one, protocol: "grpc" as const })),
  jsonOverGrpc,
];
