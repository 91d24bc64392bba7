// Bodies of HTTP/JSON that are not whole yet: over HTTP/2 they count for the whole connection, as gRPC's messages do.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { ClientSession, type ClientStream, ErrorCode } from "@clew/http2";
import type { Filter, HttpServerOptions } from "@clew/transport/http";
import { until } from "../../http2/test/until.ts";
import { echo, withServer } from "./http-shelves.ts";
import { standstill } from "./standstill.ts";

const mebibyte = 1024 * 1024;
// What a stream may send before it hears from the server.
const windowBytes = mebibyte / 4;

const body = Buffer.from(`{"text":"${"x".repeat(4 * mebibyte - 100)}"}`);
const sized = ["content-length", String(body.length)];

interface Caller {
  readonly socket: Socket;
  /** What the calls ended with so far. */
  readonly ends: string[];
  begin(own?: readonly string[]): ClientStream;
}

/** A server that has room for one large body, and answers with `ok`; and a caller that sends as far as the windows allow. */
async function withCaller(
  use: (caller: Caller) => Promise<void>,
  reply: () => Promise<void> = async () => {},
  options: HttpServerOptions = {},
): Promise<void> {
  const services = [
    echo(async () => {
      await reply();
      return { text: "ok" };
    }),
  ];
  await withServer({ services, maxUnfinishedBytes: 6 * mebibyte, ...options }, async (url) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    await once(socket, "connect");
    const session = new ClientSession(socket);
    await until(() => session.roundTripMs > 0, "the server's settings");
    const ends: string[] = [];
    const begin = (own: readonly string[] = sized): ClientStream => {
      const headers = [":method", "POST", ":scheme", "http", ":path", "/test.v1.Echo/Unary", ":authority", "test"];
      headers.push("content-type", "application/json", ...own);
      return session.openStream(headers, undefined, {
        onHeaders: (fields) => void ends.push(fields[fields.indexOf(":status") + 1]!),
        onData() {},
        onEnd() {},
        // What the server does not read after its reply is reset as well.
        onReset: (code) => void (code !== ErrorCode.NO_ERROR && ends.push(`reset ${code}`)),
        onDrain() {},
      });
    };
    await use({ socket, ends, begin });
    session.destroy();
  });
}

async function assertEnds(ends: readonly string[], expected: readonly string[]): Promise<void> {
  await until(() => ends.length >= expected.length, "the ends of all calls");
  assert.deepEqual(ends, expected);
}

const filters: Filter[] = [(next) => next];

for (const [what, own, options] of [
  ["say how long they are", sized, {}],
  ["do not say how long they are", [], {}],
  ["say how long they are, inside of a filter,", sized, { filters }],
  ["do not say how long they are, inside of a filter,", [], { filters }],
] as const) {
  test(`bodies that ${what} and are almost whole hold no more than is allowed; when they end they are answered`, async () => {
    const use = async ({ socket, ends, begin }: Caller): Promise<void> => {
      const streams = Array.from({ length: 16 }, () => begin(own));
      for (const stream of streams) stream.sendData(body.subarray(0, -1));
      const held = await standstill(() => socket.bytesWritten);
      // A second one does not get in beside the first, and whatever waits has sent no more than its first window.
      assert.ok(held < body.length + 15 * windowBytes + 100_000, `${held} bytes were taken`);

      // What fits into a window goes on meanwhile.
      const small = Buffer.from(`{"text":"${"x".repeat(200_000)}"}`);
      for (let i = 0; i < 20; i++) begin(["content-length", String(small.length)]).sendData(small, true);
      await assertEnds(ends, Array(20).fill("200"));

      for (const stream of streams) stream.sendData(body.subarray(-1), true);
      await assertEnds(ends, Array(36).fill("200"));
    };
    await withCaller(use, undefined, options);
  });
}

for (const [where, options] of [
  ["", {}],
  [" inside of a filter", { filters }],
] as const) {
  test(`a body that is whole${where} leaves its room to others while its call goes on`, async () => {
    let begun = 0;
    let goOn = (): void => {};
    const isTime = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const reply = (): Promise<void> => {
      begun++;
      return isTime;
    };
    await withCaller(
      async ({ ends, begin }) => {
        for (let i = 0; i < 5; i++) begin().sendData(body, true);
        await until(() => begun === 5, "all calls at once");
        assert.deepEqual(ends, []);
        goOn();
        await assertEnds(ends, Array(5).fill("200"));
      },
      reply,
      options,
    );
  });

  test(`a body that its caller gives up, or that is too large,${where} leaves its room to others`, async () => {
    await withCaller(
      async ({ socket, ends, begin }) => {
        const given = begin();
        given.sendData(body.subarray(0, -1));
        const endless = begin([]);
        endless.sendData(Buffer.alloc(5 * mebibyte));
        const last = begin();
        last.sendData(body, true);
        await standstill(() => socket.bytesWritten);
        assert.deepEqual(ends, []);
        given.reset(ErrorCode.CANCEL);
        await assertEnds(ends, ["413", "200"]);
      },
      undefined,
      options,
    );
  });

  test(`where one body may be larger than all the room there is, those${where} that do not say how long they are come one after the other`, async () => {
    await withCaller(
      async ({ ends, begin }) => {
        for (let i = 0; i < 5; i++) begin([]).sendData(body, true);
        await assertEnds(ends, Array(5).fill("200"));
      },
      undefined,
      { ...options, bodyLimitBytes: 1024 * mebibyte },
    );
  });
}
