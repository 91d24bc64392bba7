import type { MetricData } from "./metric-data.ts";

// How OpenTelemetry's names become Prometheus's: the specification's "Prometheus and OpenMetrics Compatibility".

const unitWords: Readonly<Record<string, string>> = {
  d: "days",
  h: "hours",
  min: "minutes",
  s: "seconds",
  ms: "milliseconds",
  us: "microseconds",
  ns: "nanoseconds",
  By: "bytes",
  KiBy: "kibibytes",
  MiBy: "mebibytes",
  GiBy: "gibibytes",
  TiBy: "tibibytes",
  KBy: "kilobytes",
  MBy: "megabytes",
  GBy: "gigabytes",
  TBy: "terabytes",
  m: "meters",
  V: "volts",
  A: "amperes",
  J: "joules",
  W: "watts",
  g: "grams",
  Cel: "celsius",
  Hz: "hertz",
  "%": "percent",
};

const perWords: Readonly<Record<string, string>> = {
  s: "second",
  min: "minute",
  h: "hour",
  d: "day",
  wk: "week",
  mo: "month",
  a: "year",
};

/**
 * Returns the word for a unit: `By/s` is `bytes_per_second`. Empty for no unit, and for a unit that is only an annotation:
 * `{request}`.
 */
function toUnitWord(unit: string, isGauge: boolean): string {
  const bare = unit.replaceAll(/\{[^}]*\}/g, "").trim();
  if (bare === "1") return isGauge ? "ratio" : "";
  const [what = "", per = "", ...more] = bare.split("/");
  const word = clean(unitWords[what] ?? what);
  if (per === "" || more.length > 0) return word;
  return `${word}${word === "" ? "" : "_"}per_${clean(perWords[per] ?? per)}`;
}

/**
 * Returns the name of Prometheus's metric family: `http_server_request_duration_seconds`. The samples of a counter end with
 * `_total`, but this name does not.
 */
export function toFamilyName(metric: MetricData): { name: string; unit: string } {
  const isCounter = metric.type === "sum" && metric.isMonotonic;
  const unit = toUnitWord(metric.unit, metric.type === "gauge");
  let name = clean(metric.name);
  if (/^\d/.test(name)) name = `_${name}`;
  if (isCounter) name = name.replace(/_total$/, "");
  if (unit !== "" && name !== unit && !name.endsWith(`_${unit}`)) name = `${name}_${unit}`;
  return { name, unit };
}

/** The name of a label: `http_route`. */
export function toLabelName(name: string): string {
  const label = name.replaceAll(/[^a-zA-Z0-9_]+/g, "_").replaceAll(/_{2,}/g, "_");
  return /^\d/.test(label) ? `key_${label}` : label;
}

function clean(text: string): string {
  return text
    .replaceAll(/[^a-zA-Z0-9_:]+/g, "_")
    .replaceAll(/_{2,}/g, "_")
    .replace(/(?<=.)_$/, "");
}
