// What travels through a chain: client -> server -> client's server -> server, over both protocols.
import assert from "node:assert/strict";
import { type Case, callBehaviour, type Pair } from "./pair.ts";

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

export const chainCases: Case[] = [
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
