// Sends the same random requests to grpc-gateway and to HttpServer, and compares what they answer.
//
//     node conformance/gateway/run.mjs                      6000 requests of the usual seed
//     node conformance/gateway/run.mjs --seed 7 --count 50000
//     node conformance/gateway/run.mjs --show query-empty   a few requests of a class of differences
import { spawn } from "node:child_process";
import http from "node:http";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { installJudges } from "../../scripts/install-judges.mjs";
import { classify, differences, isSame } from "./differences.ts";
import { createRequests } from "./requests.ts";

const limitMs = 120_000;
const here = import.meta.dirname;
const children = [];
const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
try {
  process.exitCode = await main();
} finally {
  agent.destroy();
  for (const child of children) child.kill();
}

async function main() {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: "4" },
      count: { type: "string", default: "6000" },
      show: { type: "string" },
    },
  });
  const { "gateway-peer": binary } = installJudges("gateway-peer");
  const [gateway, clew] = await Promise.all([
    startServer(binary, []),
    startServer(process.execPath, [join(here, "server.ts")]),
  ]);
  const start = performance.now();
  const requests = createRequests(Number(values.seed));
  const tally = { same: 0, ok: 0, unknown: [], classes: new Map() };
  const work = async () => {
    for (;;) {
      if (tally.sent === Number(values.count)) return;
      tally.sent = (tally.sent ?? 0) + 1;
      const request = requests.next().value;
      const [theirs, ours] = await Promise.all([send(gateway, request), send(clew, request)]);
      if (theirs.status === 200 && ours.status === 200) tally.ok++;
      if (isSame(theirs, ours)) {
        tally.same++;
        continue;
      }
      const name = classify(request, theirs, ours);
      if (name === undefined) tally.unknown.push({ request, theirs, ours });
      else {
        if (name === values.show && (tally.classes.get(name) ?? 0) < 10) show({ request, theirs, ours });
        tally.classes.set(name, (tally.classes.get(name) ?? 0) + 1);
      }
    }
  };
  await Promise.all(Array.from({ length: 16 }, work));
  return report(tally, values, (performance.now() - start) / 1000);
}

function report({ sent, same, ok, unknown, classes }, { seed }, seconds) {
  console.log(`${sent} requests of seed ${seed} in ${seconds.toFixed(1)} s: ${ok} answered by both, ${same} the same`);
  for (const { name, why } of differences) {
    console.log(`${String(classes.get(name) ?? 0).padStart(6)}  ${name}: ${why}`);
  }
  for (const one of unknown.slice(0, 40)) show(one);
  console.log(`${sent - unknown.length} passed, ${unknown.length} failed`);
  return unknown.length === 0 ? 0 : 1;
}

function show({ request, theirs, ours }) {
  const { verb, target, contentType, body } = request;
  console.log(
    `${verb} ${target}${contentType === undefined ? "" : ` (${contentType})`}${body === undefined ? "" : ` ${body}`}`,
  );
  console.log(`    grpc-gateway ${theirs.status} ${theirs.text.slice(0, 400)}`);
  console.log(`    clew         ${ours.status} ${ours.text.slice(0, 400)}`);
}

/** Starts a server; resolves with its port when it says where it listens. */
function startServer(command, args) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${command} does not say where it listens`)), limitMs);
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      output += text;
      const port = /listening on \S*:(\d+)\s/.exec(output)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve(Number(port));
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${command} ended with ${code}`)));
  });
}

/** Sends a request byte for byte as it says: fetch would tidy up its path. */
function send(port, { verb, target, contentType, body }) {
  return new Promise((resolve, reject) => {
    const headers = contentType === undefined ? {} : { "content-type": contentType };
    const bytes = Buffer.from(body ?? "");
    if (body !== undefined) headers["content-length"] = bytes.length;
    const request = http.request(
      { port, host: "127.0.0.1", method: verb, path: target, headers, agent },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (more) => {
          text += more;
        });
        response.once("end", () => resolve({ status: response.statusCode, text, headers: response.headers }));
        response.once("error", reject);
      },
    );
    request.once("error", reject);
    request.end(bytes);
  });
}
