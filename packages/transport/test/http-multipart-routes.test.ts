// Forms with files, part by part in a raw route.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { test } from "node:test";
import { type MultipartPart, type Route, readMultipart } from "@clew/transport/http";
import { until } from "../../http2/test/until.ts";
import { withServer } from "./http-shelves.ts";
import { eachVersion, type Question } from "./http-versions.ts";
import { field, file, form, hashOf, parts, problemOf, route, type Told, uploads } from "./multipart-form.ts";

test("a raw route gets part after part, of any length", async () => {
  await eachVersion(
    () => ({ routes: [parts({ bodyLimitBytes: 20_000_000, partLimitBytes: 8_000_000 })] }),
    async ({ ask }) => {
      const big = randomBytes(8_000_000);
      const question = form([field("a", "1"), file("big", big, "x/y"), file("big2", big), field("z", "")]);
      const told = JSON.parse((await ask("/parts", question)).text) as Told[];
      assert.deepEqual(
        told.map(({ name, length, contentType }) => [name, length, contentType]),
        [
          ["a", 1, "text/plain"],
          ["big", 8_000_000, "x/y"],
          ["big2", 8_000_000, "application/octet-stream"],
          ["z", 0, "text/plain"],
        ],
      );
      assert.equal(told[1]?.hash, hashOf(big));
      // The connection goes on.
      assert.equal((await ask("/parts", form([]))).text, "[]");
    },
  );
});

test("10,000 tiny parts, one more than the limit, and a body of as many tiny pieces", async () => {
  await eachVersion(
    () => ({ services: [uploads()], routes: [parts({ partLimit: 10_000 })], multipart: { partLimit: 10_000 } }),
    async ({ ask, version }) => {
      const many = Array.from({ length: 10_000 }, (_, at) => field("tags", String(at)));
      const told = JSON.parse((await ask("/parts", form(many))).text) as Told[];
      assert.deepEqual([told.length, told.at(-1)?.length], [10_000, 4]);
      const album = JSON.parse((await ask("/v1/albums/7", form(many))).text) as { tags: string[] };
      assert.deepEqual([album.tags.length, album.tags.at(-1)], [10_000, "9999"]);
      for (const path of ["/parts", "/v1/albums/7"]) {
        const { status, text } = await ask(path, form([...many, field("tags", "")]));
        assert.deepEqual([status, problemOf(text)[1]], [413, "BODY_TOO_LARGE"], path);
      }
      if (version === "2") return;
      const { body, ...rest } = form(Array.from({ length: 50 }, () => field("tags", "a tag")));
      const single = Readable.from(
        Array.from(body, (byte) => Buffer.from([byte])),
        { objectMode: false },
      );
      assert.equal((JSON.parse((await ask("/parts", { ...rest, body: single })).text) as Told[]).length, 50);
    },
  );
});

test("a raw route's form over a limit, malformed or cut short is answered as an error", async () => {
  await eachVersion(
    () => ({ routes: [parts({ bodyLimitBytes: 3000, partLimitBytes: 1000 })] }),
    async ({ ask }) => {
      const chunked = (question: ReturnType<typeof form>): Question => ({
        ...question,
        body: Readable.from([question.body]),
      });
      const cases: [Question, number, string, RegExp][] = [
        [form([file("a", "x".repeat(1001))]), 413, "BODY_TOO_LARGE", /part "a" is over the limit of 1000 bytes/],
        [form([file("a", "x".repeat(4000))]), 413, "BODY_TOO_LARGE", /3000/],
        [
          chunked(
            form([
              file("a", "x".repeat(900)),
              file("b", "x".repeat(900)),
              file("c", "x".repeat(1000)),
              file("d", "x".repeat(900)),
            ]),
          ),
          413,
          "BODY_TOO_LARGE",
          /3000/,
        ],
        [form([field("a", "1")], ""), 400, "CODEC", /ends within part/],
        [form([{ disposition: "x", content: "" }]), 400, "CODEC", /part 1 .* has no content-disposition/],
        [
          { ...form([]), headers: { "content-type": "application/json" } },
          400,
          "CODEC",
          /multipart\/form-data would work/,
        ],
        [
          { ...form([]), headers: { ...form([]).headers, "content-encoding": "gzip" } },
          415,
          "CODEC",
          /content encoding/,
        ],
      ];
      for (const [question, code, reason, message] of cases) {
        const { status, text } = await ask("/parts", question);
        const problem = problemOf(text);
        assert.deepEqual([status, problem[1]], [code, reason], problem[2]);
        assert.match(problem[2], message);
      }
      const exact = await ask("/parts", form([file("a", "x".repeat(1000))]));
      assert.equal((JSON.parse(exact.text) as Told[])[0]?.length, 1000);
    },
  );
});

test("a sender is held back while nobody reads", async () => {
  let go: () => void = () => {};
  const routes = [
    route(async (request, response) => {
      for await (const { stream } of readMultipart(request, { bodyLimitBytes: 1e9 })) {
        await new Promise<void>((resolve) => (go = resolve));
        response.end(String((await buffer(stream)).length));
      }
    }),
  ];
  await eachVersion(
    () => ({ routes }),
    async ({ ask }) => {
      go = () => {};
      const chunk = Buffer.alloc(64 * 1024, "x");
      const total = 64 * 1024 * 1024;
      let sent = 0;
      const { body, ...question } = form([file("big", "")]);
      const start = body.subarray(0, body.indexOf("\r\n\r\n") + 4);
      const end = Buffer.from("\r\n--xx--\r\n");
      const source = Readable.from(
        (function* () {
          yield start;
          for (; sent < total; sent += chunk.length) yield chunk;
          yield end;
        })(),
        { objectMode: false },
      );
      const answer = ask("/parts", { ...question, body: source });
      let before = -1;
      let still = 0;
      await until(() => {
        still = sent === before && sent > 0 ? still + 1 : 0;
        before = sent;
        return still > 20;
      }, "the sender at rest");
      assert.ok(sent < total / 2, `${sent} bytes were taken though nobody reads`);
      go();
      assert.equal((await answer).text, String(total));
    },
  );
});

test("a caller that leaves midway: the part fails, the iteration as well, and nothing stays", async () => {
  const failures: unknown[] = [];
  let isReading = false;
  const routes = [
    route(async (request) => {
      try {
        for await (const { stream } of readMultipart(request)) {
          isReading = true;
          await text(stream).catch((error: unknown) => failures.push(error));
        }
      } catch (error) {
        failures.push(error);
        throw error;
      }
    }),
  ];
  await eachVersion(
    () => ({ routes, services: [uploads()] }),
    async ({ open, ask }) => {
      for (const path of ["/parts", "/v1/albums/7"]) {
        failures.length = 0;
        isReading = false;
        const body = new PassThrough();
        const { body: bytes, ...question } = form([file("cover", "half of it")]);
        const opened = open(path, { ...question, body });
        opened.catch(() => {});
        body.write(bytes.subarray(0, -20));
        if (path === "/parts") await until(() => isReading, "a part");
        body.destroy(new Error("gone"));
        await assert.rejects(opened);
        if (path === "/parts") {
          await until(() => failures.length === 2, "two failures");
          for (const failure of failures) assert.equal((failure as { code: number }).code, 499);
        }
      }
      assert.equal((await ask("/v1/albums/7", form([field("title", "still here")]))).status, 200);
    },
  );
});

test("breaking off, going on without reading, and reading too late", async () => {
  const kept: MultipartPart[] = [];
  const routes: Route[] = [
    {
      verb: "POST",
      path: "/first",
      handle: async (request, response) => {
        for await (const { name, stream } of readMultipart(request)) {
          response.end(`${name}: ${await text(stream)}`);
          break;
        }
      },
    },
    {
      verb: "POST",
      path: "/names",
      handle: async (request, response) => {
        kept.length = 0;
        for await (const part of readMultipart(request)) {
          kept.push(part);
          // Begun, and left.
          part.stream.once("readable", () => {});
        }
        response.end(kept.map(({ name }) => name).join());
      },
    },
  ];
  await eachVersion(
    () => ({ routes }),
    async ({ ask, url, version }) => {
      const question = form([
        field("a", "1"),
        file("b", randomBytes(500_000)),
        file("c", randomBytes(500_000)),
        field("d", "4"),
      ]);
      assert.equal((await ask("/first", question)).text, "a: 1");
      assert.equal((await ask("/names", question)).text, "a,b,c,d");
      for (const { stream } of kept) assert.ok(stream.destroyed);
      await assert.rejects(text(kept[1]!.stream));
      if (version === "2") return;
      // On one connection, one after the other.
      for (const path of ["/first", "/names", "/first"]) {
        const reply = await fetch(url + path, {
          method: "POST",
          headers: question.headers!,
          body: new Uint8Array(question.body),
        });
        assert.equal(reply.status, 200);
        await reply.text();
      }
    },
  );
});

test("limits that cannot work are errors at once", async () => {
  const request = Readable.from([]) as never;
  assert.throws(() => readMultipart(request, { bodyLimitBytes: -1 }), { code: "CLEW_TRANSPORT_OPTION" });
  assert.throws(() => readMultipart(request, { partLimit: Number.NaN }), { code: "CLEW_TRANSPORT_OPTION" });
  await assert.rejects(
    withServer({ multipart: { nameLimitBytes: -1 } }, async () => {}),
    { code: "CLEW_TRANSPORT_OPTION" },
  );
});
