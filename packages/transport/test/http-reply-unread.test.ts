// A raw route that refuses a request whose body it does not read.
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { HttpServer, type Route, replyUnread } from "@clew/transport/http";
import { until } from "../../http2/test/until.ts";

const refuse: Route = {
  verb: "POST",
  path: "/refuse",
  handle: (incoming, response) =>
    replyUnread(incoming, response, { status: 422, headers: { "content-length": 7 }, body: "refused" }),
};

async function withServer(work: (url: URL) => Promise<void>): Promise<void> {
  const server = new HttpServer({ address: "127.0.0.1:0", routes: [refuse] });
  await server.start();
  try {
    await work(new URL("/refuse", server.endpoint()));
  } finally {
    await server.stop(AbortSignal.abort());
  }
}

test("who still sends its body gets the whole reply, and the end of the connection after it", () =>
  withServer(async (url) => {
    const socket = connect(Number(url.port), url.hostname);
    socket.write("POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n");
    let got = "";
    socket.on("data", (bytes) => {
      got += bytes.toString();
    });
    await until(() => got.endsWith("refused"), "the reply");
    assert.match(got, /^HTTP\/1.1 422 [\s\S]*connection: close[\s\S]*\r\n\r\nrefused$/i);
    // It may go on for a while: an end of the connection now would be a reset, which takes the reply with it.
    assert.equal(socket.write("x".repeat(1000)), true);
    await once(socket, "end");
    socket.destroy();
  }));

test("who has sent all of it keeps the connection", () =>
  withServer(async (url) => {
    const sent = request(url, { method: "POST", headers: { "content-length": 0 } });
    sent.end();
    const [response] = await once(sent, "response");
    assert.equal(response.headers.connection, "keep-alive");
    assert.equal(await text(response), "refused");
  }));
