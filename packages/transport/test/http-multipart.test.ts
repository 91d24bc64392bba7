// Forms with files as the body of a call, sent by fetch, by curl and byte for byte.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { toJson } from "@bufbuild/protobuf";
import { type Album, AlbumSchema } from "./gen/test/v1/uploads_pb.ts";
import { withServer } from "./http-shelves.ts";
import { eachVersion } from "./http-versions.ts";
import { field, file, form, parts, problemOf, type RawPart, type Told, uploads } from "./multipart-form.ts";

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
      /field "title": it is a file; only a field of type bytes or google.api.HttpBody can hold one/,
    ],
    [[file("tags", "a file")], /field "tags": it is a file/],
    [[file("owner", "a file")], /field "owner"/],
    [[file("cover", "1"), file("cover", "2")], /field "cover": it is given more than once/],
    [[field("owner", "text")], /field "owner": it is a test.v1.Owner/],
    [[{ ...field("title", ""), content: Buffer.from([0xff]) }], /part "title" is not valid text in utf-8/],
    [
      [{ ...field("title", "x"), contentType: "text/plain; charset=klingon" }],
      /part "title" is not valid text in klingon/,
    ],
    [[field("url", "u"), file("content", "c")], /source is already given as url/],
    [[{ disposition: "nameless", content: "" }], /part 1 of the multipart body has no content-disposition/],
    [[field("title", "x")], /the multipart body ends within part "title"/, ""],
    [[field("title", "x")], /part "title" is followed by a boundary line with other text/, "--xxx--"],
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
