import assert from "node:assert/strict";
import { test } from "node:test";
import { renderWaterfall, type WaterfallSpan } from "./waterfall.ts";

function span(
  spanId: string,
  parentSpanId: string,
  startMs: number,
  durationMs: number,
  more: Partial<WaterfallSpan> = {},
) {
  return { spanId, parentSpanId, service: "user", name: `span ${spanId}`, startMs, durationMs, error: false, ...more };
}

const trace: WaterfallSpan[] = [
  span("d", "c", 1022, 5, { service: "message", name: "SELECT messages" }),
  span("b", "a", 1010, 15, { service: "profile", name: "/profile.v1.Profile/Get", error: true }),
  span("c", "a", 1020, 20, { service: "message", name: "/message.v1.Message/List" }),
  span("a", "", 1000, 40, { name: "GET /v1/users/{id}/messages" }),
];

test("a trace is a tree in time, with durations and bars in their places", () => {
  assert.equal(
    renderWaterfall(trace, { width: 85 }),
    [
      "GET /v1/users/{id}/messages  40.0 ms  4 spans  3 services  1 error",
      "user     GET /v1/users/{id}/messages   40.0 ms  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━",
      "profile  ├─ /profile.v1.Profile/Get  ✗ 15.0 ms           ╺━━━━━━━━━━━━━╸",
      "message  └─ /message.v1.Message/List   20.0 ms                    ╺━━━━━━━━━━━━━━━━━━",
      "message     └─ SELECT messages          5.0 ms                      ╺━━━━",
      "",
    ].join("\n"),
  );
});

test("no line is wider than the terminal, and the columns stand straight", () => {
  const wide = [
    span("a", "", 0, 100, { name: "漢字".repeat(40), service: "サービス" }),
    span("b", "a", 0, 0.2, { name: "x".repeat(300), service: "a-very-long-name-of-a-service" }),
    span("c", "b", 99, 20_000, { name: "é".repeat(3) }),
  ];
  for (const width of [60, 80, 133]) {
    const rows = renderWaterfall(wide, { width }).split("\n").slice(1, -1);
    const columns = (text: string): number =>
      [...text].reduce((sum, c) => sum + (/[漢字サービス]/u.test(c) ? 2 : 1), 0);
    for (const row of rows) assert.ok(columns(row) <= width, `${columns(row)}: ${row}`);
    const barsAt = rows.map((row) => columns(row.slice(0, row.search(/ (ms|us|s) {2}/) + 1)));
    assert.equal(rows.length, 3);
    assert.ok(Math.max(...barsAt) - Math.min(...barsAt) <= 1, `${barsAt}`);
    assert.match(rows[1]!, /…/);
  }
});

test("colours tell services apart, errors are red; without them there is no escape", () => {
  const text = renderWaterfall(trace, { color: true });
  for (const painted of ["\x1b[36muser", "\x1b[31m/profile.v1.Profile/Get", "\x1b[31m1 error"]) {
    assert.ok(text.includes(painted), painted);
  }
  assert.ok(!renderWaterfall(trace).includes("\x1b"));
});

test("orphans are roots, and spans that are each other's parents are shown once", () => {
  const names = (spans: WaterfallSpan[]): string[] =>
    renderWaterfall(spans)
      .split("\n")
      .slice(1, -1)
      .map((row) => row.match(/span \w/)![0]);
  assert.deepEqual(names([span("b", "gone", 5, 1), span("a", "", 0, 10)]), ["span a", "span b"]);
  assert.deepEqual(names([span("a", "b", 0, 1), span("b", "a", 1, 1), span("c", "c", 2, 1)]).sort(), [
    "span a",
    "span b",
    "span c",
  ]);
});

test("control characters of a name do not reach the terminal", () => {
  const text = renderWaterfall([span("a", "", 0, 1, { name: "evil\x1b[2J\r\n", service: "\x07bell" })]);
  assert.deepEqual(text.match(/\p{Cc}/gu), ["\n", "\n"]);
});

test("an empty trace is nothing, and times that are none do no harm", () => {
  assert.equal(renderWaterfall([]), "");
  const times: [number, number][] = [
    [0, 0],
    [Number.NaN, 1],
    [0, Number.NaN],
    [5, -3],
    [0, Number.POSITIVE_INFINITY],
  ];
  for (const [startMs, durationMs] of times) {
    assert.match(renderWaterfall([span("a", "", startMs, durationMs), span("b", "a", 0, 1)]), /span b/);
  }
});

test("durations are told in the unit that fits", () => {
  const told = (durationMs: number): string => renderWaterfall([span("a", "", 0, durationMs)]).split("  ")[1]!;
  assert.deepEqual([0.0421, 1.25, 99.94, 421.4, 1234, 98_765].map(told), [
    "42 us",
    "1.3 ms",
    "99.9 ms",
    "421 ms",
    "1.23 s",
    "98.8 s",
  ]);
});
