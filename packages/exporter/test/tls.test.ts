// Mutual TLS over HTTP and gRPC: what the collector shows is checked, and what it asks for is shown.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { OtlpExporter, type OtlpOptions } from "@clew/exporter";
import { rawCodec, TraceService, toRawMessage } from "@clew/exporter/otlp-service";
import { service } from "@clew/rpc";
import { GrpcServer } from "@clew/transport/grpc";
import { makeSpans } from "./make-spans.ts";

const folder = mkdtempSync(join(tmpdir(), "clew-tls-"));
const at = (name: string): string => join(folder, name);
// Only timers that let the process end are waited for in here; on Node 22 the test runner would end with them.
const alive = setInterval(() => {}, 1000);
let http: Server;
let grpc: GrpcServer;
let taken = 0;

function makeCertificate(name: string): void {
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const files = ["-keyout", at(`${name}.key`), "-out", at(`${name}.crt`)];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  execFileSync("openssl", ["req", "-x509", ...key, ...files, "-days", "2", ...subject], { stdio: "ignore" });
}

before(async () => {
  for (const name of ["server", "client", "stranger"]) makeCertificate(name);
  const read = (name: string): Buffer => readFileSync(at(name));
  const options = { cert: read("server.crt"), key: read("server.key"), ca: read("client.crt"), requestCert: true };
  http = createServer({ ...options, rejectUnauthorized: true }, (request, response) => {
    taken++;
    request.resume().on("end", () => response.end());
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const traces = service(TraceService, {
    export() {
      taken++;
      return toRawMessage(TraceService.method.export.output, new Uint8Array(0));
    },
  });
  const tls = { cert: options.cert, key: options.key, ca: options.ca, requestCert: true, rejectUnauthorized: true };
  grpc = new GrpcServer({
    address: "127.0.0.1:0",
    services: [traces],
    codecs: [rawCodec],
    health: false,
    reflection: false,
    tls,
  });
  await grpc.start();
});
after(async () => {
  clearInterval(alive);
  http.closeAllConnections();
  http.close();
  await grpc.stop(AbortSignal.abort());
  rmSync(folder, { recursive: true });
});

async function exportTo(endpoint: string, options: OtlpOptions): Promise<string> {
  const exporter = new OtlpExporter({ endpoint, env: {}, retry: { initialMs: 1, maxMs: 1, limitMs: 5 }, ...options });
  try {
    return (await exporter.export(makeSpans())).outcome;
  } finally {
    await exporter.shutdown();
  }
}

for (const [protocol, thread] of [
  ["http/protobuf", "main"],
  ["http/protobuf", "worker"],
  ["grpc", "main"],
  ["grpc", "worker"],
] as const) {
  test(`over ${protocol} from the thread "${thread}"`, async () => {
    const port = protocol === "grpc" ? grpc.endpoint().port : String((http.address() as AddressInfo).port);
    const endpoint = `https://127.0.0.1:${port}`;
    const ca = readFileSync(at("server.crt"));
    const [cert, key] = [readFileSync(at("client.crt")), readFileSync(at("client.key"))];
    taken = 0;
    assert.equal(await exportTo(endpoint, { protocol, thread, tls: { ca, cert, key } }), "exported");
    // By the variables, whose values are paths.
    const env = {
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_EXPORTER_OTLP_CERTIFICATE: at("server.crt"),
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: at("client.crt"),
      OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: at("client.key"),
    };
    assert.equal(await exportTo(endpoint, { env, thread }), "exported");
    assert.equal(taken, 2);
    // One that nobody trusts, and one that shows nothing, or something else.
    assert.equal(await exportTo(endpoint, { protocol, thread, tls: { cert, key } }), "unavailable");
    assert.equal(await exportTo(endpoint, { protocol, thread, tls: { ca } }), "unavailable");
    const stranger = { cert: readFileSync(at("stranger.crt")), key: readFileSync(at("stranger.key")) };
    assert.equal(await exportTo(endpoint, { protocol, thread, tls: { ca, ...stranger } }), "unavailable");
    assert.equal(taken, 2);
  });
}

test("a file that cannot be read is told at once, with its variable", () => {
  assert.throws(() => new OtlpExporter({ env: { OTEL_EXPORTER_OTLP_CERTIFICATE: at("none.crt") } }), {
    code: "CLEW_EXPORTER_CERTIFICATE",
    message: /^OTEL_EXPORTER_OTLP_CERTIFICATE names the file ".*none\.crt"/,
  });
});
