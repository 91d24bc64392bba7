// Runs gRPC's fourteen interoperability cases with every pair, and compares what failed with known-failures.txt.
//
//     node conformance/interop/run.mjs             all pairs
//     node conformance/interop/run.mjs python tls  pairs whose name has these words
import { execFile, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { installJudges } from "../../scripts/install-judges.mjs";

const caseNames = [
  "empty_unary",
  "large_unary",
  "client_streaming",
  "server_streaming",
  "ping_pong",
  "empty_stream",
  "timeout_on_sleeping_server",
  "cancel_after_begin",
  "cancel_after_first_response",
  "status_code_and_message",
  "special_status_message",
  "custom_metadata",
  "unimplemented_method",
  "unimplemented_service",
];
const limitMs = 300_000;

const here = import.meta.dirname;
const buf = createRequire(import.meta.url).resolve("@bufbuild/buf/bin/buf");
const folder = mkdtempSync(join(tmpdir(), "interop-"));
const certificate = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
const descriptors = join(folder, "descriptors.binpb");

let judges;

// What starts a server of each kind, and what a client of each kind says of the server at an address: a Map of case to failure,
// undefined for one that did well.
const servers = { clew: startClew, "grpc-go": startGrpcGo };
const clients = { clew: runClew, "grpc-go": runGrpcGo, "grpc-js": runGrpcJs, python: runPython };
const pairs = [
  { client: "grpc-go", server: "clew" },
  { client: "clew", server: "grpc-go" },
  { client: "grpc-js", server: "clew" },
  { client: "python", server: "clew" },
].flatMap((pair) => [
  { ...pair, name: `${pair.client}>${pair.server}`, isSecure: false },
  { ...pair, name: `${pair.client}>${pair.server}/tls`, isSecure: true },
]);

try {
  process.exitCode = await main(process.argv.slice(2));
} finally {
  rmSync(folder, { recursive: true });
}

async function main(words) {
  const wanted = pairs.filter(({ name }) => words.every((word) => name.includes(word)));
  if (wanted.length === 0)
    throw new Error(`no pair has ${words.join(" and ")}; there are ${pairs.map((p) => p.name).join(" ")}`);
  judges = installJudges("grpc-interop-client", "grpc-interop-server", "python-grpc");
  makeCertificate();
  execFileSync(process.execPath, [buf, "build", join(here, "proto"), "-o", descriptors], { stdio: "inherit" });
  const results = [];
  for (const pair of wanted) {
    const start = performance.now();
    const failures = await runPair(pair);
    results.push({ name: pair.name, failures, seconds: (performance.now() - start) / 1000 });
  }
  printTable(results);
  return compare(results) ? 0 : 1;
}

async function runPair({ client, server, isSecure }) {
  const started = await servers[server](isSecure);
  try {
    return await clients[client](started.address, isSecure);
  } finally {
    started.child.kill();
  }
}

function startClew(isSecure) {
  const args = [join(here, "server.ts")];
  if (isSecure) args.push("--cert", certificate.cert, "--key", certificate.key);
  return startServer(process.execPath, args);
}

async function startGrpcGo(isSecure) {
  const args = ["--port", "0"];
  if (isSecure) args.push("--use_tls", "--tls_cert_file", certificate.cert, "--tls_key_file", certificate.key);
  return startServer(judges["grpc-interop-server"], args, { GRPC_GO_LOG_SEVERITY_LEVEL: "info" });
}

/** Starts a server; resolves when it says where it listens. */
function startServer(command, args, env = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  return new Promise((resolve, reject) => {
    let output = "";
    const timer = setTimeout(() => {
      child.kill();
      reject(new Error(`${command} does not say where it listens:\n${output}`));
    }, limitMs);
    const read = (text) => {
      output += text;
      const port = /listening (?:on|at) \S*:(\d+)\s/.exec(output)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve({ child, address: `127.0.0.1:${port}` });
    };
    child.stdout.setEncoding("utf8").on("data", read);
    child.stderr.setEncoding("utf8").on("data", read);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${command} ended with ${code}:\n${output}`)));
  });
}

function runClew(address, isSecure) {
  return runClient(process.execPath, [
    join(here, "client.ts"),
    address,
    ...(isSecure ? ["--ca", certificate.cert] : []),
  ]);
}

function runGrpcJs(address, isSecure) {
  const args = [join(here, "grpc-js-client.ts"), address];
  return runClient(process.execPath, isSecure ? [...args, "--ca", certificate.cert] : args);
}

function runPython(address, isSecure) {
  const args = [join(here, "python_client.py"), address, descriptors];
  return runClient(judges["python-grpc"], isSecure ? [...args, certificate.cert] : args);
}

/** Runs a client of ours, which writes a line for each case: its name, and after it why it failed. */
async function runClient(command, args) {
  const { code, stdout, stderr } = await run(command, args);
  const lines = new Map(stdout.split("\n").map((line) => /^(\w+) ?(.*)$/.exec(line)?.slice(1) ?? ["", ""]));
  const failures = new Map();
  for (const name of caseNames) {
    const failure = lines.get(name) ?? `not run: the client ended with ${code}`;
    failures.set(name, failure === "" ? undefined : failure);
  }
  // It has to end well as well: its last act is to close its connections.
  if (code !== 0) failures.set("(exit)", `${code}: ${lastLine(stderr)}`);
  return failures;
}

/** grpc-go's client runs one case a process. */
async function runGrpcGo(address, isSecure) {
  const [host, port] = address.split(":");
  const args = ["--server_host", host, "--server_port", port];
  if (isSecure) args.push("--use_tls", "--use_test_ca", "--ca_file", certificate.cert);
  const failures = new Map();
  for (const name of caseNames) {
    const { code, stderr } = await run(judges["grpc-interop-client"], [...args, "--test_case", name]);
    failures.set(name, code === 0 ? undefined : `${code}: ${lastLine(stderr)}`);
  }
  return failures;
}

async function run(command, args) {
  try {
    return { code: 0, ...(await promisify(execFile)(command, args, { timeout: limitMs, killSignal: "SIGKILL" })) };
  } catch (error) {
    return {
      code: error.code ?? error.signal ?? String(error),
      stdout: error.stdout ?? "",
      stderr: error.stderr ?? "",
    };
  }
}

function lastLine(text) {
  return text.trim().split("\n").at(-1);
}

function makeCertificate() {
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  execFileSync("openssl", [...request, ...subject, "-keyout", certificate.key, "-out", certificate.cert], {
    stdio: "ignore",
  });
}

function printTable(results) {
  const first = Math.max(...caseNames.map((name) => name.length));
  const row = (name, cells) =>
    console.log(
      [name.padEnd(first), ...cells.map((cell, i) => cell.padEnd(results[i].name.length))].join("  ").trimEnd(),
    );
  row(
    "",
    results.map(({ name }) => name),
  );
  for (const name of caseNames)
    row(
      name,
      results.map(({ failures }) => (failures.get(name) === undefined ? "ok" : "FAILED")),
    );
  row(
    "passed",
    results.map(
      ({ failures }) => `${caseNames.filter((name) => failures.get(name) === undefined).length}/${caseNames.length}`,
    ),
  );
  row(
    "seconds",
    results.map(({ seconds }) => seconds.toFixed(1)),
  );
}

/** Prints what is not as known-failures.txt says; true when there is nothing. */
function compare(results) {
  const known = new Map();
  for (const line of readFileSync(join(here, "known-failures.txt"), "utf8").split("\n")) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [pair, name, ...reason] = line.split(/\s+/);
    known.set(`${pair} ${name}`, reason.join(" "));
  }
  let isAsKnown = true;
  for (const { name: pair, failures } of results) {
    for (const [name, failure] of failures) {
      const isKnown = known.has(`${pair} ${name}`);
      if (failure !== undefined) console.log(`${isKnown ? "known: " : ""}${pair} ${name} FAILED ${failure}`);
      else if (isKnown) console.log(`${pair} ${name} passes: take it out of known-failures.txt`);
      if ((failure !== undefined) !== isKnown) isAsKnown = false;
    }
  }
  return isAsKnown;
}
