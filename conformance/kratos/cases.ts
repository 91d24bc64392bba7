import assert from "node:assert/strict";

/** What a peer is told to call; see peer.ts. */
interface Command {
  readonly method: string;
  readonly service?: string;
  readonly requests?: object[];
  readonly [option: string]: unknown;
}

interface Failure {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly metadata: Record<string, string> | null;
}

interface Answer {
  readonly replies: Record<string, unknown>[];
  readonly error?: Failure;
}

interface SpanRecord {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: "client" | "server";
}

interface Peer {
  readonly name: "clew" | "kratos";
  readonly endpoints: { readonly http: string; readonly grpc: string };
  call(command: Command & { endpoint: string; service: string }): Promise<Answer>;
  spans(traceId: string): Promise<SpanRecord[]>;
}

type Protocol = "http" | "grpc";

/** Who calls whom, over which protocol. */
export interface Pair {
  readonly client: Peer;
  readonly server: Peer;
  readonly protocol: Protocol;
}

export interface Case<P = Pair> {
  readonly name: string;
  /** Default: both. */
  readonly protocol?: Protocol;
  run(pair: P): Promise<void>;
}

function callRules(pair: Pair, method: string, request: object, options: object = {}): Promise<Answer> {
  const endpoint = pair.server.endpoints[pair.protocol];
  return pair.client.call({ service: "interop.v1.Rules", endpoint, method, requests: [request], ...options });
}

function callBehaviour(pair: Pair, method: string, request: object, options: object = {}): Promise<Answer> {
  const endpoint = pair.server.endpoints[pair.protocol];
  return pair.client.call({ service: "interop.v1.Behaviour", endpoint, method, requests: [request], ...options });
}

function assertReply({ replies, error }: Answer, expected: unknown): void {
  assert.equal(error, undefined, `failed: ${JSON.stringify(error)}`);
  assert.deepEqual(replies, [expected]);
}

function assertFailure({ replies, error }: Answer, code: number, reason?: string): Failure {
  assert.ok(error !== undefined, `did not fail: ${JSON.stringify(replies)}`);
  assert.equal(
    `${error.code} ${reason === undefined ? "" : error.reason}`,
    `${code} ${reason ?? ""}`,
    JSON.stringify(error),
  );
  return error;
}

// 1. The rules of google.api.http

interface RuleSample {
  readonly name: string;
  readonly method: string;
  readonly request: object;
  /** Over HTTP, where that is not the request. */
  readonly httpReply?: object;
}

const child = { name: "c", size: 3, child: { name: "d" } };

const ruleSamples: RuleSample[] = [
  { name: "get", method: "Get", request: { id: "7" } },
  {
    name: "get with a query",
    method: "Get",
    request: { id: "7", name: "a b&c=d+e/ü", userId: "u", tags: ["x", "y z"], child },
  },
  { name: "get with a space and ü in the path", method: "Get", request: { id: "a b ü" } },
  { name: "get with reserved characters in the path", method: "Get", request: { id: "a/b?c#d%2F" } },
  { name: "post, body *", method: "Create", request: { id: "7", name: "n", tags: ["x"], child } },
  { name: "put, body a field", method: "Update", request: { id: "7", child } },
  { name: "put, body a field, and the rest", method: "Update", request: { id: "7", name: "n", child } },
  { name: "delete", method: "Delete", request: { id: "7", name: "n" } },
  { name: "patch, body * and a variable", method: "Patch", request: { id: "7", name: "n", child } },
  { name: "nested variables", method: "Nested", request: { id: "7", child: { name: "c", child: { name: "d" } } } },
  {
    name: "response_body a message",
    method: "ReplyField",
    request: { id: "7", child: { name: "c", size: 3 } },
    httpReply: { child: { name: "c", size: 3 } },
  },
  {
    name: "response_body a list",
    method: "ReplyList",
    request: { id: "7", tags: ["x", "y"] },
    httpReply: { tags: ["x", "y"] },
  },
  { name: "a verb after the path", method: "Cancel", request: { id: "7", name: "n" } },
  { name: "a variable whose JSON name differs", method: "SnakeVariable", request: { userId: "7", name: "n" } },
  { name: "a variable with a pattern", method: "Pattern", request: { name: "shelves/3", id: "7" } },
];

const ruleCases: Case[] = ruleSamples.map(({ name, method, request, httpReply = request }) => ({
  name: `rule: ${name}`,
  async run(pair) {
    assertReply(await callRules(pair, method, request), pair.protocol === "http" ? httpReply : request);
  },
}));

// 2. Fields, in bodies and in queries

const longText = 'a b&c=d+e/ü\u{1f600}"\\\n';

const fieldSamples: Record<string, object> = {
  "nothing set": {},
  bool: { boolValue: true },
  "32 bits": { int32Value: -2147483648, uint32Value: 4294967295, fixed32Value: 4294967295 },
  "64 bits": {
    int64Value: "-9223372036854775808",
    uint64Value: "18446744073709551615",
    sint64Value: "-9007199254740993",
    sfixed64Value: "9223372036854775807",
  },
  "float and double": { floatValue: 1.5, doubleValue: 1e-7 },
  infinity: { doubleValue: "-Infinity", floatValue: "Infinity" },
  "not a number": { doubleValue: "NaN" },
  string: { stringValue: longText },
  bytes: { bytesValue: "AAECAw==" },
  "bytes that need - and _": { bytesValue: "+/+/-w==".replace("-", "+") },
  enum: { kind: "KIND_LARGE" },
  "an enum value that nobody knows": { kind: 77 },
  "optional with its zero": { optionalValue: 0 },
  lists: { int64List: ["1", "-2", "3"], stringList: ["a", "", longText], kindList: ["KIND_SMALL", "KIND_LARGE"] },
  "a map of text": { textMap: { a: "1", "b c": "ü" } },
  "a map of messages": { childMap: { "-1": { name: "x" }, "2": { name: "y", size: 4 } } },
  message: { child: { name: "x", size: -1, child: { name: "y" } } },
  "list of messages": { childList: [{ name: "x" }, {}] },
  "oneof text": { choiceText: "x" },
  "oneof with its zero": { choiceNumber: "0" },
  "oneof message": { choiceChild: { name: "x" } },
  timestamp: { time: "2024-02-29T23:59:59Z" },
  "timestamp with nanoseconds": { time: "2024-02-29T23:59:59.123456789Z" },
  "timestamp before 1970": { time: "1969-12-31T23:59:59.500Z" },
  duration: { duration: "3.500s" },
  "negative duration": { duration: "-90.000000001s" },
  "field mask": { mask: "intValue,child.name" },
  struct: { structValue: { a: 1, b: [true, null, "x"], c: { d: 0.5 } } },
  value: { box: { value: "text" } },
  "value null": { box: { value: null } },
  wrappers: { stringWrapper: "x", int64Wrapper: "9007199254740993", boolWrapper: true, doubleWrapper: 0.1 },
  "wrappers of zeros": { stringWrapper: "", int64Wrapper: "0", boolWrapper: false, doubleWrapper: 0 },
  "wrapper of bytes": { bytesWrapper: "AAECAw==" },
};

/** What has no form in a query: maps of messages and lists of them. */
const bodyOnly = new Set(["a map of messages", "list of messages"]);

const fieldCases: Case[] = Object.entries(fieldSamples).flatMap(([name, request]): Case[] => {
  const run =
    (method: string, options: object) =>
    async (pair: Pair): Promise<void> =>
      assertReply(await callRules(pair, method, request, options), request);
  return [
    { name: `body: ${name}`, run: run("EchoBody", {}) },
    { name: `binary body: ${name}`, protocol: "http", run: run("EchoBody", { codec: "proto" }) },
    ...(bodyOnly.has(name) ? [] : [{ name: `query: ${name}`, protocol: "http" as const, run: run("EchoQuery", {}) }]),
  ];
});

// 3. Errors

const tableCodes = [400, 401, 403, 404, 409, 412, 429, 499, 500, 501, 503, 504];
const otherCodes = [402, 405, 410, 415, 418, 422, 451, 502];

/** What of a code arrives over gRPC where Kratos is one of the two: its table, there and back (kratos 4.3). */
function codeOverGrpc({ client, server }: Pair, code: number): number {
  if (client.name === "clew" && server.name === "clew") return code;
  if (code === 412) return server.name === "kratos" ? 500 : 400;
  return tableCodes.includes(code) ? code : 500;
}

const errorCases: Case[] = [...tableCodes, ...otherCodes].map((code) => ({
  name: `error: ${code}`,
  async run(pair) {
    const told = { reason: "USER_NOT_FOUND", message: "no user ü % \n", metadata: { user: "ann", ключ: "значение" } };
    const failure = assertFailure(
      await callBehaviour(pair, "Fail", { code, ...told }),
      pair.protocol === "http" ? code : codeOverGrpc(pair, code),
      told.reason,
    );
    assert.equal(failure.message, told.message);
    assert.deepEqual(failure.metadata, told.metadata);
  },
}));

const errorEdgeCases: Case[] = [
  {
    name: "error: no reason, message or metadata",
    async run(pair) {
      const failure = assertFailure(await callBehaviour(pair, "Fail", { code: 404 }), 404, "");
      assert.equal(failure.message, "");
      assert.deepEqual(failure.metadata ?? {}, {});
    },
  },
  {
    name: "error: a message with blanks at its ends",
    async run(pair) {
      const failure = assertFailure(await callBehaviour(pair, "Fail", { code: 404, message: " no user  " }), 404);
      assert.equal(failure.message, " no user  ");
    },
  },
  {
    name: "error: a handler breaks",
    async run(pair) {
      const failure = assertFailure(await callBehaviour(pair, "Panic", {}), 500, "UNKNOWN");
      assert.equal(failure.message, "unknown request error");
    },
  },
  {
    name: "error: 400 VALIDATOR",
    run: async (pair) => void assertFailure(await callBehaviour(pair, "Validated", { name: "ab" }), 400, "VALIDATOR"),
  },
  {
    name: "error: a valid request passes",
    run: async (pair) => assertReply(await callBehaviour(pair, "Validated", { name: "abc" }), {}),
  },
  {
    name: "error: 429 RATELIMIT",
    async run(pair) {
      const failure = assertFailure(await callBehaviour(pair, "Limited", {}), 429, "RATELIMIT");
      assert.equal(failure.message, "service unavailable due to rate limit exceeded");
    },
  },
  {
    name: "error: 503 CIRCUITBREAKER",
    async run(pair) {
      const fail = { code: 503, reason: "DOWN" };
      const failure = assertFailure(await callBehaviour(pair, "Fail", fail, { breaker: 1000 }), 503, "CIRCUITBREAKER");
      assert.equal(failure.message, "request failed due to circuit breaker triggered");
    },
  },
];

// 4. Tokens

const tokenCases: Case[] = [
  {
    name: "jwt: a token of the other side is taken",
    run: async (pair) =>
      assertReply(await callBehaviour(pair, "Guarded", {}, { secret: "interop", subject: "ann" }), { subject: "ann" }),
  },
  {
    name: "jwt: none is 401",
    async run(pair) {
      const failure = assertFailure(await callBehaviour(pair, "Guarded", {}), 401, "UNAUTHORIZED");
      assert.equal(failure.message, "JWT token is missing");
    },
  },
  {
    name: "jwt: another secret is 401",
    async run(pair) {
      const wrong = { secret: "another", subject: "ann" };
      assertFailure(await callBehaviour(pair, "Guarded", {}, wrong), 401, "UNAUTHORIZED");
    },
  },
];

// 5. What travels through a chain: client -> server -> client's server -> server, over both protocols

interface Hop {
  readonly server: string;
  readonly operation: string;
  readonly headers?: { readonly name: string; readonly values: string[] }[];
  readonly traceId: string;
  readonly spanId: string;
  readonly baggage?: string;
  readonly remainingMs?: string;
}

/** Calls through five servers by turns; of the hops between them two are HTTP and two gRPC. */
async function chain(pair: Pair, options: object): Promise<Hop[]> {
  const { client, server } = pair;
  const endpoints = [client.endpoints.http, server.endpoints.grpc, client.endpoints.grpc, server.endpoints.http];
  const { replies, error } = await callBehaviour(pair, "Chain", { endpoints }, options);
  assert.equal(error, undefined, JSON.stringify(error));
  const hops = (replies[0] as { hops: Hop[] }).hops;
  assert.equal(hops.length, 5);
  return hops;
}

function valuesOf(hop: Hop, name: string): string[] {
  return hop.headers?.find((header) => header.name === name)?.values ?? [];
}

const operation = "/interop.v1.Behaviour/Chain";

const chainCases: Case[] = [
  {
    name: "chain: x-md-global- goes all the way",
    async run(pair) {
      const hops = await chain(pair, { metadata: { "x-md-global-tenant": ["a"] } });
      for (const hop of hops) assert.deepEqual(valuesOf(hop, "x-md-global-tenant"), ["a"], JSON.stringify(hops));
    },
  },
  {
    name: "chain: x-md-global- with several values arrives",
    async run(pair) {
      const [hop] = await chain(pair, { metadata: { "x-md-global-tenant": ["a", "b", "c"] } });
      assert.deepEqual(valuesOf(hop!, "x-md-global-tenant"), ["a", "b", "c"]);
    },
  },
  {
    name: "chain: x-md-global- with several values goes all the way",
    async run(pair) {
      const hops = await chain(pair, { metadata: { "x-md-global-tenant": ["a", "b", "c"] } });
      const seen = hops.map((hop) => valuesOf(hop, "x-md-global-tenant").join());
      assert.deepEqual(
        seen,
        hops.map(() => "a,b,c"),
      );
    },
  },
  {
    name: "chain: x-md-local- stops after one hop",
    async run(pair) {
      const hops = await chain(pair, { metadata: { "x-md-local-secret": ["s"] } });
      const seen = hops.map((hop) => valuesOf(hop, "x-md-local-secret").join());
      assert.deepEqual(seen, ["s", "", "", "", ""]);
    },
  },
  {
    name: "chain: x-md-service-name is the caller's",
    async run(pair) {
      const hops = await chain(pair, {});
      const callers = [pair.client.name, ...hops.map(({ server }) => server)];
      for (const [at, hop] of hops.entries()) assert.deepEqual(valuesOf(hop, "x-md-service-name"), [callers[at]]);
    },
  },
  {
    name: "chain: one trace, each span under the one before",
    async run(pair) {
      const hops = await chain(pair, {});
      const { traceId } = hops[0]!;
      assert.match(traceId, /^[\da-f]{32}$/);
      const spans = [...(await pair.client.spans(traceId)), ...(await pair.server.spans(traceId))];
      let parent = "";
      for (const hop of hops) {
        assert.equal(hop.traceId, traceId);
        assert.equal(hop.operation, operation);
        const span = spans.find(({ spanId, kind }) => kind === "server" && spanId === hop.spanId);
        const caller = spans.find(({ spanId, kind }) => kind === "client" && spanId === span?.parentSpanId);
        assert.equal(span?.name, operation);
        assert.equal(caller?.name, operation);
        assert.equal(caller?.parentSpanId, parent);
        parent = hop.spanId;
      }
    },
  },
  {
    name: "chain: baggage goes all the way",
    async run(pair) {
      const hops = await chain(pair, { baggage: "blue" });
      assert.deepEqual(
        hops.map(({ baggage }) => baggage),
        hops.map(() => "blue"),
      );
    },
  },
  {
    name: "chain: the deadline goes along over gRPC",
    protocol: "grpc",
    async run(pair) {
      const [first] = await chain(pair, { timeoutMs: 60_000 });
      const left = Number(first?.remainingMs);
      assert.ok(left > 30_000 && left <= 60_000, `${left} ms left`);
    },
  },
];

// 6. Deadlines and cancelling

let lastKey = 0;

/**
 * Calls Wait, which would take a minute; answers with what its caller saw, once the callee has seen its own end. On a busy machine the
 * time may pass before the call has reached the callee, which then knows nothing of it: one with more time has to show it.
 */
async function cutOff(
  pair: Pair,
  optionsFor: (ms: number) => object,
  ms = 400,
): Promise<{ answer: Answer; waited: Record<string, unknown>; ms: number }> {
  const key = `${process.pid}-${++lastKey}`;
  const answer = await callBehaviour(pair, "Wait", { key, milliseconds: 60_000 }, optionsFor(ms));
  for (let tries = 0; ; tries++) {
    const { replies } = await callBehaviour(pair, "Waited", { key });
    const waited = replies[0]!;
    if ((waited.state ?? "") === "" && ms < 20_000) return cutOff(pair, optionsFor, ms * 2);
    if (waited.state !== "running" || tries === 1000) return { answer, waited, ms };
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

const deadlineCases: Case[] = [
  {
    name: "deadline: the caller gets 504, the callee is cancelled",
    async run(pair) {
      const { answer, waited, ms } = await cutOff(pair, (timeoutMs) => ({ timeoutMs }));
      assertFailure(answer, 504);
      assert.equal(waited.state, "cancelled");
      if (pair.protocol === "grpc") {
        const left = Number(waited.remainingMs);
        assert.ok(left > 0 && left <= ms, `${left} of ${ms} ms were left when it began`);
      }
    },
  },
  {
    name: "cancel: the caller gets 499, the callee is cancelled",
    async run(pair) {
      const { answer, waited } = await cutOff(pair, (cancelAfterMs) => ({ cancelAfterMs }));
      assertFailure(answer, 499);
      assert.equal(waited.state, "cancelled");
    },
  },
];

// 7. Only over gRPC: streams, and what every server tells of itself

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

export const cases: readonly Case[] = [
  ...ruleCases,
  ...fieldCases,
  ...errorCases,
  ...errorEdgeCases,
  ...tokenCases,
  ...chainCases,
  ...deadlineCases,
  ...streamCases.map((one) => ({ ...one, protocol: "grpc" as const })),
  jsonOverGrpc,
];

// 8. Requests that no client sends: the wire itself, asked of one server

interface Wire {
  readonly name: string;
  readonly verb?: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly status: number;
  /** Of an error. */
  readonly reason?: string;
  /** Of the reply; checked field by field. */
  readonly reply?: Record<string, unknown>;
}

const json = { "content-type": "application/json" };
const form = { "content-type": "application/x-www-form-urlencoded" };

const wires: Wire[] = [
  { name: "an unknown path", path: "/nope", status: 404, reason: "NOT_FOUND" },
  {
    name: "another verb",
    verb: "PUT",
    path: "/v1/items",
    headers: json,
    body: "{}",
    status: 405,
    reason: "METHOD_NOT_ALLOWED",
  },
  {
    name: "additional_bindings",
    path: "/v1/owners/ann/items/7",
    status: 200,
    reply: { id: "7" },
  },
  {
    name: "a body that is no JSON",
    verb: "POST",
    path: "/v1/items",
    headers: json,
    body: "{",
    status: 400,
    reason: "CODEC",
  },
  {
    name: "a body with a wrong type",
    verb: "POST",
    path: "/v1/items",
    headers: json,
    body: '{"id":7}',
    status: 400,
    reason: "CODEC",
  },
  {
    name: "a body that is no message",
    verb: "POST",
    path: "/v1/items",
    headers: json,
    body: "[]",
    status: 400,
    reason: "CODEC",
  },
  {
    name: "an unknown field in a body is passed over",
    verb: "POST",
    path: "/v1/items",
    headers: json,
    body: '{"id":"7","nope":{"a":[1]}}',
    status: 200,
    reply: { id: "7" },
  },
  {
    name: "the proto name of a field in a body",
    verb: "POST",
    path: "/v1/items",
    headers: json,
    body: '{"user_id":"u"}',
    status: 200,
    reply: { userId: "u" },
  },
  {
    name: "a binary body that is none",
    verb: "POST",
    path: "/v1/items",
    headers: { "content-type": "application/proto" },
    body: Uint8Array.of(255, 255),
    status: 400,
    reason: "CODEC",
  },
  {
    name: "a content type that nobody knows",
    verb: "POST",
    path: "/v1/items",
    headers: { "content-type": "application/nope" },
    body: "{}",
    status: 400,
    reason: "CODEC",
  },
  {
    name: "no body",
    verb: "POST",
    path: "/v1/items",
    headers: json,
    status: 200,
    reply: { id: "", tags: [] },
  },
  {
    name: "a charset",
    verb: "POST",
    path: "/v1/items",
    headers: { "content-type": "application/json; charset=utf-8" },
    body: '{"id":"7"}',
    status: 200,
    reply: { id: "7" },
  },
  {
    name: "an accept that is a list",
    path: "/v1/items/7",
    headers: { accept: "text/html, application/json, */*;q=0.1" },
    status: 200,
    reply: { id: "7" },
  },
  {
    name: "zero values are written",
    path: "/v1/types",
    status: 200,
    reply: {
      boolValue: false,
      int64Value: "0",
      stringValue: "",
      bytesValue: "",
      kind: "KIND_UNSPECIFIED",
      int64List: [],
      textMap: {},
    },
  },
  {
    name: "query: the proto name",
    path: "/v1/types?int32_value=5&child.name=x",
    status: 200,
    reply: { int32Value: 5 },
  },
  { name: "query: an enum by its number", path: "/v1/types?kind=2", status: 200, reply: { kind: "KIND_LARGE" } },
  {
    name: "query: a list with []",
    path: "/v1/types?stringList[]=a&stringList[]=b",
    status: 200,
    reply: { stringList: ["a", "b"] },
  },
  {
    name: "query: a map by brackets and by dots",
    path: "/v1/types?textMap[a]=1&text_map.b=2",
    status: 200,
    reply: { textMap: { a: "1", b: "2" } },
  },
  { name: "query: 1, T and True are true", path: "/v1/types?boolValue=T", status: 200, reply: { boolValue: true } },
  {
    name: "query: an empty number is passed over",
    path: "/v1/types?int32Value=&stringValue=x",
    status: 200,
    reply: { int32Value: 0, stringValue: "x" },
  },
  { name: "query: an unknown key is passed over", path: "/v1/types?nope=1&child.nope=2", status: 200 },
  {
    name: "query: a duration as Go writes it",
    path: "/v1/types?duration=1m0.5s",
    status: 200,
    reply: { duration: "60.500s" },
  },
  {
    name: "query: a field mask",
    path: "/v1/types?mask=intValue,child.name",
    status: 200,
    reply: { mask: "intValue,child.name" },
  },
  { name: "query: not a number", path: "/v1/types?int64Value=x", status: 400, reason: "CODEC" },
  { name: "query: out of range", path: "/v1/types?int32Value=2147483648", status: 400, reason: "CODEC" },
  { name: "query: a scalar twice", path: "/v1/types?int32Value=1&int32Value=2", status: 400, reason: "CODEC" },
  { name: "query: an enum that nobody knows", path: "/v1/types?kind=NOPE", status: 400, reason: "CODEC" },
  { name: "query: not a time", path: "/v1/types?time=yesterday", status: 400, reason: "CODEC" },
  { name: "query: two of a oneof", path: "/v1/types?choiceText=a&choiceNumber=1", status: 400, reason: "CODEC" },
  { name: "query: a message that is no text", path: "/v1/types?child=x", status: 400, reason: "CODEC" },
  {
    name: "form: a body",
    verb: "POST",
    path: "/v1/types",
    headers: form,
    body: "int64Value=5&stringList=a&stringList=b&child.name=x+y&kind=KIND_SMALL",
    status: 200,
    reply: { int64Value: "5", stringList: ["a", "b"], kind: "KIND_SMALL" },
  },
  {
    name: "form: a bad body",
    verb: "POST",
    path: "/v1/types",
    headers: form,
    body: "int64Value=x",
    status: 400,
    reason: "CODEC",
  },
];

const errorShape = ["code", "message", "metadata", "reason"];

export const wireCases: readonly Case<{ server: Peer }>[] = wires.map((wire) => ({
  name: wire.name,
  async run({ server }) {
    const { verb = "GET", path, headers = {}, body } = wire;
    const response = await fetch(`${server.endpoints.http}${path}`, {
      method: verb,
      headers,
      ...(body !== undefined && { body }),
    });
    const text = await response.text();
    assert.equal(response.status, wire.status, text);
    assert.equal(response.headers.get("content-type"), "application/json");
    const reply = JSON.parse(text) as Record<string, unknown>;
    if (wire.reason !== undefined) {
      assert.deepEqual(Object.keys(reply).sort(), errorShape);
      assert.equal(reply.reason, wire.reason, text);
      assert.equal(reply.code, wire.status);
    }
    for (const [name, value] of Object.entries(wire.reply ?? {})) {
      assert.deepEqual(reply[name], value, `${name}: ${text}`);
    }
  },
}));
