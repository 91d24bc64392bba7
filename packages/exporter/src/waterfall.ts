/** The fields of a span that a waterfall shows. */
export interface WaterfallSpan {
  readonly spanId: string;
  /** Empty for a root. A span whose parent is not among the spans is a root, too. */
  readonly parentSpanId: string;
  readonly service: string;
  readonly name: string;
  /** Milliseconds of any clock, the same for all spans. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly error: boolean;
}

export interface WaterfallOptions {
  /** The width in columns; at least 60 are used. Default: 100. */
  width?: number;
  /** Whether to write ANSI colours. Default: false. */
  color?: boolean;
}

interface Row {
  readonly span: WaterfallSpan;
  /** The lines of the tree before the name. */
  readonly branch: string;
}

const red = 31;
const dim = 2;
const bold = 1;
// Distinguishable on dark and on light backgrounds; red is for errors.
const serviceColors = [36, 35, 33, 34, 32, 96, 95, 93, 94, 92];

/**
 * Draws the spans of one trace as a table with a line per span: service, tree of names, duration, and a bar on the trace's timeline.
 *
 *     user     GET /v1/users/{id}/messages        42.1 ms  ━━━━━━━━━━━━━━━━━━━━
 *     message  ├─ /message.v1.Message/List        18.0 ms    ╺━━━━━━━
 *     profile  └─ /profile.v1.Profile/Get       ✗ 20.4 ms    ╺━━━━━━━━━
 */
export function renderWaterfall(spans: readonly WaterfallSpan[], options: WaterfallOptions = {}): string {
  if (spans.length === 0) return "";
  const width = Math.max(60, Math.floor(options.width ?? 100));
  const paint = options.color === true ? colorize : plain;
  const rows = arrange(spans);
  const services = [...new Set(rows.map((row) => row.span.service))];
  const startMs = Math.min(...rows.map((row) => row.span.startMs));
  const endMs = Math.max(...rows.map((row) => row.span.startMs + row.span.durationMs));
  const errors = rows.filter((row) => row.span.error).length;

  const serviceWidth = Math.min(20, Math.max(...services.map(columnsOf)));
  const nameWidth = Math.min(
    Math.floor(width * 0.4),
    Math.max(...rows.map((row) => columnsOf(row.branch + row.span.name))),
  );
  const durations = rows.map((row) => formatDuration(row.span.durationMs));
  const durationWidth = Math.max(...durations.map(columnsOf));
  // Between the columns: two spaces, the error's mark and a space, two spaces.
  const barWidth = width - serviceWidth - nameWidth - durationWidth - 7;

  const title = [
    paint(clean(rows[0]!.span.name), bold),
    formatDuration(endMs - startMs),
    count(rows.length, "span"),
    count(services.length, "service"),
    ...(errors === 0 ? [] : [paint(count(errors, "error"), red)]),
  ].join("  ");
  const lines = rows.map(({ span, branch }, index) => {
    const color = serviceColors[services.indexOf(span.service) % serviceColors.length]!;
    const name = fit(clean(span.name), nameWidth - columnsOf(branch));
    const bar = drawBar((span.startMs - startMs) / (endMs - startMs), span.durationMs / (endMs - startMs), barWidth);
    return [
      paint(fit(clean(span.service), serviceWidth), color),
      `  ${paint(branch, dim)}${span.error ? paint(name, red) : name}`,
      span.error ? paint(" ✗ ", red) : "   ",
      `${durations[index]!.padStart(durationWidth)}  `,
      paint(bar, span.error ? red : color),
    ].join("");
  });
  return `${title}\n${lines.join("\n")}\n`;
}

/** Orders parents before children, and siblings by time. Every span occurs once, even if parents form a cycle. */
function arrange(spans: readonly WaterfallSpan[]): Row[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const children = new Map<string, WaterfallSpan[]>();
  const roots: WaterfallSpan[] = [];
  for (const span of [...spans].sort((a, b) => a.startMs - b.startMs || b.durationMs - a.durationMs)) {
    const siblings = children.get(span.parentSpanId);
    if (!byId.has(span.parentSpanId) || span.parentSpanId === span.spanId) roots.push(span);
    else if (siblings === undefined) children.set(span.parentSpanId, [span]);
    else siblings.push(span);
  }
  const rows: Row[] = [];
  const seen = new Set<WaterfallSpan>();
  const add = (span: WaterfallSpan, branch: string, below: string): void => {
    if (seen.has(span)) return;
    seen.add(span);
    rows.push({ span, branch });
    const own = children.get(span.spanId) ?? [];
    for (const [index, child] of own.entries()) {
      const isLast = index === own.length - 1;
      add(child, `${below}${isLast ? "└─ " : "├─ "}`, `${below}${isLast ? "   " : "│  "}`);
    }
  };
  for (const root of roots) add(root, "", "");
  // Spans in a cycle of parents have no root.
  for (const span of spans) add(span, "", "");
  return rows;
}

/** Draws a bar from `start` with `length`, both fractions of the width, rounded to half a column. */
function drawBar(start: number, length: number, width: number): string {
  const halves = width * 2;
  const from = Math.min(halves - 1, Math.max(0, Math.round((Number.isFinite(start) ? start : 0) * halves)));
  const to = Math.min(halves, Math.max(from + 1, from + Math.round((Number.isFinite(length) ? length : 1) * halves)));
  let bar = " ".repeat(from >> 1);
  for (let column = from >> 1; column * 2 < to; column++) {
    const hasLeft = column * 2 >= from;
    const hasRight = column * 2 + 1 < to;
    bar += hasLeft && hasRight ? "━" : hasLeft ? "╸" : "╺";
  }
  return bar;
}

function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return "?";
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms >= 100) return `${ms.toFixed(0)} ms`;
  return ms >= 1 ? `${ms.toFixed(1)} ms` : `${Math.round(ms * 1000)} us`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** Replaces control characters: names come from other programs, and could manipulate the terminal. */
function clean(text: string): string {
  return text.replace(/\p{Cc}/gu, "·");
}

const widePattern =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uFF01-\uFF60]/u;

/** The number of columns that the text takes in a terminal. */
function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) columns += widePattern.test(character) ? 2 : /\p{M}/u.test(character) ? 0 : 1;
  return columns;
}

/** Makes the text exactly so many columns wide: cut with an ellipsis, or padded. */
function fit(text: string, columns: number): string {
  const missing = columns - columnsOf(text);
  if (missing >= 0) return text + " ".repeat(missing);
  let kept = "";
  for (const character of text) {
    if (columnsOf(kept + character) > columns - 1) break;
    kept += character;
  }
  return columns < 1 ? "" : `${kept}…${" ".repeat(Math.max(0, columns - 1 - columnsOf(kept)))}`;
}

function colorize(text: string, code: number): string {
  return `\x1b[${code}m${text}\x1b[0m`;
}

function plain(text: string): string {
  return text;
}
