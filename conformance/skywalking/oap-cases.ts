// What SkyWalking's own collector shows of our segments, by the GraphQL that its UI asks.
import assert from "node:assert/strict";
import { chain, passAndFind, topology } from "./oap-query.ts";
import type { Case, Peer } from "./relays.ts";
import { until } from "./until.ts";

export function oapCases(peers: Readonly<Record<string, Peer>>, graphql: string): Case[] {
  const js = peers.js!;
  const both = peers["clew-both"]!;
  const go = peers["clew-go"]!;
  const { go: agentGo, kratos, python } = peers as Record<"go" | "kratos" | "python", Peer>;
  return [
    {
      name: "OAP: the trace of an agent's service and two of ours is one tree",
      run: async () => {
        const spans = await passAndFind(graphql, [js, both, go], ["http", "http", "grpc"]);
        const trace = chain(spans);
        assert.deepEqual(
          trace.map(({ serviceCode, type }) => `${serviceCode} ${type}`),
          ["js Entry", "js Exit", "clew-both Entry", "clew-both Exit", "clew-go Entry"],
        );
        const [, , entry, exit, last] = trace;
        assert.equal(entry!.component, "Http");
        assert.equal(entry!.layer, "Http");
        assert.equal(exit!.component, "GRPC");
        assert.equal(exit!.peer, go.grpc);
        assert.equal(last!.component, "GRPC");
        assert.equal(last!.layer, "RPCFramework");
        assert.equal(last!.serviceInstanceName, "clew-go@zürich");
        assert.equal(last!.endpointName, "/relay.v1.Relay/Pass");
        assert.equal(last!.refs[0]!.type, "CROSS_PROCESS");
        assert.equal(entry!.tags.find(({ key }) => key === "http.status_code")?.value, "200");
      },
    },
    {
      name: "OAP: the trace of the agents for Go and Python and two of ours is one tree",
      run: async () => {
        const stops = [agentGo, both, kratos, python, go];
        const spans = await passAndFind(graphql, stops, ["http", "grpc", "grpc", "http", "grpc"]);
        assert.deepEqual(
          chain(spans).map(({ serviceCode, type, component }) => `${serviceCode} ${type} ${component}`),
          [
            "go Entry GoHttpServer",
            "go Exit GRPC",
            "clew-both Entry GRPC",
            "clew-both Exit GRPC",
            "kratos Entry GoKratos",
            "kratos Exit GoKratos",
            "python Entry Python",
            "python Exit GRPC",
            "clew-go Entry GRPC",
          ],
        );
        assert.ok(
          spans.every(({ serviceCode, serviceInstanceName }) => serviceInstanceName === `${serviceCode}@zürich`),
        );
        const wanted = ["go -> clew-both", "clew-both -> kratos", "kratos -> python", "python -> clew-go"];
        await until(async () => {
          const calls = await topology(graphql);
          return wanted.every((call) => calls.includes(call)) ? undefined : `calls are ${calls.join(", ")}`;
        });
      },
    },
    {
      name: "OAP: an error is one, on every service of the way",
      run: async () => {
        const spans = await passAndFind(graphql, [both, go], ["http", "grpc"], "fail");
        assert.ok(spans.length >= 3);
        assert.ok(spans.every(({ isError }) => isError));
      },
    },
    {
      name: "OAP: a trace with ids in Go's form is found by its own id",
      run: async () => {
        const spans = await passAndFind(graphql, [go, both], ["http", "http"]);
        assert.match(spans[0]!.traceId, /^[0-9a-f]{32}\.\d+\.\d+$/);
      },
    },
    {
      name: "OAP: the topology has each service once, and the calls between them",
      run: async () => {
        await passAndFind(graphql, [js, both, go], ["http", "http", "grpc"]);
        const wanted = ["js -> clew-both", "clew-both -> clew-go"];
        await until(async () => {
          const calls = await topology(graphql);
          return wanted.every((call) => calls.includes(call)) ? undefined : `calls are ${calls.join(", ")}`;
        });
      },
    },
  ];
}
