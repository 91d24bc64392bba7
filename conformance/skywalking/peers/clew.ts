// A service of Clew's that passes calls on; see ../../traces/proto/relay/v1/relay.proto. PEER says which family it speaks:
// "sw8", "w3c", or "both"; PROTOCOL how it reports, "grpc" or "http"; with KAFKA, the address of a broker, its reports go through that.
import { SkyWalkingLogs, type StartTracingOptions, startTracing } from "@clew/exporter";
import { recovery, tracing } from "@clew/middleware";
import { service } from "@clew/rpc";
import { createPropagator } from "@clew/trace/otel";
import { getCorrelation, type IdForm, runWithCorrelation, SkyWalkingPropagator } from "@clew/trace/skywalking";
import { createClient, GrpcServer, HttpServer } from "@clew/transport";
import { Relay } from "../../traces/gen/relay/v1/relay_pb.ts";
import { createKafkaProducer } from "../kafka-producer.ts";

const {
  PEER = "both",
  IDS = "plain",
  PROTOCOL = "grpc",
  SW_AGENT_NAME: me = "clew",
  KAFKA,
  KAFKA_NAMESPACE,
  KAFKAJS,
} = process.env;
const propagators: Record<string, () => StartTracingOptions> = {
  sw8: () => ({ propagator: new SkyWalkingPropagator() }),
  w3c: () => ({ propagator: createPropagator() }),
  both: () => ({}),
};
const { shutdown, skywalking } = startTracing({
  exporter: [],
  skywalking: {
    ids: IDS as IdForm,
    protocol: PROTOCOL as "grpc" | "http",
    delayMs: 50,
    ...(KAFKA === undefined
      ? {}
      : { kafka: { producer: createKafkaProducer(KAFKAJS!, KAFKA), namespace: KAFKA_NAMESPACE! } }),
  },
  ...propagators[PEER]!(),
});
const logs = new SkyWalkingLogs(skywalking!, { delayMs: 50 });

async function pass(route: string): Promise<{ hops: string }> {
  const [next = "", ...rest] = route.split(",");
  if (next === "set") return runWithCorrelation("user", "grün,a=b;c-d%41", () => pass(rest.join(",")));
  const seen = `${me}:${getCorrelation("user") ?? ""}`;
  logs.write("info", seen, {}, undefined);
  if (next === "") return { hops: seen };
  if (next === "fail") throw new Error("told to fail");
  const [protocol, address] = next.split("=");
  const client = createClient(Relay, { endpoint: `${protocol}://${address}`, middleware: [tracing()] });
  try {
    const { hops } = await client.pass({ route: rest.join(",") }, { timeoutMs: 10_000 });
    return { hops: `${hops} ${seen}` };
  } finally {
    await client[Symbol.asyncDispose]();
  }
}

const relay = service(Relay, { pass: ({ route }) => pass(route) });

const init = { address: "127.0.0.1:0", middleware: [tracing(), recovery()], services: [relay], timeoutMs: 10_000 };
const servers = [new HttpServer(init), new GrpcServer(init)] as const;
for (const server of servers) await server.start();
const [http, grpc] = servers.map((server) => server.endpoint().host);
console.log(JSON.stringify({ http, grpc }));

// Whoever started it ends it by closing its input.
process.stdin.resume().on("end", async () => {
  for (const server of servers) await server.stop(AbortSignal.abort());
  await shutdown();
  process.exit();
});
