import type { AttributeValue, FlatAttributes, Scope } from "@clew/trace";
import type { Exemplar, HistogramPoint, MetricData, MetricsData, NumberPoint } from "./metric-data.ts";
import { toFamilyName, toLabelName } from "./prometheus-name.ts";

export interface PrometheusOptions {
  /** Write OpenMetrics 1.0 instead of Prometheus's text format 0.0.4: with units and exemplars. Default: false. */
  openMetrics?: boolean;
  /** Whether each sample has the labels `otel_scope_name` and `otel_scope_version`. Default: true. */
  scopeLabels?: boolean;
  /** Whether the resource is written as a metric of its own, `target_info`. Default: true. */
  targetInfo?: boolean;
}

/** All samples of one name, from all scopes. */
interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram" | "info";
  readonly unit: string;
  readonly help: string;
  readonly parts: { readonly metric: MetricData; readonly scope: Scope }[];
}

/**
 * Writes metrics as the text that Prometheus scrapes. Names, units and types are converted by OpenTelemetry's compatibility
 * specification. Deltas cannot be expressed in this format and are omitted, and so is a metric whose name is already used by a
 * metric of another type.
 */
export function renderPrometheus(data: MetricsData, options: PrometheusOptions = {}): string {
  const { openMetrics = false, scopeLabels = true, targetInfo = true } = options;
  const lines: string[] = [];
  if (targetInfo) {
    // OpenMetrics has a type for it, whose samples end with _info.
    const [name, type] = openMetrics ? ["target", "info"] : ["target_info", "gauge"];
    lines.push(`# TYPE ${name} ${type}`, `# HELP ${name} Target metadata`);
    lines.push(`target_info${braces(toLabels(data.resource.attributes))} 1`);
  }
  for (const family of gatherFamilies(data)) {
    const { name, type, unit, help } = family;
    const header = !openMetrics && type === "counter" ? `${name}_total` : name;
    lines.push(`# TYPE ${header} ${type}`);
    if (openMetrics && unit !== "") lines.push(`# UNIT ${name} ${unit}`);
    if (help !== "") lines.push(`# HELP ${header} ${escapeHelp(help, openMetrics)}`);
    for (const { metric, scope } of family.parts) {
      const scopeText = scopeLabels ? toLabels(toScopeAttributes(scope)) : "";
      if (metric.type === "histogram") {
        for (const point of metric.points) {
          pushHistogram(
            lines,
            name,
            point,
            metric.boundaries,
            joinLabels(toLabels(point.attributes), scopeText),
            openMetrics,
          );
        }
      } else {
        const suffix = type === "counter" ? "_total" : "";
        for (const point of metric.points) {
          pushNumber(
            lines,
            name + suffix,
            point,
            joinLabels(toLabels(point.attributes), scopeText),
            openMetrics && type === "counter",
          );
        }
      }
    }
  }
  if (openMetrics) lines.push("# EOF");
  return `${lines.join("\n")}\n`;
}

function gatherFamilies({ scopes }: MetricsData): Iterable<Family> {
  const families = new Map<string, Family>();
  // The sample names in use: otherwise a gauge `size_count` and a histogram `size` would be mixed up.
  const owners = new Map<string, Family>();
  for (const { scope, metrics } of scopes) {
    for (const metric of metrics) {
      if (metric.type !== "gauge" && metric.isDelta) continue;
      const { name, unit } = toFamilyName(metric);
      const type = toType(metric);
      const known = families.get(name);
      if (known !== undefined) {
        if (known.type === type) known.parts.push({ metric, scope });
        continue;
      }
      const samples = sampleNames(name, type);
      if (samples.some((sample) => owners.has(sample))) continue;
      const family: Family = { name, type, unit, help: metric.description, parts: [{ metric, scope }] };
      families.set(name, family);
      for (const sample of samples) owners.set(sample, family);
    }
  }
  return families.values();
}

function toType(metric: MetricData): Family["type"] {
  if (metric.type === "sum") return metric.isMonotonic ? "counter" : "gauge";
  return metric.type;
}

function sampleNames(name: string, type: Family["type"]): string[] {
  if (type === "counter") return [name, `${name}_total`];
  if (type === "histogram") return [name, `${name}_bucket`, `${name}_sum`, `${name}_count`];
  return [name];
}

function pushNumber(lines: string[], name: string, point: NumberPoint, labels: string, hasExemplars: boolean): void {
  const [exemplar] = point.exemplars;
  const tail = hasExemplars && exemplar !== undefined ? toExemplar(exemplar) : "";
  lines.push(`${name}${braces(labels)} ${toNumber(point.value)}${tail}`);
}

function pushHistogram(
  lines: string[],
  name: string,
  point: HistogramPoint,
  boundaries: readonly number[],
  labels: string,
  openMetrics: boolean,
): void {
  let total = 0;
  point.counts.forEach((count, index) => {
    total += count;
    const lower = boundaries[index - 1] ?? Number.NEGATIVE_INFINITY;
    const upper = boundaries[index] ?? Number.POSITIVE_INFINITY;
    const exemplar = openMetrics ? point.exemplars.find(({ value }) => value > lower && value <= upper) : undefined;
    const le = `le="${openMetrics ? toFloat(upper) : toNumber(upper)}"`;
    const tail = exemplar === undefined ? "" : toExemplar(exemplar);
    lines.push(`${name}_bucket${braces(joinLabels(labels, le))} ${total}${tail}`);
  });
  lines.push(`${name}_sum${braces(labels)} ${toNumber(point.sum)}`, `${name}_count${braces(labels)} ${point.count}`);
}

function toExemplar({ traceId, spanId, value, timeUs }: Exemplar): string {
  return ` # {trace_id="${traceId}",span_id="${spanId}"} ${toNumber(value)} ${(timeUs / 1e6).toFixed(3)}`;
}

function toNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return String(value);
}

/** OpenMetrics' canonical form of a bound: `1.0`. */
function toFloat(value: number): string {
  const text = toNumber(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

function toScopeAttributes({ name, version, schemaUrl }: Scope): FlatAttributes {
  const pairs = [
    ["otel_scope_name", name],
    ["otel_scope_version", version],
    ["otel_scope_schema_url", schemaUrl],
  ];
  return pairs.filter(([, value]) => value !== "").flat() as FlatAttributes;
}

// The attributes of series, scopes and the resource live long, and so does their text.
const labelTexts = new WeakMap<FlatAttributes, string>();

/** `method="GET",code="200"`. If several attributes become the same label, their values are joined by `;`. */
function toLabels(attributes: FlatAttributes): string {
  const known = labelTexts.get(attributes);
  if (known !== undefined) return known;
  const labels = new Map<string, string>();
  for (let index = 0; index < attributes.length; index += 2) {
    const label = toLabelName(attributes[index] as string);
    const value = toLabelValue(attributes[index + 1]!);
    const before = labels.get(label);
    labels.set(label, before === undefined ? value : `${before};${value}`);
  }
  const text = [...labels].map(([label, value]) => `${label}="${escapeLabel(value)}"`).join(",");
  labelTexts.set(attributes, text);
  return text;
}

function toLabelValue(value: AttributeValue): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return String(value);
  return JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? String(part) : part));
}

function joinLabels(one: string, other: string): string {
  return one === "" || other === "" ? one + other : `${one},${other}`;
}

function braces(labels: string): string {
  return labels === "" ? "" : `{${labels}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function escapeHelp(help: string, openMetrics: boolean): string {
  const escaped = help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return openMetrics ? escaped.replaceAll('"', '\\"') : escaped;
}
