import assert from "node:assert/strict";
import { test } from "node:test";
import type { Summary } from "./api.ts";
import {
  emptyFilter,
  filterFromQuery,
  filterProblem,
  filterToQuery,
  isEmptyFilter,
  mayMatch,
  tracesOf,
} from "./summary-filter.ts";
import { allKept, lastHour } from "./time-range.ts";

const summary: Summary = {
  traceId: "a1",
  rootService: "user",
  rootOperation: "/demo.v1.Users/ListMessages",
  path: "GET /v1/users/1/messages",
  startMs: 1000,
  durationMs: 20,
  spanCount: 3,
  errorCount: 0,
  services: [
    { name: "user", spanCount: 2, errorCount: 0 },
    { name: "message", spanCount: 1, errorCount: 0 },
  ],
  complete: true,
};

test("a filter goes into the URL and comes back", () => {
  const filter = {
    service: "user",
    caller: "a b",
    operation: "SELECT users",
    errors: true,
    minDuration: "1.5s",
    tags: 'http.route:/a db:"my users"',
    range: { lookback: "6h" },
  };
  const query = filterToQuery(filter);
  assert.equal(query.get("minDurationMs"), "1500");
  assert.deepEqual(query.getAll("tag"), ["http.route:/a", "db:my users"]);
  const back = filterFromQuery(new URLSearchParams(query.toString()));
  assert.equal(filterToQuery(back).toString(), query.toString());
  assert.equal(back.tags, filter.tags);
  assert.deepEqual([back.caller, back.range], ["a b", filter.range]);
});

test("an empty filter has an empty query", () => {
  assert.equal(filterToQuery(emptyFilter).size, 0);
  assert.ok(isEmptyFilter({ ...emptyFilter, service: "  " }));
  assert.ok(!isEmptyFilter({ ...emptyFilter, errors: true }));
});

test("what cannot be read is told, and left out of the query", () => {
  const wrong = { ...emptyFilter, minDuration: "soon" };
  assert.equal(filterProblem(wrong)?.field, "minDuration");
  assert.equal(filterToQuery(wrong).size, 0);
  assert.equal(filterProblem({ ...emptyFilter, tags: "http.route:/a half:" })?.field, "tags");
  assert.equal(filterProblem({ ...emptyFilter, tags: "http.route:/a" }), null);
  assert.equal(filterProblem(emptyFilter), null);
});

test("a live trace is passed over only when it certainly does not match", () => {
  assert.ok(mayMatch(emptyFilter, summary));
  assert.ok(mayMatch({ ...emptyFilter, service: "message" }, summary));
  assert.ok(!mayMatch({ ...emptyFilter, service: "profile" }, summary));
  assert.ok(mayMatch({ ...emptyFilter, service: "message", caller: "user" }, summary));
  assert.ok(!mayMatch({ ...emptyFilter, service: "message", caller: "profile" }, summary));
  assert.ok(!mayMatch({ ...emptyFilter, range: { from: "2026-11-22T13:00", to: "" } }, summary));
  assert.ok(!mayMatch({ ...emptyFilter, errors: true }, summary));
  assert.ok(mayMatch({ ...emptyFilter, errors: true }, { ...summary, errorCount: 1 }));
  assert.ok(mayMatch({ ...emptyFilter, minDuration: "20ms" }, summary));
  assert.ok(!mayMatch({ ...emptyFilter, minDuration: "21ms" }, summary));
  assert.ok(mayMatch({ ...emptyFilter, operation: "anything", tags: "a:b" }, summary), "the collector's to judge");
});

test("a service leads to its traces, a call to those with it, both to those in which it failed", () => {
  assert.equal(tracesOf("a&b", allKept), "/?service=a%26b");
  assert.equal(tracesOf("user", lastHour, { failed: true }), "/?service=user&tag=error%3Atrue&lookback=1h");
  assert.equal(tracesOf("profile", lastHour, { caller: "user" }), "/?service=profile&caller=user&lookback=1h");
});
