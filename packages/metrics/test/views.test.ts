import assert from "node:assert/strict";
import { test } from "node:test";
import { collectValues, valuesOf } from "./collect.ts";
import { createProvider } from "./create-provider.ts";

test("views rename, filter, drop and give other boundaries", async () => {
  const provider = createProvider({
    views: [
      { instrument: "http.*.duration", kind: "histogram", boundaries: [1], attributes: { keep: ["method"] } },
      { instrument: "noise", meter: "chatty", drop: true },
      { instrument: "old", name: "new", description: "Better.", attributes: { drop: ["user"] } },
      { instrument: "twice" },
      { instrument: "twice", name: "again" },
    ],
  });
  const meter = provider.getMeter("test");
  const duration = meter.createHistogram("http.server.duration");
  for (let user = 0; user < 5; user++) duration.record(user, { user, method: "GET" });
  meter.createCounter("noise").add(1);
  provider.getMeter("chatty").createCounter("noise").add(1);
  const old = meter.createCounter("old", { description: "Worse." });
  old.add(1, { user: 1, kind: "x" });
  old.add(1, { user: 2, kind: "x" });
  meter.createCounter("twice").add(1);
  const { scopes } = await provider.collect();
  assert.deepEqual(
    scopes.map(({ scope, metrics: found }) => [scope.name, found.map((metric) => [metric.name, valuesOf(metric)])]),
    [
      [
        "test",
        [
          ["http.server.duration", { "method=GET": [2, 3] }],
          ["noise", { "": 1 }],
          ["new", { "kind=x": 2 }],
          ["twice", { "": 1 }],
          ["again", { "": 1 }],
        ],
      ],
    ],
  );
  assert.equal(scopes[0]!.metrics[2]!.description, "Better.");
});

test("totals that a view leaves no attribute to tell apart are added", async () => {
  const provider = createProvider({ views: [{ instrument: "reads", attributes: { keep: [] } }] });
  const observable = provider.getMeter("test").createObservableCounter("reads");
  observable.addCallback((result) => {
    result.observe(1, { disk: "a" });
    result.observe(2, { disk: "b" });
  });
  assert.deepEqual(await collectValues(provider, "reads"), { "": 3 });
  assert.deepEqual(await collectValues(provider, "reads"), { "": 3 });
});
