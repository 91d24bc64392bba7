// Replies that their caller does not take: what waits on a connection has an end.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { ClientSession, ErrorCode } from "@clew/http2";
import { silentLogger } from "@clew/log";
import { Server } from "@clew/transport";
import { until } from "../../http2/test/until.ts";
import { echo } from "./http-shelves.ts";
import { patientMs } from "./patient-ms.ts";

const mebibyte = 1024 * 1024;
const text = "x".repeat(mebibyte);

for (const [name, headers, statusOf] of [
  ["gRPC", ["content-type", "application/grpc", "te", "trailers"], "grpc-status"],
  ["HTTP/JSON", ["content-type", "application/json"], ":status"],
] as const) {
  test(`${name}: replies that come to more than maxUnsentBytes are reset, and those that wait arrive`, async (t) => {
    const server = new Server({
      address: "127.0.0.1:0",
      services: [echo(() => ({ text }))],
      maxUnsentBytes: 4 * mebibyte,
      timeoutMs: patientMs,
      logger: silentLogger,
    });
    await server.start();
    t.after(() => server.stop(AbortSignal.abort()));
    const socket = connect(Number(server.endpoint().port), "127.0.0.1");
    t.after(() => socket.destroy());
    await once(socket, "connect");
    // Windows of 64 KiB, and no more than that is taken of any reply for now.
    const session = new ClientSession(socket, { streamWindowBytes: 65_535, connectionWindowBytes: 65_535 });
    const ends: string[] = [];
    const fields = [":method", "POST", ":scheme", "http", ":path", "/test.v1.Echo/Unary", ":authority", "test"];
    const body = name === "gRPC" ? Buffer.alloc(5) : Buffer.from("{}");
    const streams = Array.from({ length: 16 }, () => {
      let status: string | undefined;
      const read = (given: readonly string[]): void => {
        const at = given.indexOf(statusOf);
        if (at !== -1) status = given[at + 1];
      };
      const stream = session.openStream([...fields, ...headers], body, {
        onHeaders: read,
        onData() {},
        onEnd(trailers) {
          read(trailers);
          ends.push(`status ${status}`);
        },
        onReset: (code) => void ends.push(`reset ${code}`),
        onDrain() {},
      });
      stream.pause();
      return stream;
    });
    await until(() => ends.length >= 12, "the ends of those that are too much");
    assert.deepEqual(ends, Array(12).fill(`reset ${ErrorCode.ENHANCE_YOUR_CALM}`));
    for (const stream of streams) stream.resume();
    await until(() => ends.length === 16, "the ends of all calls");
    assert.deepEqual(ends.slice(12), Array(4).fill(name === "gRPC" ? "status 0" : "status 200"));
  });
}
