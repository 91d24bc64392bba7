// Forms with files: as the body of a call, and part by part in a raw route. Sent by fetch, by curl and byte for byte.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { test } from "node:test";
import { promisify } from "node:util";
import { type Message, toJson } from "@bufbuild/protobuf";
import { service } from "@clew/rpc";
import {
  type MultipartPart,
  type RawHandler,
  type ReadMultipartOptions,
  type Route,
  readMultipart,
} from "@clew/transport/http";
import { until } from "../../http2/test/until.ts";
import { type Album, AlbumSchema, Uploads } from "./gen/test/v1/uploads_pb.ts";
import { withServer } from "./http-shelves.ts";
import { eachVersion, type Question } from "./http-versions.ts";

/** Stores what comes into `stored`. */
function uploads(stored: Message[] = []): ReturnType<typeof service> {
  const store = <T extends Message>(message: T): T => {
    stored.push(message);
    return message;
  };
  return service(Uploads, { store, storePart: store });
}

interface RawPart {
  readonly disposition: string;
  readonly contentType?: string;
  readonly content: string | Buffer;
}

/** A question that posts these parts. */
function form(parts: readonly RawPart[], end = "--xx--\r\n"): Question & { body: Buffer } {
  const pieces = parts.flatMap(({ disposition, contentType, content }) => [
    Buffer.from(
      `--xx\r\nContent-Disposition: form-data; ${disposition}\r\n${contentType === undefined ? "" : `Content-Type: ${contentType}\r\n`}\r\n`,
    ),
    Buffer.from(content),
    Buffer.from("\r\n"),
  ]);
  return {
    verb: "POST",
    headers: { "content-type": "multipart/form-data; boundary=xx" },
    body: Buffer.concat([...pieces, Buffer.from(end)]),
  };
}

function field(name: string, content: string): RawPart {
  return { disposition: `name="${name}"`, content };
}

function file(name: string, content: string | Buffer, contentType?: string): RawPart {
  return { disposition: `name="${name}"; filename="${name}.bin"`, content, ...(contentType && { contentType }) };
}

function problemOf(text: string): [code: number, reason: string, message: string] {
  const { code, reason, message } = JSON.parse(text) as { code: number; reason: string; message: string };
  return [code, reason, message];
}

test("text parts bind as a form's fields do, files as bytes and as HttpBody, one and many", async () => {
  const stored: Album[] = [];
  await eachVersion(
    () => ({ services: [uploads(stored)] }),
    async ({ ask }) => {
      const picture = randomBytes(70_000);
      const question = form([
        field("title", "Größe"),
        field("tags", "a"),
        field("tags[]", "b"),
        field("year", "1999"),
        field("owner.name", "ann"),
        field("labels[k]", "v"),
        field("unknown", "?"),
        field("id", "not the path's"),
        file("cover", picture, "image/png"),
        file("pictures", "one"),
        file("pictures", "two"),
        file("document", "<p>", "text/html; charset=utf-8"),
        file("attachments", "x", "a/b"),
        { disposition: 'name="attachments"', content: "note" },
        file("owner.portrait", "me"),
        file("content", "in a oneof"),
        file("files[k]", "in a map"),
        file("nothing", "to see"),
      ]);
      const { status, text } = await ask("/v1/albums/7?title=ignored", question);
      assert.equal(status, 200, text);
      const album = stored.at(-1)!;
      assert.deepEqual(Buffer.from(album.cover), picture);
      const { cover, ...rest } = toJson(AlbumSchema, album) as Record<string, unknown>;
      const base64 = (content: string): string => Buffer.from(content).toString("base64");
      assert.deepEqual(rest, {
        id: "7",
        title: "Größe",
        tags: ["a", "b"],
        year: 1999,
        pictures: [base64("one"), base64("two")],
        document: { contentType: "text/html; charset=utf-8", data: base64("<p>") },
        attachments: [
          { contentType: "a/b", data: base64("x") },
          { contentType: "text/plain", data: base64("note") },
        ],
        owner: { name: "ann", portrait: base64("me") },
        content: base64("in a oneof"),
        labels: { k: "v" },
        files: { k: base64("in a map") },
      });
    },
  );
});

test("a rule whose body is a field, empty inputs, Base64 in a text part, other charsets", async () => {
  const stored: Album[] = [];
  await eachVersion(
    () => ({ services: [uploads(stored)] }),
    async ({ ask }) => {
      const part = await ask("/v1/parts?note=n", form([field("title", "t"), file("cover", "c")]));
      const { album, note } = JSON.parse(part.text) as { album: Record<string, unknown>; note: string };
      assert.deepEqual([album.title, album.cover, note], ["t", "Yw==", "n"]);

      const noFile = {
        disposition: 'name="document"; filename=""',
        contentType: "application/octet-stream",
        content: "",
      };
      await ask(
        "/v1/albums/7",
        form([
          field("year", ""),
          noFile,
          { ...noFile, disposition: 'name="attachments"; filename=""' },
          field("cover", "Yw=="),
        ]),
      );
      const empty = stored.at(-1)!;
      assert.deepEqual(
        [empty.year, empty.document, empty.attachments, Buffer.from(empty.cover).toString()],
        [0, undefined, [], "c"],
      );

      const latin = {
        ...field("title", ""),
        contentType: "text/plain; charset=iso-8859-1",
        content: Buffer.from([0x47, 0xf6]),
      };
      const zero = await ask("/v1/albums/7", form([latin, file("cover", "")]));
      assert.equal((JSON.parse(zero.text) as { title: string }).title, "Gö");
      assert.equal((await ask("/v1/albums/7", form([]))).status, 200);
    },
  );
});

test("what is wrong with a form is told with the part's name", async () => {
  const cases: [parts: RawPart[], message: RegExp, end?: string][] = [
    [[field("year", "soon")], /field "year"/],
    [
      [file("title", "a file")],
      /field "title": it is a file; only a field of bytes or a google.api.HttpBody holds one/,
    ],
    [[file("tags", "a file")], /field "tags": it is a file/],
    [[file("owner", "a file")], /field "owner"/],
    [[file("cover", "1"), file("cover", "2")], /field "cover": it is given more than once/],
    [[field("owner", "text")], /field "owner": it is a test.v1.Owner/],
    [[{ ...field("title", ""), content: Buffer.from([0xff]) }], /part "title" is no text in utf-8/],
    [[{ ...field("title", "x"), contentType: "text/plain; charset=klingon" }], /part "title" is no text in klingon/],
    [[field("url", "u"), file("content", "c")], /source is given as url already/],
    [[{ disposition: "nameless", content: "" }], /part 1 of the multipart body has no content-disposition/],
    [[field("title", "x")], /the multipart body ends within part "title"/, ""],
    [[field("title", "x")], /part "title" has a boundary after it that goes on/, "--xxx--"],
  ];
  await eachVersion(
    () => ({ services: [uploads()] }),
    async ({ ask }) => {
      for (const [parts, message, end] of cases) {
        const question = form(parts, end);
        // Without its last line break as well: what is cut off there is the part.
        const body = end === "" ? question.body.subarray(0, -2) : question.body;
        const { status, text } = await ask("/v1/albums/7", { ...question, body });
        const [code, reason, told] = problemOf(text);
        assert.deepEqual([status, code, reason], [400, 400, "CODEC"], told);
        assert.match(told, message);
      }
      const noBoundary = await ask("/v1/albums/7", { ...form([]), headers: { "content-type": "multipart/form-data" } });
      assert.match(problemOf(noBoundary.text)[2], /no boundary/);
      const mixed = await ask("/v1/albums/7", {
        ...form([]),
        headers: { "content-type": "multipart/mixed; boundary=xx" },
      });
      assert.deepEqual(problemOf(mixed.text).slice(0, 2), [400, "CODEC"]);
    },
  );
});

test("limits of a call's form: 413 and 400 name the part; exactly the limit is fine", async () => {
  const limits = { partLimit: 3, partLimitBytes: 1000, nameLimitBytes: 8, headerLimitBytes: 200 };
  await eachVersion(
    () => ({ services: [uploads()], multipart: limits, bodyLimitBytes: 2500 }),
    async ({ ask }) => {
      const exact = await ask("/v1/albums/7", form([file("cover", "x".repeat(1000))]));
      assert.equal(exact.status, 200);
      const cases: [RawPart[], number, string, RegExp][] = [
        [[file("cover", "x".repeat(1001))], 413, "BODY_TOO_LARGE", /part "cover" is over the limit of 1000 bytes/],
        [["a", "b", "c", "d"].map((name) => field(name, "")), 413, "BODY_TOO_LARGE", /more than 3 parts/],
        [[field("a-long-name", "")], 400, "CODEC", /part 1 .* name over the limit of 8/],
        [[file("a", "", "x".repeat(200))], 400, "CODEC", /part 1 .* headers over the limit of 200/],
        [
          [file("a", "x".repeat(900)), file("b", "x".repeat(900)), file("c", "x".repeat(900))],
          413,
          "BODY_TOO_LARGE",
          /2500/,
        ],
      ];
      for (const [parts, code, reason, message] of cases) {
        const { status, text } = await ask("/v1/albums/7", form(parts));
        const problem = problemOf(text);
        assert.deepEqual([status, problem[0], problem[1]], [code, code, reason]);
        assert.match(problem[2], message);
      }
    },
  );
});

test("fetch and curl send what they mean", async () => {
  const folder = await mkdtemp(join(tmpdir(), "clew-multipart-"));
  const stored: Album[] = [];
  try {
    await writeFile(join(folder, 'a "b".txt'), "from a file");
    await withServer({ services: [uploads(stored)], routes: [parts()] }, async (url) => {
      const data = new FormData();
      data.set("title", 'quotes " and\r\nlines');
      data.append("pictures", new Blob(["one"]));
      data.append("pictures", new File(["two"], "ü.png", { type: "image/png" }));
      data.set("document", new File(["{}"], "a.json", { type: "application/json" }));
      const reply = await fetch(`${url}/v1/albums/7`, { method: "POST", body: data });
      assert.equal(reply.status, 200, await reply.text());
      const album = stored.at(-1)!;
      assert.deepEqual(
        [album.title, album.pictures.map(String), album.document?.contentType],
        ['quotes " and\r\nlines', ["111,110,101", "116,119,111"], "application/json"],
      );
      const streamed = await fetch(`${url}/parts`, { method: "POST", body: data });
      assert.deepEqual(
        ((await streamed.json()) as Told[]).map(({ name, filename }) => [name, filename]),
        [
          ["title", undefined],
          ["pictures", "blob"],
          ["pictures", "ü.png"],
          ["document", "a.json"],
        ],
      );

      for (const version of ["--http1.1", "--http2-prior-knowledge"]) {
        const curl = async (path: string, ...more: string[]): Promise<string> =>
          (
            await promisify(execFile)(
              "curl",
              ["-sS", version, "-F", "title=a title", "-F", `document=@"a \\"b\\".txt"`, ...more, url + path],
              { cwd: folder },
            )
          ).stdout;
        assert.equal((JSON.parse(await curl("/v1/albums/7")) as { title: string }).title, "a title");
        assert.deepEqual(
          [stored.at(-1)?.document?.contentType, String(stored.at(-1)?.document?.data.length)],
          ["text/plain", "11"],
        );
        const told = JSON.parse(await curl("/parts", "-H", "Expect: 100-continue")) as Told[];
        assert.deepEqual(
          told.map(({ name, filename, length }) => [name, filename, length]),
          [
            ["title", undefined, 7],
            ["document", 'a "b".txt', 11],
          ],
        );
      }
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

interface Told {
  readonly name: string;
  readonly filename?: string;
  readonly contentType: string;
  readonly length: number;
  readonly hash: string;
}

/** A route that tells of each part. */
function parts(options?: ReadMultipartOptions): Route {
  return route(async (request, response) => {
    const told: Told[] = [];
    for await (const { stream, ...head } of readMultipart(request, options)) {
      const bytes = await buffer(stream);
      told.push({ ...head, filename: head.filename!, length: bytes.length, hash: hashOf(bytes) });
    }
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(told));
  });
}

function route(handle: RawHandler): Route {
  return { verb: "POST", path: "/parts", handle };
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

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
