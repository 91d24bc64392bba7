import { aBoolean, anything, aText, checkOptions, type OptionChecks } from "@clew/options";
import { optionError, optionInvalid } from "./errors.ts";
import { type ExponentialOptions, type ExponentialSettings, resolveExponentialOptions } from "./exponential-buckets.ts";

/** What kind of instrument it is. */
export type InstrumentKind =
  | "counter"
  | "updowncounter"
  | "histogram"
  | "gauge"
  | "observablecounter"
  | "observableupdowncounter"
  | "observablegauge";

/** Changes what becomes of instruments, without a change to who made them. An instrument that several views match is kept by each. */
export interface View {
  /** The name of the instruments meant, upper and lower case alike; `*` for any text and `?` for one character. Default: `*`. */
  instrument?: string;
  /** Only instruments of this kind. Default: of any. */
  kind?: InstrumentKind;
  /** Only instruments of the meter of this name. Default: of any. */
  meter?: string;
  /** Only instruments with this unit. Default: with any. */
  unit?: string;
  /** Nothing is kept. Default: false. */
  drop?: boolean;
  /** Another name. Default: the instrument's. */
  name?: string;
  /** Another description. Default: the instrument's. */
  description?: string;
  /** Which attributes are kept, or which are not; what differs in others counts as one. Default: all are kept. */
  attributes?: { readonly keep: readonly string[] } | { readonly drop: readonly string[] };
  /** The upper bounds of a histogram's buckets, growing. Default: the instrument's advice. */
  boundaries?: readonly number[];
  /**
   * Whether a histogram keeps exponential buckets as well, which fit themselves to the values: OTLP tells those, Prometheus's text the
   * others. It costs about 20 ns a measurement and 1.3 KB a series. Default: the provider's.
   */
  exponential?: boolean | ExponentialOptions;
  /** How many series there may be, see {@link MeterProviderOptions.seriesLimit}. Default: the provider's. */
  seriesLimit?: number;
}

export interface ResolvedView {
  readonly matches: (name: string, kind: InstrumentKind, unit: string, meter: string) => boolean;
  readonly drop: boolean;
  readonly name: string | undefined;
  readonly description: string | undefined;
  readonly keeps: ((name: string) => boolean) | undefined;
  readonly boundaries: readonly number[] | undefined;
  /** False for none, undefined for the provider's. */
  readonly exponential: ExponentialSettings | false | undefined;
  readonly seriesLimit: number | undefined;
}

/** What is anything here is looked at below. */
const viewChecks: OptionChecks<View> = {
  instrument: aText,
  kind: anything,
  meter: aText,
  unit: aText,
  drop: aBoolean,
  name: aText,
  description: aText,
  attributes: anything,
  boundaries: anything,
  exponential: anything,
  seriesLimit: anything,
};

const kinds: Readonly<Record<InstrumentKind, true>> = {
  counter: true,
  updowncounter: true,
  histogram: true,
  gauge: true,
  observablecounter: true,
  observableupdowncounter: true,
  observablegauge: true,
};

function checkView(view: View): void {
  checkOptions("a view", view, viewChecks, optionError);
  const { kind, attributes, boundaries, seriesLimit } = view;
  if (kind !== undefined && !Object.hasOwn(kinds, kind)) {
    throw optionInvalid("kind", kind, `one of ${Object.keys(kinds).join(", ")}`);
  }
  if (attributes !== undefined && !isFilter(attributes)) {
    throw optionInvalid("attributes", attributes, "{ keep: [...] } or { drop: [...] } with names in it");
  }
  if (boundaries !== undefined && !Array.isArray(boundaries)) {
    throw optionInvalid("boundaries", boundaries, "a list of growing numbers");
  }
  if (seriesLimit !== undefined && !(Number.isInteger(seriesLimit) && seriesLimit > 1)) {
    throw optionInvalid("seriesLimit", seriesLimit, "a whole number above 1");
  }
}

function isFilter(attributes: object | null): boolean {
  const entries = Object.entries(attributes ?? {});
  return (
    entries.length === 1 &&
    entries.every(([key, names]) => (key === "keep" || key === "drop") && Array.isArray(names) && names.every(isText))
  );
}

function isText(given: unknown): boolean {
  return typeof given === "string";
}

/** @throws CLEW_METRICS_OPTION */
export function resolveView(view: View): ResolvedView {
  checkView(view);
  const pattern = toPattern(view.instrument ?? "*");
  if (view.name !== undefined && /[*?]/.test(view.instrument ?? "*")) {
    throw optionInvalid("instrument", view.instrument ?? "*", "one name where a view gives a new one");
  }
  if (view.boundaries !== undefined && !areBoundaries(view.boundaries)) {
    throw optionInvalid("boundaries", view.boundaries, "a list of growing numbers");
  }
  return {
    matches: (name, kind, unit, meter) =>
      pattern.test(name) &&
      (view.kind ?? kind) === kind &&
      (view.unit ?? unit) === unit &&
      (view.meter ?? meter) === meter,
    drop: view.drop ?? false,
    name: view.name,
    description: view.description,
    keeps: toFilter(view.attributes),
    boundaries: view.boundaries,
    exponential: view.exponential === undefined ? undefined : (resolveExponentialOptions(view.exponential) ?? false),
    seriesLimit: view.seriesLimit,
  };
}

function toPattern(text: string): RegExp {
  const source = text
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "i");
}

function toFilter(attributes: View["attributes"]): ((name: string) => boolean) | undefined {
  if (attributes === undefined) return undefined;
  if ("keep" in attributes) {
    const kept = new Set(attributes.keep);
    return (name) => kept.has(name);
  }
  const dropped = new Set(attributes.drop);
  return (name) => !dropped.has(name);
}

/** Whether these can be the upper bounds of buckets: finite and growing. */
export function areBoundaries(boundaries: readonly number[]): boolean {
  return boundaries.every(
    (boundary, index) => Number.isFinite(boundary) && (index === 0 || boundary > boundaries[index - 1]!),
  );
}
