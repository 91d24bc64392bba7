import assert from "node:assert/strict";
import { test } from "node:test";
import { type Call, createJsonCodec, type Metadata, type Middleware, protoCodec, service } from "@clew/rpc";
import { type ClientOptions, createClient } from "@clew/transport";
import { until } from "../../http2/test/until.ts";
import { readRequest, withBare } from "./bare-server.ts";
import { failureOf } from "./failure-of.ts";
import { Rules } from "./gen/test/v1/kinds_pb.ts";
import { Echo, Genre, Shelves } from "./gen/test/v1/test_pb.ts";
import { hearCalls } from "./hear-calls.ts";
import { echo, shelves, withServer } from "./http-shelves.ts";
import { openClient } from "./open-client.ts";

test("calls a server of ours, every kind of rule", async (t) => {
  await withServer({ services: [shelves()] }, async (endpoint) => {
    const client = openClient(t, Shelves, { endpoint });
    const book = await client.getBook({ shelf: "a/b ü:?#%", book: { id: "x:y z", title: "t" } });
    assert.deepEqual([book.id, book.title], ["x:y z", "on a/b ü:?#%"]);
    const created = await client.createBook({ shelf: "s", book: { title: "T", tags: ["a"], pages: 5n }, dryRun: true });
    assert.deepEqual([created.title, created.tags, created.pages], ["T on s", ["a"], 1n]);
    const updated = await client.updateBook({ id: "b1", genre: Genre.POETRY, labels: { k: "v" } });
    assert.deepEqual([updated.id, updated.genre, updated.labels], ["b1", Genre.POETRY, { k: "v" }]);
    assert.equal((await client.deleteBook({ shelf: "s", book: { id: "b" } })).$typeName, "test.v1.Empty");
    const found = await client.searchBooks({
      query: "a&b",
      genres: [Genre.NOVEL, Genre.POETRY],
      author: { name: "Ann" },
    });
    assert.deepEqual(
      found.books.map((one) => [one.id, one.tags, one.author?.name]),
      [["a&b", ["1", "2"], "Ann"]],
    );
    assert.equal((await client.getFile({ path: "files/a b/c%2Fd" })).id, "files/a b/c%2Fd");
  });
});

test("carries body fields and reply fields of every kind, and custom verbs", async (t) => {
  const same = (request: object): object => request;
  const rules = service(Rules, { query: same, patch: same, tags: same, bare: same, purge: same, move: same } as never);
  await withServer({ services: [rules] }, async (endpoint) => {
    const client = openClient(t, Rules, { endpoint });
    const patched = await client.patch({
      int32Value: 3,
      nested: { name: "n" },
      strings: ["q"],
      choice: { case: "choiceText", value: "t" },
    });
    assert.deepEqual([patched.int32Value, patched.nested?.name, patched.strings], [3, "n", ["q"]]);
    assert.deepEqual(patched.choice, { case: "choiceText", value: "t" });
    assert.deepEqual((await client.tags({ stringValue: "x", strings: ["a", "b"] })).strings, ["a", "b"]);
    assert.equal((await client.bare({ stringWrapper: "w" })).stringWrapper, "w");
    assert.equal((await client.purge({ nested: { name: "n" }, boolValue: true })).boolValue, true);
    const moved = await client.move({
      stringValue: "shelves/1/books/2 3",
      timestampValue: { seconds: 1n },
      doubleValue: 0.5,
    });
    assert.deepEqual(
      [moved.stringValue, moved.timestampValue?.seconds, moved.doubleValue],
      ["shelves/1/books/2 3", 1n, 0.5],
    );
    const queried = await client.query({
      bytesValue: new Uint8Array([251, 255]),
      uint64Value: 2n ** 64n - 1n,
      labels: { a: "b" },
    });
    assert.deepEqual(
      [[...queried.bytesValue], queried.uint64Value, queried.labels],
      [[251, 255], 2n ** 64n - 1n, { a: "b" }],
    );
  });
});

test("speaks protobuf when it is told to", async (t) => {
  const types: unknown[] = [];
  const services = [
    echo((request, call) => {
      types.push(call.metadata.get("content-type"), call.metadata.get("accept"));
      return request;
    }),
  ];
  await withServer({ services }, async (endpoint) => {
    const client = openClient(t, Echo, { endpoint, http: { codec: protoCodec } });
    const reply = await client.unary({ text: "a", payload: new Uint8Array([1]) });
    assert.deepEqual([reply.text, [...reply.payload]], ["a", [1]]);
  });
  assert.deepEqual(types, ["application/proto", "application/proto"]);
});

test("sends what a bare server expects: verb, path under the endpoint's own, query, headers, body", async (t) => {
  const seen: unknown[] = [];
  await withBare(
    (request, response) => {
      void readRequest(request).then((asked) => {
        seen.push(
          asked,
          request.headers["x-md-global-user"],
          request.headers["x-two"],
          request.headers.accept,
          request.headers.te,
        );
        response.setHeader("X-Reply", "r").end('{"id":"b"}');
      });
    },
    async (url) => {
      const client = openClient(t, Shelves, { endpoint: `${url}/base/` });
      let headers: Metadata | undefined;
      const metadata = {
        "x-md-global-user": "ann",
        "x-two": ["1", "2"],
        te: "trailers",
        "content-length": "999",
        host: "evil",
      };
      const reply = await client.createBook(
        { shelf: "s 1", book: { title: "é" }, dryRun: true },
        { metadata, onHeaders: (given) => (headers = given) },
      );
      assert.equal(reply.id, "b");
      assert.equal(headers?.get("x-reply"), "r");
      await client.getBook({ shelf: "s", book: { id: "i", pages: 2n } });
    },
  );
  const book = '{"id":"","title":"é","pages":"0","tags":[],"genre":"GENRE_UNSPECIFIED","labels":{}}';
  assert.deepEqual(seen.slice(0, 5), [
    ["POST", "/base/v1/shelves/s%201/books?dryRun=true", book, "application/json"],
    "ann",
    "1, 2",
    "application/json",
    undefined,
  ]);
  assert.deepEqual(seen[5], ["GET", "/base/v1/shelves/s/books/i?book.pages=2", "", undefined]);
});

test("metadata that no header can hold, and a message its path cannot hold, are 400 before anything is sent", async (t) => {
  let asked = 0;
  await withBare(
    () => asked++,
    async (endpoint) => {
      const client = openClient(t, Shelves, { endpoint });
      const book = { id: "b" };
      for (const metadata of [{ "x-a": "1\r\nx-b: 2" }, { "x a": "1" }, { "x-a": "\u{1F600}" }]) {
        const error = await failureOf(client.getBook({ shelf: "s", book }, { metadata }));
        assert.deepEqual([error.code, error.reason], [400, "CODEC"], JSON.stringify(metadata));
      }
      assert.match((await failureOf(client.getBook({ book }))).message, /field "shelf" is empty/);
      assert.match(
        (await failureOf(client.getFile({ path: "other/x" }))).message,
        /field "path" does not fit files\/\*\*/,
      );
      assert.equal(asked, 0);
    },
  );
});

test("middleware sees the call: its peer, and the messages that passed", async (t) => {
  let call: Call | undefined;
  const passed: unknown[] = [];
  const keep: Middleware = (next) => (given) => {
    call = given;
    given.onMessage((direction, message) => passed.push(direction, message.$typeName));
    given.metadata.set("x-added", "1");
    return next(given);
  };
  const services = [echo((_request, given) => ({ text: given.metadata.get("x-added") ?? "" }))];
  await withServer({ services }, async (endpoint) => {
    const client = openClient(t, Echo, { endpoint, middleware: [keep] });
    assert.equal((await client.unary({})).text, "1");
    assert.deepEqual([call?.transport, call?.side, call?.peer.address], ["http", "client", new URL(endpoint).host]);
  });
  assert.deepEqual(passed, ["sent", "test.v1.EchoMessage", "received", "test.v1.EchoMessage"]);
});

test("announces each call on the channel clew.client.call", async (t) => {
  const seen: unknown[] = [];
  await hearCalls(
    ["client"],
    ({ stage, call, error }) => seen.push([stage, call.operation, error?.code]),
    () =>
      withServer({ services: [echo()] }, async (endpoint) => {
        const client = openClient(t, Echo, { endpoint });
        await client.unary({});
        const lost = openClient(t, Shelves, { endpoint });
        await failureOf(lost.deleteBook({ shelf: "s", book: { id: "b" } }));
      }),
  );
  assert.deepEqual(seen, [
    ["begin", "/test.v1.Echo/Unary", undefined],
    ["end", "/test.v1.Echo/Unary", undefined],
    ["begin", "/test.v1.Shelves/DeleteBook", undefined],
    ["end", "/test.v1.Shelves/DeleteBook", 404],
  ]);
});

test("a client that is closed ends its calls first, and takes no more", async () => {
  let release: (() => void) | undefined;
  const services = [echo((request) => new Promise((resolve) => (release = () => resolve(request))))];
  await withServer({ services }, async (endpoint) => {
    const client = createClient(Echo, { endpoint });
    const open = client.unary({ text: "a" });
    await until(() => release !== undefined, "the call arrives");
    const closed = client[Symbol.asyncDispose]();
    assert.equal((await failureOf(client.unary({}))).reason, "UNAVAILABLE");
    release!();
    assert.equal((await open).text, "a");
    await closed;
    await client[Symbol.asyncDispose]();
  });
});

test("the scheme picks the protocol; one that no client speaks is an error that names those that work", () => {
  const make = (endpoint: string, rest: Partial<ClientOptions> = {}) => createClient(Echo, { endpoint, ...rest });
  for (const [endpoint, told] of [
    ["ftp://a:1", '"ftp://a:1"'],
    ["localhost:8000", '"localhost:8000"'],
    ["127.0.0.1:8000", '"127.0.0.1:8000"'],
    ["", '""'],
    [new URL("ftp://a:1"), '"ftp://a:1/"'],
    [undefined, "undefined"],
  ]) {
    const message = RegExp(
      `^endpoint ${told} has no scheme that a client supports; it must be like one of http://host:port, .*grpc://host:port`,
    );
    assert.throws(() => make(endpoint as string), { code: "CLEW_TRANSPORT_SCHEME", message });
  }
  assert.throws(() => make("discovery:///user"), { code: "CLEW_REGISTRY_DISCOVERY" });
  for (const endpoint of ["http://", "http://a:99999", "http://a/?x=1", "http://a/#x", "http://u:p@a/"]) {
    assert.throws(() => make(endpoint), { code: "CLEW_TRANSPORT_ENDPOINT" }, endpoint);
  }
  assert.throws(() => make("http://a", { http: { connections: 0 } }), { code: "CLEW_TRANSPORT_OPTION" });
  assert.throws(() => make("http://a", { http: { bodyLimitBytes: -1, codec: createJsonCodec() } }), {
    code: "CLEW_TRANSPORT_OPTION",
  });
});
