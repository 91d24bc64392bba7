// Clew as a peer, as the folder peer is for Go Kratos: two servers, and a driver that makes the calls it is told to, one JSON
// object a line. It ends when its input does.
//
//     node peer.ts DESCRIPTORS
//
// DESCRIPTORS is a FileDescriptorSet of services beside its own that it may be told to call.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import {
  createFileRegistry,
  type DescMethod,
  type DescService,
  fromBinary,
  fromJson,
  type JsonValue,
  toJson,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import {
  App,
  type Call,
  circuitBreaker,
  createClient,
  createLogger,
  GrpcServer,
  HttpServer,
  jwt,
  type Middleware,
  metadata,
  rateLimit,
  recovery,
  ServiceError,
  selector,
  service,
  tracing,
  validate,
} from "clew";
import { currentClaims, jwtClient } from "clew/middleware";
import { protoCodec, remainingMs } from "clew/rpc";
import { context, propagation, type SpanData, SpanKind, startTracing, trace } from "clew/trace";
import {
  Behaviour,
  type Hop,
  type Request,
  Rules,
  type StreamRequest,
  Streams,
  type Types,
} from "./gen/interop/v1/interop_pb.ts";

const secret = "interop";
const name = "clew";
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(process.argv[2]!)));

function serviceOf(typeName: string): DescService {
  return [Rules, Behaviour, Streams].find((desc) => desc.typeName === typeName) ?? registry.getService(typeName)!;
}

const spans: SpanData[] = [];
const { provider, shutdown } = startTracing({
  service: name,
  exporter: {
    async export(ended) {
      spans.push(...ended);
      return { outcome: "exported" };
    },
    shutdown: async () => {},
  },
});

const echoRequest = (request: Request): Request => request;
const echoTypes = (request: Types): Types => request;
const rules = service(Rules, {
  get: echoRequest,
  create: echoRequest,
  update: echoRequest,
  delete: echoRequest,
  patch: echoRequest,
  nested: echoRequest,
  replyField: echoRequest,
  replyList: echoRequest,
  cancel: echoRequest,
  snakeVariable: echoRequest,
  pattern: echoRequest,
  echoBody: echoTypes,
  echoQuery: echoTypes,
});

const waits = new Map<string, { state: string; remainingMs: bigint }>();
const behaviour = service(Behaviour, {
  fail({ code, reason, message, metadata }) {
    throw new ServiceError(code, reason, message, { metadata });
  },
  validated: () => ({}),
  guarded: () => ({ subject: currentClaims()?.sub ?? "" }),
  limited: () => ({}),
  panic() {
    throw new Error("a secret of the server");
  },
  async chain({ endpoints: [next, ...endpoints] }, call) {
    const hops = [observe(call)];
    if (next === undefined) return { hops };
    const client = createClient(Behaviour, { endpoint: next, middleware: [tracing(), metadata()] });
    try {
      const rest = await client.chain({ endpoints });
      return { hops: [...hops, ...rest.hops] };
    } finally {
      await client[Symbol.asyncDispose]();
    }
  },
  async wait({ key, milliseconds }, call) {
    const left = millisecondsLeft(call);
    waits.set(key, { state: "running", remainingMs: left });
    try {
      await setTimeout(milliseconds, undefined, { signal: call.signal });
      waits.set(key, { state: "done", remainingMs: left });
    } catch (error) {
      waits.set(key, { state: "cancelled", remainingMs: left });
      throw error;
    }
    return {};
  },
  waited: ({ key }) => waits.get(key) ?? {},
});

function observe(call: Call): Omit<Hop, "$typeName" | "headers"> & { headers: { name: string; values: string[] }[] } {
  const span = trace.getActiveSpan()?.spanContext();
  const names = call.metadata.keys().filter((one) => one.startsWith("x-md-"));
  return {
    server: name,
    operation: call.operation,
    headers: names.sort().map((one) => ({ name: one, values: call.metadata.getAll(one) })),
    traceId: span?.traceId ?? "",
    spanId: span?.spanId ?? "",
    baggage: propagation.getActiveBaggage()?.getEntry("tenant")?.value ?? "",
    remainingMs: millisecondsLeft(call),
  };
}

function millisecondsLeft({ deadline }: Call): bigint {
  return deadline === undefined ? 0n : BigInt(Math.round(remainingMs(deadline)));
}

const streams = service(Streams, {
  async *down({ count, number, failCode }) {
    for (let i = 1; i <= count; i++) yield { count: i, number };
    failWith(failCode);
  },
  async up(requests) {
    const reply = { count: 0, number: 0 };
    for await (const { number, failCode } of requests) {
      failWith(failCode);
      reply.count++;
      reply.number += number;
    }
    return reply;
  },
  async *both(requests: AsyncIterable<StreamRequest>) {
    let count = 0;
    for await (const { number, failCode } of requests) {
      failWith(failCode);
      yield { count: ++count, number };
    }
  },
});

function failWith(code: number): void {
  if (code !== 0) throw new ServiceError(code, "STREAM_FAILED", "as it was told", { metadata: { code: "as asked" } });
}

const middleware: Middleware[] = [
  recovery(),
  tracing(),
  metadata(),
  validate(),
  selector(jwt({ key: secret })).path("/interop.v1.Behaviour/Guarded"),
  selector(rateLimit({ limiter: { allow: () => undefined } })).path("/interop.v1.Behaviour/Limited"),
];
// Deadlines are the callers' here: the servers have none of their own.
const options = { address: "127.0.0.1:0", middleware, timeoutMs: 0 };
const http = new HttpServer({ ...options, services: [rules, behaviour] });
const grpc = new GrpcServer({ ...options, services: [rules, behaviour, streams] });

interface Command {
  readonly id: number;
  /** Asks for the spans of this trace instead of a call. */
  readonly trace?: string;
  readonly endpoint: string;
  readonly service: string;
  readonly method: string;
  readonly requests?: JsonValue[];
  readonly metadata?: Record<string, string[]>;
  readonly timeoutMs?: number;
  /** After so long the caller gives up. */
  readonly cancelAfterMs?: number;
  readonly codec?: "json" | "proto";
  /** What a token is signed with. */
  readonly secret?: string;
  readonly subject?: string;
  readonly baggage?: string;
  /** Calls up to so many times behind a circuit breaker, until that refuses. */
  readonly breaker?: number;
}

async function run(command: Command): Promise<object> {
  const { id } = command;
  if (command.trace !== undefined) return { id, spans: await readSpans(command.trace) };
  const replies: JsonValue[] = [];
  try {
    let active = context.active();
    if (command.baggage !== undefined) {
      active = propagation.setBaggage(active, propagation.createBaggage({ tenant: { value: command.baggage } }));
    }
    await context.with(active, () => call(command, replies));
    return { id, replies };
  } catch (thrown) {
    if (!(thrown instanceof ServiceError)) throw thrown;
    return { id, replies, error: thrown.toJSON() };
  }
}

type AnyFunction = (request: unknown, options: object) => PromiseLike<object> | AsyncIterable<object>;

async function call(command: Command, replies: JsonValue[]): Promise<void> {
  const desc = serviceOf(command.service);
  const method = desc.methods.find((one) => one.name === command.method)!;
  const own: Middleware[] = [tracing(), metadata()];
  if (command.secret !== undefined) {
    own.push(jwtClient({ key: command.secret, claims: { sub: command.subject ?? "" } }));
  }
  if (command.breaker !== undefined) own.push(circuitBreaker());
  const codec = command.codec === "proto" ? { codec: protoCodec } : {};
  const client = createClient(desc, {
    endpoint: command.endpoint,
    middleware: own,
    timeoutMs: command.timeoutMs ?? Number.POSITIVE_INFINITY,
    http: codec,
  });
  const send = (client as unknown as Record<string, AnyFunction>)[method.localName]!;
  const requests = (command.requests ?? [{}]).map((json) => fromJson(method.input, json));
  const callOptions = {
    ...(command.metadata !== undefined && { metadata: command.metadata }),
    ...(command.timeoutMs !== undefined && { timeoutMs: command.timeoutMs }),
    ...(command.cancelAfterMs !== undefined && { signal: AbortSignal.timeout(command.cancelAfterMs) }),
  };
  try {
    for (let tries = 0; tries <= (command.breaker ?? 0); tries++) {
      try {
        await collect(method, send(takesStream(method) ? stream(requests) : requests[0], callOptions), replies);
      } catch (thrown) {
        const isLast = tries === (command.breaker ?? 0);
        if (isLast || (thrown instanceof ServiceError && thrown.reason === "CIRCUITBREAKER")) throw thrown;
      }
    }
  } finally {
    await client[Symbol.asyncDispose]();
  }
}

function takesStream({ methodKind }: DescMethod): boolean {
  return methodKind === "client_streaming" || methodKind === "bidi_streaming";
}

async function* stream<T>(values: readonly T[]): AsyncIterable<T> {
  yield* values;
}

async function collect(
  { output }: DescMethod,
  reply: PromiseLike<object> | AsyncIterable<object>,
  into: JsonValue[],
): Promise<void> {
  const add = (message: object): void => {
    into.push(toJson(output, message as Parameters<typeof toJson>[1]));
  };
  if (Symbol.asyncIterator in reply) for await (const message of reply) add(message);
  else add(await reply);
}

async function readSpans(traceId: string): Promise<object[]> {
  await provider.forceFlush();
  const found = spans.filter((span) => span.traceId === traceId);
  return found.map((span) => ({
    traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    name: span.name,
    kind: span.kind === SpanKind.CLIENT ? "client" : "server",
  }));
}

const write = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const app = new App({
  name,
  servers: [http, grpc],
  logger: createLogger({ destination: process.stderr }),
  signals: [],
  stopTimeoutMs: 1000,
  // What is called from here on knows whose calls they are.
  afterStart: [() => void drive()],
  afterStop: [() => shutdown()],
});
await app.run();

async function drive(): Promise<void> {
  write({ endpoints: [http.endpoint().origin, `grpc://${grpc.endpoint().host}`] });
  for await (const line of createInterface({ input: process.stdin })) void run(JSON.parse(line) as Command).then(write);
  await app.stop();
}
