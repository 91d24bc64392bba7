// A service with OpenTelemetry's JavaScript SDK that passes calls on over HTTP and gRPC; see ../../proto/relay/v1/relay.proto.
import { createServer } from "node:http";
import grpc from "@grpc/grpc-js";
import { defaultTextMapGetter, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { defaultResource, detectResources, envDetector } from "@opentelemetry/resources";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

const name = "relay.v1.Relay/Pass";
const service = process.env.OTEL_SERVICE_NAME;
const packages = {
  grpc: "trace-otlp-grpc",
  "http/json": "trace-otlp-http",
  "http/protobuf": "trace-otlp-proto",
  zipkin: "zipkin",
};
const exporters = await import(`@opentelemetry/exporter-${packages[process.env.OTEL_EXPORTER_OTLP_PROTOCOL]}`);
const Exporter = exporters.OTLPTraceExporter ?? exporters.ZipkinExporter;
const provider = new TracerProvider({
  resource: defaultResource().merge(detectResources({ detectors: [envDetector] })),
  spanProcessors: [new BatchSpanProcessor({ exporter: new Exporter() })],
});
const tracer = provider.getTracer("peer");
const propagator = new CompositePropagator({
  propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()],
});

/** Serves one call: passes it on if the route goes on. */
async function serve(carrier, given) {
  let context = propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter);
  const isSet = given.startsWith("set,");
  const route = isSet ? given.slice(4) : given;
  if (isSet) context = propagation.setBaggage(context, propagation.createBaggage({ user: { value: "blue" } }));
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER }, context);
  context = trace.setSpan(context, span);
  const me = `${service}:${propagation.getBaggage(context)?.getEntry("user")?.value ?? ""}`;
  try {
    if (route === "") return me;
    if (route === "fail") throw new Error("told to fail");
    return `${await call(context, route)} ${me}`;
  } catch (error) {
    span.recordException(error);
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    throw error;
  } finally {
    span.end();
  }
}

async function call(context, route) {
  const [next, ...rest] = route.split(",");
  const [protocol, address] = next.split("=");
  const span = tracer.startSpan(name, { kind: SpanKind.CLIENT }, context);
  const headers = {};
  propagator.inject(trace.setSpan(context, span), headers, {
    set: (carrier, key, value) => {
      carrier[key] = value;
    },
  });
  try {
    const send = protocol === "grpc" ? sendGrpc : sendHttp;
    return await send(address, rest.join(","), headers);
  } catch (error) {
    span.recordException(error);
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    throw error;
  } finally {
    span.end();
  }
}

async function sendHttp(address, route, headers) {
  const response = await fetch(`http://${address}/relay?route=${encodeURIComponent(route)}`, { headers });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return (await response.json()).hops;
}

// Both messages have one field, a text of number 1, and here it is shorter than 16 KiB.
const encode = (text) => {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x0a, (bytes.length & 0x7f) | 0x80, bytes.length >> 7]), bytes]);
};
// An object, for grpc-js takes an empty text for a message that is missing.
const decode = (bytes) => ({ text: bytes.subarray(bytes[1] < 0x80 ? 2 : 3).toString() });

function sendGrpc(address, route, headers) {
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest("/relay.v1.Relay/Pass", encode, decode, route, metadata, (error, reply) => {
      client.close();
      if (error) reject(error);
      else resolve(reply.text);
    });
  });
}

const http = createServer((request, response) => {
  const { searchParams } = new URL(request.url, "http://localhost");
  serve(request.headers, searchParams.get("route") ?? "").then(
    (hops) => response.end(JSON.stringify({ hops })),
    (error) => response.writeHead(500).end(error.message),
  );
});
http.listen(0, "127.0.0.1", () => {
  const server = new grpc.Server();
  const definition = {
    path: "/relay.v1.Relay/Pass",
    requestStream: false,
    responseStream: false,
    requestDeserialize: decode,
    responseSerialize: encode,
  };
  server.addService(
    { Pass: definition },
    {
      Pass: ({ metadata, request }, reply) => {
        serve(metadata.getMap(), request.text).then(
          (hops) => reply(null, hops),
          (error) => reply({ code: grpc.status.INTERNAL, message: error.message }),
        );
      },
    },
  );
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(JSON.stringify({ http: `127.0.0.1:${http.address().port}`, grpc: `127.0.0.1:${port}` }));
  });
});
// Whoever started it ends it by closing its input.
process.stdin.resume().on("end", () => provider.shutdown().then(() => process.exit()));
