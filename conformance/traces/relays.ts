// Calls that pass through services of OpenTelemetry's SDKs and of Clew, each of which sends its spans to our collector.
import assert from "node:assert/strict";
import { findTrace, type JaegerSpan, tagOf } from "./jaeger-trace.ts";

/** A service that runs. */
export interface Peer {
  readonly name: string;
  readonly language: string;
  readonly http: string;
  readonly grpc: string;
}

export interface Case {
  readonly name: string;
  run(): Promise<void>;
}

type Protocol = "http" | "grpc";

export function relayCases(peers: Readonly<Record<string, Peer>>, collector: { readonly ui: string }): Case[] {
  const cases: Case[] = [];
  const clews = Object.values(peers).filter(({ language }) => language === "clew");
  for (const peer of Object.values(peers)) {
    if (peer.language === "clew") continue;
    for (const [index, up] of (["http", "grpc"] as const).entries()) {
      const clew = clews[index]!;
      for (const down of ["http", "grpc"] as const) {
        cases.push({
          name: `${peer.name} >${up}> ${clew.name} >${down}> ${peer.name}`,
          run: () => relay(collector, [[peer], [clew, up], [peer, down]], false),
        });
      }
      cases.push({
        name: `${clew.name} >${up}> ${peer.name} >${up}> ${clew.name}`,
        run: () => relay(collector, [[clew], [peer, up], [clew, up]], false),
      });
      cases.push({
        name: `an error: ${peer.name} >${up}> ${clew.name} >${up}> ${peer.name}`,
        run: () => relay(collector, [[peer], [clew, up], [peer, up]], true),
      });
    }
  }
  const [js, go, python] = ["js-json", "go-grpc", "python-protobuf"].map((name) => peers[name]!);
  cases.push({
    name: "all of them in one trace",
    run: () =>
      relay(
        collector,
        [[js!], [clews[0]!, "grpc"], [go!, "http"], [clews[1]!, "http"], [python!, "grpc"], [clews[0]!, "http"]],
        false,
      ),
  });
  return cases;
}

/** Sends a call along the stops and looks at the trace that came of it. */
async function relay(
  { ui }: { readonly ui: string },
  stops: readonly (readonly [peer: Peer, protocol?: Protocol])[],
  isFailing: boolean,
): Promise<void> {
  const [[first], ...rest] = stops as [readonly [Peer], ...(readonly [Peer, Protocol])[]];
  const route = rest.map(([peer, protocol]) => `${protocol}=${peer[protocol]}`);
  if (isFailing) route.push("fail");
  // A peer of OpenTelemetry's begins the trace and puts something into the baggage; ours is called by one who did.
  const isOurs = first.language === "clew";
  const headers: Record<string, string> = {};
  const traceId = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
  headers.traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
  headers.tracestate = "vendor=kept";
  if (isOurs) headers.baggage = "user=blue";
  else route.unshift("set");
  const response = await fetch(`http://${first.http}/relay?route=${encodeURIComponent(route.join(","))}`, { headers });
  if (isFailing) assert.equal(response.status, 500);
  else {
    assert.equal(response.status, 200);
    const { hops } = (await response.json()) as { hops: string };
    const expected = stops.map(([peer]) => `${peer.name}:blue`).reverse();
    assert.deepEqual(hops.split(" "), expected, "what each saw of the baggage");
  }
  const { spans, processes } = await findTrace(ui, traceId, 2 * stops.length - 1);
  // From the first server span on: a client's child is the server that it called.
  let parent = "00f067aa0ba902b7";
  for (const [index, [peer]] of stops.entries()) {
    const server = findChild(spans, parent, "server");
    checkSpan(server, peer);
    if (index === stops.length - 1) break;
    const client = findChild(spans, server.spanID, "client");
    checkSpan(client, peer);
    parent = client.spanID;
  }

  function checkSpan(span: JaegerSpan, peer: Peer): void {
    const process = processes[span.processID]!;
    assert.equal(process.serviceName, peer.name);
    // What the environment says of a resource goes through unchanged, whoever reads it.
    // Zipkin has no resource: there it is tags of each span.
    const tags = peer.name.endsWith("-zipkin") ? span.tags : process.tags;
    const resource = Object.fromEntries(tags.map(({ key, value }) => [key, value]));
    assert.equal(resource["deployment.environment.name"], "conformance");
    assert.equal(resource.team, "blue whales");
    assert.match(span.operationName, /^\/?relay\.v1\.Relay\/Pass$/);
    const isError = tagOf(span, "error");
    assert.equal(isError === true || isError === "true", isFailing, `${peer.name}: error is ${isError}`);
  }
}

function findChild(spans: readonly JaegerSpan[], parent: string, kind: string): JaegerSpan {
  const found = spans.filter(
    (span) => span.references[0]?.spanID === parent && span.references[0].refType === "CHILD_OF",
  );
  assert.equal(found.length, 1, `children of ${parent}: ${JSON.stringify(spans)}`);
  assert.equal(tagOf(found[0]!, "span.kind"), kind);
  return found[0]!;
}
