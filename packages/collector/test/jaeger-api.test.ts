import assert from "node:assert/strict";
import { test } from "node:test";
import type { Collector } from "@clew/collector";
import { epochMs, spanIdOf, traceIdOf } from "../../store/src/test-span.ts";
import { postSpans, protobufOf } from "./otlp-sender.ts";
import { get, withCollector } from "./running-collector.ts";

type Ask = (path: string) => Promise<object>;

/** Half an hour after two traces: one of two services, the second of which failed, and later one of a single span. */
async function withTraces(use: (ask: Ask, collector: Collector) => Promise<void>): Promise<void> {
  const list = "/message.v1.Message/List";
  await withCollector(
    async (collector) => {
      await postSpans(
        collector,
        protobufOf(
          { trace: 1, id: 1, name: "/user.v1.User/List", ms: 40, attributes: { "user.id": "1" } },
          { trace: 1, id: 2, parent: 1, kind: 3, name: list, at: 1, ms: 20 },
          { trace: 1, id: 3, parent: 2, service: "message", name: list, at: 2, ms: 10, isError: true },
          { trace: 2, id: 1, name: "/user.v1.User/Get", at: 100_000, ms: 1 },
        ),
      );
      await use(async (path) => (await get(collector, path)).json, collector);
    },
    { now: () => epochMs + 30 * 60_000 },
  );
}

/** The end of the time in which the traces are. */
const end = epochMs + 200_000;

const wrap = (data: unknown, total = 0): object => ({ data, total, limit: 0, offset: 0, errors: null });

test("Jaeger's API lists services and operations", () =>
  withTraces(async (ask) => {
    assert.deepEqual(await ask("/api/services"), wrap(["message", "user"], 2));
    assert.deepEqual(
      await ask("/api/services/user/operations"),
      wrap(["/message.v1.Message/List", "/user.v1.User/Get", "/user.v1.User/List"], 3),
    );
    assert.deepEqual(await ask("/api/services/nobody/operations"), wrap([], 0));
    assert.deepEqual(
      await ask("/api/operations?service=user&spanKind=client"),
      wrap([{ name: "/message.v1.Message/List", spanKind: "client" }], 1),
    );
  }));

test("Jaeger's API counts who calls whom, within the time that is asked for", () =>
  withTraces(async (ask) => {
    const dependencies = wrap([{ parent: "user", child: "message", callCount: 1 }], 1);
    assert.deepEqual(await ask(`/api/dependencies?endTs=${end}&lookback=300000`), dependencies);
    assert.deepEqual(await ask("/api/dependencies"), dependencies);
    assert.deepEqual(await ask(`/api/dependencies?endTs=${epochMs - 1}`), wrap([], 0));
  }));

test("Jaeger's API shows a trace, also when zeros are missing before its id", () =>
  withTraces(async (ask) => {
    const one = await ask(`/api/traces/${traceIdOf(2)}`);
    const tags = [
      { key: "otel.scope.name", type: "string", value: "test" },
      { key: "otel.scope.version", type: "string", value: "1" },
      { key: "span.kind", type: "string", value: "server" },
    ];
    assert.deepEqual(
      one,
      wrap([
        {
          traceID: traceIdOf(2),
          spans: [
            {
              traceID: traceIdOf(2),
              spanID: spanIdOf(1),
              operationName: "/user.v1.User/Get",
              references: [],
              startTime: (epochMs + 100_000) * 1000,
              duration: 1000,
              tags,
              logs: [],
              processID: "p1",
              warnings: null,
            },
          ],
          processes: { p1: { serviceName: "user", tags: [{ key: "host.name", type: "string", value: "user-host" }] } },
          warnings: null,
        },
      ]),
    );
    assert.deepEqual(await ask("/api/traces/2"), one);
  }));

test("Jaeger's API searches by service, operation, duration, tags and time", () =>
  withTraces(async (ask) => {
    const cases: [string, string[]][] = [
      ["service=user", ["2", "1"]],
      ["service=user&limit=1", ["2"]],
      ["service=message", ["1"]],
      ["service=user&operation=/user.v1.User/List", ["1"]],
      ["service=message&operation=/user.v1.User/List", []],
      ["service=user&minDuration=30ms", ["1"]],
      ["service=message&minDuration=30ms", []],
      ["service=user&maxDuration=1ms", ["2"]],
      [`service=user&tags=${encodeURIComponent('{"user.id":"1"}')}`, ["1"]],
      [`tags=${encodeURIComponent('{"error":"true"}')}`, ["1"]],
      ["tag=user.id:1", ["1"]],
      ["tag=user.id:1&tag=error:true", []],
      [`start=${(epochMs + 1) * 1000}&end=${end * 1000}`, ["2"]],
      [`end=${(epochMs + 1) * 1000}`, ["1"]],
      ["lookback=1m", []],
      ["lookback=1h&service=user", ["2", "1"]],
      ["lookback=custom", ["2", "1"]],
      [`traceID=${traceIdOf(1)}&traceID=2`, ["1", "2"]],
    ];
    for (const [query, ids] of cases) {
      const { data } = (await ask(`/api/traces?${query}`)) as { data: { traceID: string }[] };
      assert.deepEqual(
        data.map(({ traceID }) => traceID.slice(-1)),
        ids,
        query,
      );
    }
  }));

test("Jaeger's API tells what is unknown and what is wrong, as Jaeger does", () =>
  withTraces(async (ask, collector) => {
    const unknown = await get(collector, "/api/traces/abc");
    assert.equal(unknown.status, 404);
    assert.deepEqual(unknown.json, { ...wrap(null), errors: [{ code: 404, msg: "trace not found" }] });
    for (const path of [
      "/api/traces/xyz",
      "/api/traces?tags=x",
      "/api/traces?minDuration=5",
      "/api/traces?limit=x",
      "/api/dependencies?endTs=x",
    ]) {
      const wrong = await get(collector, path);
      assert.equal(wrong.status, 400, path);
      assert.match(JSON.stringify(wrong.json), /"data":null.*"errors":\[\{"code":400,"msg":".* must be /, path);
    }
    const parts = (await ask("/api/traces?traceID=1&traceID=77")) as { data: unknown[]; errors: unknown };
    assert.equal(parts.data.length, 1);
    assert.deepEqual(parts.errors, [{ code: 404, msg: "trace not found", traceID: traceIdOf(0x77) }]);
  }));

test("Jaeger's API gives each trace once, and no more of them than one reply can hold", () =>
  withTraces(async (ask, collector) => {
    type Found = { data: { traceID: string }[]; errors: { code: number; traceID: string }[] | null };
    const once = (await ask(`/api/traces?${"traceID=1&".repeat(500)}`)) as Found;
    assert.deepEqual(
      once.data.map(({ traceID }) => traceID),
      [traceIdOf(1)],
    );
    const text = "x".repeat(7_000_000);
    const large = [11, 12, 13, 14, 15, 16];
    for (const trace of large) {
      await postSpans(collector, protobufOf({ trace, id: 1, at: 200_000 + trace, attributes: { text } }));
    }
    for (const query of ["", large.map((trace) => `traceID=${traceIdOf(trace)}&`).join("")]) {
      const { data, errors } = (await ask(`/api/traces?${query}`)) as Found;
      assert.equal(data.length, 4);
      assert.ok(errors!.length >= 2 && errors!.every(({ code }) => code === 413), JSON.stringify(errors));
    }
    const parts = Array.from({ length: 5 }, (_, index) => ({ trace: 20, id: index + 1, attributes: { text } }));
    for (const part of parts) await postSpans(collector, protobufOf(part));
    const { status, json } = await get(collector, `/api/traces/${traceIdOf(20)}`);
    assert.deepEqual([status, (json as Found).errors![0]!.code], [413, 413]);
  }));
