// What a developer gets wrong is told when a provider is made, with the option's name and what would work.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MeterProvider, type MeterProviderOptions, PeriodicReader, prometheusRoute } from "@clew/metrics";

test("options of a provider and its views that are wrong", () => {
  const cases: [object, RegExp][] = [
    [{ view: [] }, /^MeterProvider has no option view; its options are resource, views, /],
    [{ views: { drop: true } }, /views is .*; it must be a list of views, such as/],
    [{ views: ["http.*"] }, /^the options of a view are "http\.\*"; they must be an object with any of instrument, /],
    [{ views: [{ instrumnt: "a" }] }, /^a view has no option instrumnt; its options are instrument, kind, /],
    [{ views: [{ instrument: /a/ }] }, /^option instrument is an object; it must be a string$/],
    [{ views: [{ kind: "Histogram" }] }, /^kind is "Histogram"; it must be one of counter, .*histogram/],
    [{ views: [{ drop: "yes" }] }, /^option drop is "yes"; it must be true or false$/],
    [{ views: [{ attributes: { kep: ["a"] } }] }, /^attributes is .*; it must be \{ keep: \[\.\.\.\] \} or \{ drop/],
    [{ views: [{ attributes: { keep: "route" } }] }, /^attributes is .*; it must be \{ keep/],
    [{ views: [{ boundaries: 5 }] }, /^boundaries is 5; it must be a list of ascending numbers$/],
    [{ views: [{ seriesLimit: "5" }] }, /^seriesLimit is "5"; it must be a whole number above 1$/],
    [{ resource: "user" }, /^option resource is "user"; it must be a resource, as createResource\(\) makes one$/],
    [{ seriesLimit: "5" }, /^option seriesLimit is "5"; it must be a number$/],
    [{ exponential: { maxScale: "20" } }, /^option maxScale is "20"; it must be a number$/],
    [{ exponential: { buckets: 5 } }, /^exponential has no option buckets; its options are maxBuckets, maxScale$/],
    [{ views: [{ exponential: "yes" }] }, /exponential are "yes"; they must be an object with any of maxBuckets/],
  ];
  for (const [options, message] of cases) {
    const given = { env: {}, ...options } as MeterProviderOptions;
    assert.throws(() => new MeterProvider(given), { code: "CLEW_METRICS_OPTION", message }, JSON.stringify(options));
  }
  assert.ok(
    new MeterProvider({ env: {}, views: [{ instrument: "a", kind: "histogram", attributes: { drop: ["b"] } }] }),
  );
});

test("a route of no provider", () => {
  for (const given of [undefined, { provider: new MeterProvider({ env: {} }) }]) {
    assert.throws(() => prometheusRoute(given as never), {
      code: "CLEW_METRICS_OPTION",
      message:
        /^option provider is (undefined|an object); it must be a MeterProvider, such as .*, which has collect\(\)$/,
    });
  }
});

test("a reader's options, and an exporter that is none", () => {
  const provider = new MeterProvider({ env: {} });
  const exporter = { export: async () => true, shutdown: async () => {} };
  const code = "CLEW_METRICS_OPTION";
  assert.throws(() => new PeriodicReader(provider, exporter, { interval: 5 } as object), {
    code,
    message: /^PeriodicReader has no option interval; its options are intervalMs, /,
  });
  assert.throws(() => new PeriodicReader(provider, exporter, { intervalMs: "60s" } as object), {
    code,
    message: /^option intervalMs is "60s"; it must be a number$/,
  });
  assert.throws(() => new PeriodicReader(provider, {} as typeof exporter), {
    code,
    message: /^option exporter is an object; it must be an exporter, which has export\(\), shutdown\(\)$/,
  });
});
