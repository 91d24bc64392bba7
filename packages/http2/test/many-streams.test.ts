import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { ClientSession, type ClientStreamListener } from "@clew/http2";
import { echo } from "./echo.ts";
import { listen, requestFields } from "./raw-peer.ts";

// CLEW_STREAMS=1000000 for the long run.
const count = Number(process.env.CLEW_STREAMS ?? 10_000);

test(`${count} streams, one after another on one connection: memory stays flat`, async () => {
  const server = await listen(() => ({ accept: echo }));
  const socket = connect(server.port, "127.0.0.1");
  await once(socket, "connect");
  const client = new ClientSession(socket);
  const body = Buffer.alloc(100, "x");
  const collect = globalThis.gc ?? (() => {});
  let done = 0;
  let first = 0;
  await new Promise<void>((resolve, reject) => {
    const next = (): void => {
      if (done === count / 10) {
        collect();
        first = process.memoryUsage().heapUsed;
      }
      if (done === count) {
        resolve();
        return;
      }
      client.openStream([...requestFields, "grpc-timeout", `${done % 1000}m`], body, listener);
    };
    const listener: ClientStreamListener = {
      onHeaders() {},
      onData(bytes) {
        assert.equal(bytes.length, body.length);
      },
      onEnd() {
        done++;
        next();
      },
      onReset: (code, error) => reject(error ?? new Error(`reset ${code}`)),
      onDrain() {},
    };
    next();
  });
  collect();
  const { heapUsed, rss } = process.memoryUsage();
  assert.ok(heapUsed - first < 20 * 1024 * 1024, `the heap grew by ${heapUsed - first} bytes`);
  assert.ok(rss < 300 * 1024 * 1024, `${rss} bytes resident`);
  if (count > 10_000) console.log(`heap grew by ${heapUsed - first} bytes, ${rss} bytes resident`);
  client.destroy();
  await server.close();
});
