// SkyWalking's collector (OAP), with its store in memory, for one run.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePorts } from "../../packages/transport/test/free-ports.ts";

/** What stands before the names of its topics. */
export const kafkaNamespace = "judge";

/** Starts it from the jars in `libs`, to fetch from the broker at `kafka` too; it takes 20 s. What ends it is put into `closers`. */
export async function startOap(libs, closers, kafka) {
  const folder = mkdtempSync(join(tmpdir(), "oap-"));
  closers.push(() => rmSync(folder, { recursive: true }));
  cpSync(join(import.meta.dirname, "oap/config"), folder, { recursive: true });
  // It does not start without these; git keeps no empty folders.
  for (const empty of ["log-mal-rules", "openapi-definitions/none", "ui-initialized-templates"]) {
    mkdirSync(join(folder, empty), { recursive: true });
  }
  const [grpc, rest] = await freePorts(2);
  const settings = [`-DSW_CORE_GRPC_PORT=${grpc}`, `-DSW_CORE_REST_PORT=${rest}`, "-Duser.timezone=UTC", "-Xmx700m"];
  settings.push(`-DSW_KAFKA_FETCHER_SERVERS=${kafka}`, `-DSW_NAMESPACE=${kafkaNamespace}`);
  const main = "org.apache.skywalking.oap.server.starter.OAPServerStartUp";
  const child = spawn("java", [...settings, "-cp", `${folder}:${libs}/*`, main], {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: folder,
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      said = `${said}${text}`.slice(-4000);
    });
  }
  closers.push(async () => {
    if (child.exitCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  const graphql = `http://127.0.0.1:${rest}/graphql`;
  const giveUpAtMs = performance.now() + 240_000;
  for (;;) {
    const isThere = await fetch(graphql, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: "{ version }" }),
    }).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isThere) break;
    if (child.exitCode !== null || performance.now() > giveUpAtMs) throw new Error(`OAP does not start: ${said}`);
    await sleep(200);
  }
  return { address: `127.0.0.1:${grpc}`, graphql };
}
