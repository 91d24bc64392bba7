// A service of Clew's that passes calls on over HTTP and gRPC; see ../proto/relay/v1/relay.proto.
import { startTracing } from "@clew/exporter";
import { recovery, tracing } from "@clew/middleware";
import { ServiceError, service } from "@clew/rpc";
import { createClient, GrpcServer, HttpServer } from "@clew/transport";
import { context, propagation } from "@opentelemetry/api";
import { Relay } from "../gen/relay/v1/relay_pb.ts";

const { shutdown } = startTracing({ batch: { delayMs: 50 } });

const relay = service(Relay, {
  async pass({ route }) {
    const user = propagation.getBaggage(context.active())?.getEntry("user")?.value ?? "";
    const me = `${process.env.OTEL_SERVICE_NAME}:${user}`;
    if (route === "") return { hops: me };
    if (route === "fail") throw new ServiceError(500, "TOLD", "told to fail");
    const [next = "", ...rest] = route.split(",");
    const [protocol, address] = next.split("=");
    const client = createClient(Relay, { endpoint: `${protocol}://${address}`, middleware: [tracing()] });
    try {
      const { hops } = await client.pass({ route: rest.join(",") }, { timeoutMs: 10_000 });
      return { hops: `${hops} ${me}` };
    } finally {
      await client[Symbol.asyncDispose]();
    }
  },
});

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
