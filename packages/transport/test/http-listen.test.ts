import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, linkSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { createServer, type Server as NetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { GrpcServer, Server } from "@clew/transport";
import { HttpServer } from "@clew/transport/http";
import { testCertificates } from "../../http2/test/certificates.ts";
import { echo } from "./http-shelves.ts";

const folder = mkdtempSync(join(tmpdir(), "clew-listen-"));
after(() => rmSync(folder, { recursive: true }));

/** Asks over a unix socket. */
function ask(socketPath: string, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, path, agent: false }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode!));
    });
    request.on("error", reject);
    request.end();
  });
}

const ok = { verb: "GET", path: "/ok", handle: (_: unknown, response: { end(): unknown }) => void response.end() };

test("listens on a unix socket, whose file goes when the server stops", async () => {
  const path = join(folder, "a b.sock");
  const server = new HttpServer({ address: `unix:${path}`, routes: [ok] });
  await server.start();
  assert.equal(server.endpoint().href, `http+unix://${path.replace(" ", "%20")}`);
  assert.equal(await ask(path, "/ok"), 200);
  await server.stop(AbortSignal.timeout(5000));
  assert.equal(existsSync(path), false);
});

test("every server listens on a unix socket, and tells it by each protocol", async () => {
  const path = join(folder, "all.sock");
  const server = new Server({ address: `unix://${path}`, services: [echo()] });
  await server.start();
  assert.deepEqual(
    server.endpoints().map(({ href }) => href),
    [`http+unix://${path}`, `grpc+unix://${path}`],
  );
  await server.stop(AbortSignal.abort());
  const grpc = new GrpcServer({ address: `unix:${path}`, services: [echo()] });
  await grpc.start();
  assert.equal(grpc.endpoint().href, `grpc+unix://${path}`);
  await grpc.stop(AbortSignal.abort());
});

test("takes the place of a socket whose process died, and of nothing else", async () => {
  const path = join(folder, "stale.sock");
  const dead = createServer();
  await new Promise<void>((resolve) => dead.listen({ path }, resolve));
  // What a killed process leaves: the file, and nobody behind it.
  linkSync(path, `${path}.kept`);
  await new Promise<void>((resolve) => dead.close(() => resolve()));
  const stale = `${path}.kept`;
  assert.equal(existsSync(stale), true);
  const server = new HttpServer({ address: `unix:${stale}`, routes: [ok] });
  await server.start();
  assert.equal(await ask(stale, "/ok"), 200);

  // Now somebody listens there.
  const second = new HttpServer({ address: `unix:${stale}` });
  await assert.rejects(second.start(), { code: "CLEW_TRANSPORT_ADDRESS_IN_USE" });
  assert.equal(await ask(stale, "/ok"), 200);
  await server.stop(AbortSignal.timeout(5000));

  const file = join(folder, "notes.txt");
  writeFileSync(file, "not a socket");
  await assert.rejects(new HttpServer({ address: `unix:${file}` }).start(), { code: "CLEW_TRANSPORT_ADDRESS_IN_USE" });
  assert.equal(existsSync(file), true);
  const nowhere = `unix:${join(folder, "no", "folder.sock")}`;
  await assert.rejects(new HttpServer({ address: nowhere }).start(), { code: "CLEW_TRANSPORT_ADDRESS_REFUSED" });
});

async function listening(): Promise<NetServer> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen({ port: 0, host: "127.0.0.1" }, resolve));
  return listener;
}

function portOf(listener: NetServer): number {
  return (listener.address() as { port: number }).port;
}

test("takes connections from a listener it is given, also those that came before the start, and closes it", async () => {
  const listener = await listening();
  const server = new HttpServer({ listener, routes: [ok] });
  const url = `http://127.0.0.1:${portOf(listener)}`;
  const early = fetch(`${url}/ok`);
  // The listener has it before the server starts.
  await new Promise((resolve) => listener.once("connection", resolve));
  await server.start();
  assert.equal((await early).status, 200);
  assert.equal(server.endpoint().href, `${url}/`);
  assert.equal((await fetch(`${url}/ok`)).status, 200);
  await server.stop(AbortSignal.timeout(5000));
  assert.equal(listener.listening, false);
});

test("opens a given listener that does not listen yet, and speaks TLS on one", async () => {
  const { ca, server: certificate } = testCertificates();
  const listener = createServer();
  const server = new HttpServer({ listener, address: "127.0.0.1:0", tls: certificate, routes: [ok] });
  await server.start();
  const status = await new Promise((resolve, reject) => {
    const sent = httpsRequest(
      { host: "127.0.0.1", port: portOf(listener), path: "/ok", ca, servername: "localhost", agent: false },
      (response) => resolve(response.resume().statusCode),
    );
    sent.on("error", reject).end();
  });
  assert.equal(status, 200);
  await server.stop(AbortSignal.timeout(5000));
});

test("listens on a socket the process was started with", async () => {
  const listener = await listening();
  const { fd } = (listener as unknown as { _handle: { fd: number } })._handle;
  const program = `
    import { HttpServer } from "@clew/transport/http";
    const handle = (_, response) => response.end("from the child");
    const server = new HttpServer({ listener: { fd: 3 }, routes: [{ verb: "GET", path: "/ok", handle }] });
    await server.start();
    console.log(server.endpoint().href);
    process.stdin.once("end", () => server.stop(AbortSignal.abort())).resume();`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    cwd: import.meta.dirname,
    stdio: ["pipe", "pipe", "inherit", fd],
  });
  const [told] = (await once(child.stdout!, "data")) as [Buffer];
  // From here on only the child accepts.
  const url = `http://127.0.0.1:${portOf(listener)}/`;
  listener.close();
  assert.equal(String(told).trim(), url);
  assert.equal(await (await fetch(`${url}ok`)).text(), "from the child");
  child.stdin!.end();
  assert.deepEqual(await once(child, "exit"), [0, null]);
});

test("refuses addresses and listeners that are none", () => {
  assert.throws(() => new HttpServer({ address: "unix:" }), { code: "CLEW_TRANSPORT_ADDRESS" });
  assert.throws(() => new HttpServer({ listener: { fd: -1 } }), { code: "CLEW_TRANSPORT_OPTION" });
  assert.throws(() => new HttpServer({ listener: { fd: 1.5 } }), { code: "CLEW_TRANSPORT_OPTION" });
});
