import assert from "node:assert/strict";
import { test } from "node:test";
import { ServiceError } from "@clew/rpc";
import { isMultipart, type MultipartLimits, MultipartParser, resolveMultipartLimits } from "./multipart-parser.ts";

const contentType = "multipart/form-data; boundary=xx";

interface ReadPart {
  readonly name: string;
  readonly filename?: string;
  readonly contentType: string;
  readonly text: string;
}

/** Reads a body that comes in pieces of this many bytes. */
function read(
  body: string | Buffer,
  pieceBytes = Number.POSITIVE_INFINITY,
  limits: MultipartLimits = {},
  type = contentType,
): ReadPart[] {
  const bytes = Buffer.from(body);
  const parser = new MultipartParser(type, resolveMultipartLimits(limits));
  const parts: { -readonly [key in keyof ReadPart]: ReadPart[key] }[] = [];
  let at = 0;
  for (;;) {
    const event = parser.next();
    if (event === undefined) {
      if (at >= bytes.length) parser.complete();
      else parser.feed(bytes.subarray(at, Math.min(bytes.length, at + pieceBytes)));
      at += pieceBytes;
    } else if (event.kind === "over") return parts;
    else if (event.kind === "part") {
      const { filename, ...head } = event.head;
      parts.push({ ...head, ...(filename === undefined ? {} : { filename }), text: "" });
    } else if (event.kind === "data") parts.at(-1)!.text += event.bytes.toString("latin1");
  }
}

function part(disposition: string, text = "", more = ""): string {
  return `--xx\r\nContent-Disposition: ${disposition}\r\n${more}\r\n${text}\r\n`;
}

function field(name: string, text: string): string {
  return part(`form-data; name="${name}"`, text);
}

const plain = "text/plain";

test("takes a body apart, whatever pieces it comes in", () => {
  const body =
    "a preamble\r\n" +
    field("a", "1") +
    part('form-data; name="f"; filename="a.png"', "\r\n--x\r\n--\r\n-", "content-type: image/png\r\n") +
    field("empty", "") +
    "--xx--\r\nan epilogue\r\n--xx\r\n";
  const want = [
    { name: "a", contentType: plain, text: "1" },
    { name: "f", filename: "a.png", contentType: "image/png", text: "\r\n--x\r\n--\r\n-" },
    { name: "empty", contentType: plain, text: "" },
  ];
  for (let pieceBytes = 1; pieceBytes <= body.length; pieceBytes++) assert.deepEqual(read(body, pieceBytes), want);
  assert.deepEqual(read("--xx--"), []);
  assert.deepEqual(
    read("--xx \t\r\n\r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n--xx--".replace("\r\n\r\nc", "\r\nc")),
    [{ name: "a", contentType: plain, text: "" }],
  );
});

test("names and file names as browsers, curl and others write them", () => {
  const cases: [disposition: string, name: string, filename?: string][] = [
    ['form-data; name="a b"', "a b"],
    ["form-data; name=a", "a"],
    ['FORM-DATA; NAME="a"', "a"],
    ['form-data;name="a";filename="x;y.txt"', "a", "x;y.txt"],
    ['form-data; name="a\\"b\\\\c"', 'a"b\\c'],
    ['form-data; name="a%22b%0D%0Ac%20"', 'a"b\r\nc%20'],
    ['form-data; name="größe"; filename="日本.txt"', "größe", "日本.txt"],
    ['form-data; name="a"; filename="C:\\docs\\x.txt"', "a", "x.txt"],
    ['form-data; name="a"; filename="../../etc/passwd"', "a", "passwd"],
    ['form-data; name="a"; filename=""', "a", ""],
    ['form-data; name="a"; filename="x"; filename*=UTF-8\'\'y', "a", "x"],
    ['form-data; name="a"; name="b"', "a"],
    ['form-data; name=""', ""],
  ];
  for (const [disposition, name, filename] of cases) {
    const [got] = read(`${part(disposition)}--xx--`);
    assert.deepEqual([got?.name, got?.filename], [name, filename], disposition);
  }
  const [folded] = read('--xx\r\nContent-Disposition: form-data;\r\n  name="a"\r\n\r\n1\r\n--xx--');
  assert.deepEqual(folded, { name: "a", contentType: plain, text: "1" });
});

test("what is malformed is said to be, with the part it is in", () => {
  const cases: [body: string, message: RegExp][] = [
    ["", /ends before its first part/],
    ["no boundary at all", /ends before its first part/],
    ["--xx", /ends within part 0/],
    [field("a", "1"), /ends within part "a"|ends within part/],
    [field("a", "1").slice(0, -2), /ends within part "a"/],
    ["--xx\r\nContent-Dis", /ends within part 1 /],
    [`${field("a", "1")}--xxy\r\n`, /part "a" is followed by a boundary line with other text/],
    [`--xx${" ".repeat(100)}\r\n`, /boundary/],
    ["--xx\r\n\r\n1\r\n--xx--", /part 1 .* has no content-disposition/],
    [`${field("a", "1")}${part("attachment; name=b", "1")}--xx--`, /part 2 .* has no content-disposition/],
    [`${part("form-data", "1")}--xx--`, /part 1 .* has no content-disposition/],
    [`${part('form-data; name="a', "1")}--xx--`, /part 1 .* has no content-disposition/],
    ["--xx\r\nno header\r\n\r\n1\r\n--xx--", /part 1 .* has a malformed header/],
    [part('form-data; name="a\0"', "1"), /part 1 .* has a malformed header/],
    [part('form-data; name="a"', "1", "content-transfer-encoding: base64\r\n"), /part 1 .* transfer encoding "base64"/],
  ];
  for (const [body, message] of cases) {
    for (const pieceBytes of [1, 1000]) {
      assert.throws(
        () => read(body, pieceBytes),
        (error) => {
          assert.ok(error instanceof ServiceError, String(error));
          assert.deepEqual([error.code, error.reason], [400, "CODEC"]);
          assert.match(error.message, message);
          return true;
        },
      );
    }
  }
  const bytes = Buffer.concat([
    Buffer.from('--xx\r\nContent-Disposition: form-data; name="'),
    Buffer.from([0xff]),
    Buffer.from('"\r\n\r\n'),
  ]);
  assert.throws(() => read(bytes), /part 1 .* not UTF-8/);
});

test("limits hold to the byte", () => {
  const body = `${field("name", "12345")}${field("b", "")}--xx--`;
  const headerBytes = 'Content-Disposition: form-data; name="name"'.length;
  const exact: MultipartLimits = { partLimit: 2, partLimitBytes: 5, headerLimitBytes: headerBytes, nameLimitBytes: 4 };
  for (const pieceBytes of [1, 7, 1000]) {
    assert.equal(read(body, pieceBytes, exact).length, 2);
    const cases: [MultipartLimits, number, RegExp][] = [
      [{ partLimit: 1 }, 413, /more than 1 parts/],
      [{ partLimitBytes: 4 }, 413, /part "name" is over the limit of 4 bytes/],
      [{ headerLimitBytes: headerBytes - 1 }, 400, /part 1 .* headers over the limit/],
      [{ nameLimitBytes: 3 }, 400, /part 1 .* name over the limit of 3/],
    ];
    for (const [limits, code, message] of cases) {
      assert.throws(
        () => read(body, pieceBytes, { ...exact, ...limits }),
        (error) => {
          assert.equal((error as ServiceError).code, code);
          assert.equal((error as ServiceError).reason, code === 413 ? "BODY_TOO_LARGE" : "CODEC");
          assert.match((error as ServiceError).message, message);
          return true;
        },
      );
    }
  }
  assert.throws(() => resolveMultipartLimits({ partLimit: -1 }), { code: "CLEW_TRANSPORT_OPTION" });
});

test("headers that never end are given up at their limit", () => {
  const parser = new MultipartParser(contentType, resolveMultipartLimits({ headerLimitBytes: 100 }));
  parser.feed(Buffer.from("--xx\r\n"));
  assert.throws(() => {
    for (let count = 0; count < 50; count++) {
      parser.feed(Buffer.from("x: yyyyyyy\r\n"));
      assert.equal(parser.next(), undefined);
    }
  }, /headers over the limit of 100 bytes/);
});

test("the boundary comes from the content type, quoted or not", () => {
  const given: [type: string, boundary: string][] = [
    ['multipart/form-data; boundary="a b?c"', "a b?c"],
    ["Multipart/Form-Data; charset=utf-8; Boundary=----WebKitFormBoundary7MA4", "----WebKitFormBoundary7MA4"],
    [`multipart/form-data;boundary=${"a".repeat(70)}`, "a".repeat(70)],
  ];
  for (const [type, boundary] of given) {
    const body = `--${boundary}\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n--${boundary}--`;
    assert.equal(read(body, 5, {}, type)[0]?.text, "1");
  }
  for (const type of [
    "multipart/form-data",
    "multipart/form-data; boundary=",
    'multipart/form-data; boundary="a ',
    `multipart/form-data; boundary=${"a".repeat(71)}`,
    'multipart/form-data; boundary="é"',
    'multipart/form-data; boundary="a "',
  ]) {
    assert.throws(() => read("", 1, {}, type), { code: 400, reason: "CODEC" }, type);
  }
  for (const type of ["multipart/form-datax; boundary=a", "multipart/mixed; boundary=a", "text/plain"]) {
    assert.equal(isMultipart(type), false);
    assert.throws(() => read("", 1, {}, type), { code: 400, reason: "CODEC" }, type);
  }
});

test("blanks within a header are read in one go, however many", () => {
  // So many that work which grows with their square would not end.
  const blanks = " \t".repeat(500_000);
  const body = `${part('form-data; name="a"', "1", `x-a:${blanks}b${blanks}c${blanks}\r\n`)}--xx--`;
  const limits = { headerLimitBytes: 4_000_000 };
  assert.deepEqual(read(body, undefined, limits), [{ name: "a", contentType: plain, text: "1" }]);
});
