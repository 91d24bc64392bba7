// Two peers, the calls between them, and what came of a call.
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

export interface Answer {
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

export interface Peer {
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

export function callRules(pair: Pair, method: string, request: object, options: object = {}): Promise<Answer> {
  const endpoint = pair.server.endpoints[pair.protocol];
  return pair.client.call({ service: "interop.v1.Rules", endpoint, method, requests: [request], ...options });
}

export function callBehaviour(pair: Pair, method: string, request: object, options: object = {}): Promise<Answer> {
  const endpoint = pair.server.endpoints[pair.protocol];
  return pair.client.call({ service: "interop.v1.Behaviour", endpoint, method, requests: [request], ...options });
}

export function assertReply({ replies, error }: Answer, expected: unknown): void {
  assert.equal(error, undefined, `failed: ${JSON.stringify(error)}`);
  assert.deepEqual(replies, [expected]);
}

export function assertFailure({ replies, error }: Answer, code: number, reason?: string): Failure {
  assert.ok(error !== undefined, `did not fail: ${JSON.stringify(replies)}`);
  assert.equal(
    `${error.code} ${reason === undefined ? "" : error.reason}`,
    `${code} ${reason ?? ""}`,
    JSON.stringify(error),
  );
  return error;
}
