// What SkyWalking's own collector shows of everything that our exporter reports, over gRPC, over HTTP and through Kafka: the same of all.
import assert from "node:assert/strict";
import { ask, chain, duration, instancesOf, type OapSpan, passAndFind } from "./oap-query.ts";
import type { Case, Peer } from "./relays.ts";
import { until } from "./until.ts";

/** What stands in the variable of the instance's properties. */
export const properties: Readonly<Record<string, string>> = { team: "Zürich" };

/** `peer` reports as `way` says. */
export function reportCases(way: string, peer: Peer, next: Peer, graphql: string): Case[] {
  return [
    {
      name: `OAP: ${way}: a segment is the middle of a trace`,
      run: async () => {
        const trace = chain(await passAndFind(graphql, [next, peer, next], ["http", "http", "grpc"]));
        assert.deepEqual(
          trace.map(({ serviceCode, type, component, layer, endpointName }) => {
            return `${serviceCode} ${type} ${component} ${layer} ${endpointName}`;
          }),
          [
            `${next.name} Entry Http Http /relay.v1.Relay/Pass`,
            `${next.name} Exit HttpClient Http /relay.v1.Relay/Pass`,
            `${peer.name} Entry Http Http /relay.v1.Relay/Pass`,
            `${peer.name} Exit GRPC RPCFramework /relay.v1.Relay/Pass`,
            `${next.name} Entry GRPC RPCFramework /relay.v1.Relay/Pass`,
          ],
        );
        const [, , entry, exit] = trace as [OapSpan, OapSpan, OapSpan, OapSpan];
        assert.equal(entry.serviceInstanceName, `${peer.name}@zürich`);
        assert.equal(entry.tags.find(({ key }) => key === "http.status_code")?.value, "200");
        assert.equal(exit.peer, next.grpc);
      },
    },
    {
      name: `OAP: ${way}: an error is one`,
      run: async () => {
        const spans = await passAndFind(graphql, [peer, next], ["http", "grpc"], "fail");
        assert.deepEqual(
          spans.map(({ isError }) => isError),
          spans.map(() => true),
        );
      },
    },
    {
      name: `OAP: ${way}: the service is there, and how often it was called`,
      run: async () => {
        await passAndFind(graphql, [peer, next], ["http", "grpc"]);
        await until(async () => {
          const { findService: found } = await ask<{ findService: { layers: string[]; normal: boolean } | null }>(
            graphql,
            "query($name: String!) { findService(serviceName: $name) { layers normal } }",
            { name: peer.name },
          );
          return found?.normal === true && found.layers.join() === "GENERAL" ? undefined : JSON.stringify(found);
        });
        const entity = { serviceName: peer.name, normal: true };
        await until(() => isBetween(graphql, "service_cpm", entity, 1, 10_000));
      },
    },
    {
      name: `OAP: ${way}: the instance is there, with its language and properties`,
      run: () =>
        until(async () => {
          const found = (await instancesOf(graphql, peer.name)).find(({ name }) => name === `${peer.name}@zürich`);
          if (found === undefined) return "it is not there";
          if (found.language !== "NODEJS") return `its language is ${found.language}`;
          const told = Object.fromEntries(found.attributes.map(({ name, value }) => [name, value]));
          const wanted = { ...properties, "OS Name": process.platform };
          const isWhole = Object.entries(wanted).every(([name, value]) => told[name] === value);
          return isWhole && told.hostname !== undefined && /^\d+$/.test(told["Process No."] ?? "")
            ? undefined
            : `its properties are ${JSON.stringify(told)}`;
        }),
    },
    {
      name: `OAP: ${way}: a log line is there, with its trace, segment and span`,
      run: async () => {
        const spans = await passAndFind(graphql, [peer, next], ["http", "grpc"]);
        const [{ traceId, segmentId, spanId, endpointName }] = chain(spans) as [OapSpan];
        const relatedTrace = { traceId, segmentId, spanId };
        await until(async () => {
          const { queryLogs: found } = await ask<{ queryLogs: { logs: (object & { tags: object[] })[] } }>(
            graphql,
            `query($c: LogQueryCondition) { queryLogs(condition: $c) { logs {
              serviceName serviceInstanceName endpointName traceId contentType content tags { key value } } } }`,
            { c: { relatedTrace, paging: { pageNum: 1, pageSize: 10 } } },
          );
          if (found.logs.length === 0) return "it is not there";
          const [{ tags, ...line }] = found.logs as [object & { tags: object[] }];
          assert.equal(found.logs.length, 1);
          assert.deepEqual(line, {
            serviceName: peer.name,
            serviceInstanceName: `${peer.name}@zürich`,
            endpointName,
            traceId,
            contentType: "TEXT",
            content: `${peer.name}:`,
          });
          assert.deepEqual(
            tags.filter((tag) => (tag as { key: string }).key === "LEVEL"),
            [{ key: "LEVEL", value: "INFO" }],
          );
          return undefined;
        });
      },
    },
    {
      name: `OAP: ${way}: a meter is there, with its value`,
      run: () => {
        const entity = { serviceName: peer.name, normal: true, serviceInstanceName: `${peer.name}@zürich` };
        return until(() => isBetween(graphql, "meter_instance_nodejs_heap_used", entity, 5, 1000));
      },
    },
  ];
}

/** Complains when the metric has no value between the two, in the minutes around now. */
async function isBetween(graphql: string, name: string, entity: object, least: number, most: number) {
  const { execExpression: found } = await ask<{
    execExpression: { error: string | null; results: { values: { value: string | null }[] }[] };
  }>(
    graphql,
    `query($e: Entity!, $d: Duration!) {
      execExpression(expression: "${name}", entity: $e, duration: $d) { error results { values { value } } } }`,
    { e: entity, d: duration() },
  );
  if (found.error !== null) return found.error;
  const values = found.results.flatMap(({ values }) => values).flatMap(({ value }) => (value === null ? [] : [+value]));
  return values.some((value) => value >= least && value <= most) ? undefined : `${name} is ${JSON.stringify(values)}`;
}
