import { useSignal, useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { SpanTree } from "./span-tree.ts";
import { rulerTicks } from "./time-ruler.ts";
import type { TraceView } from "./trace-view.ts";
import { Waterfall } from "./waterfall.ts";

/** A letter of the ruler, with room to spare. */
const letterPx = 7;
const storedNameWidth = "clew.name-width";

/** The frame around the rows of {@link Waterfall}: column heads, the ruler and its lines, the splitter. */
export function WaterfallGrid({ view, tree }: { view: TraceView; tree: SpanTree }): JSX.Element {
  const grid = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const ruler = useRef<HTMLDivElement>(null);
  const width = useSignal(0);
  const waterfall = useRef<Waterfall | undefined>(undefined);

  useEffect(() => {
    const rows = new Waterfall(grid.current!, scroller.current!, {
      onSelect: (node) => {
        view.select(node);
        view.isPanelOpen.value = true;
      },
      onToggle: (node, isDeep) => view.toggle(node, isDeep),
    });
    waterfall.current = rows;
    const stored = localStorage.getItem(storedNameWidth);
    if (stored !== null) grid.current!.style.setProperty("--name-width", stored);
    grid.current!.focus({ preventScroll: true });
    const observer = new ResizeObserver(([entry]) => {
      width.value = entry!.contentRect.width;
    });
    observer.observe(ruler.current!);
    return () => {
      observer.disconnect();
      rows.close();
    };
  }, []);

  useSignalEffect(() => {
    const now = view.tree.value;
    if (now === null) return;
    const range = view.range.value ?? now;
    waterfall.current!.update({
      tree: now,
      rows: view.rows.value,
      collapsed: view.collapsed.value,
      selected: view.selected.value,
      marked: view.found.value?.marked ?? null,
      fromUs: range.fromUs,
      toUs: range.toUs,
    });
  });
  useSignalEffect(() => {
    const wish = view.wish.value;
    if (wish !== null) waterfall.current!.reveal(wish.node, wish.center);
  });
  view.pageSize = () => waterfall.current?.pageSize ?? 1;

  const range = view.range.value ?? tree;
  const whole = range.toUs - range.fromUs;
  // Zoomed in, labels are longer: 292.356 ms.
  const gapPx = view.range.value === null ? 72 : 90;
  const ticks = rulerTicks(range.fromUs, range.toUs, width.value, gapPx).map(({ us, label }) => {
    const share = (us - range.fromUs) / whole;
    // A label that would not fit before the end is left out; its line stays.
    return { label: (1 - share) * width.value < 10 + label.length * letterPx ? "" : label, left: `${share * 100}%` };
  });

  const onSplit = (event: PointerEvent & { currentTarget: HTMLElement }): void => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const bounds = grid.current!.getBoundingClientRect();
    const share = Math.max(0.2, Math.min(0.7, (event.clientX - bounds.left) / bounds.width));
    const value = `${(share * 100).toFixed(1)}%`;
    grid.current!.style.setProperty("--name-width", value);
    localStorage.setItem(storedNameWidth, value);
  };

  return (
    <div class="waterfall" ref={grid} role="treegrid" aria-label="Spans" aria-colcount={3} tabIndex={0}>
      <div class="waterfall-head" role="row" aria-rowindex={1}>
        <div class="cell cell-name" role="columnheader">
          <span>Span</span>
          <span class="head-actions">
            <button
              type="button"
              class="link-button"
              title="Fold all below the first level"
              onClick={() => view.setAllCollapsed(true)}
            >
              Fold
            </button>
            <button type="button" class="link-button" title="Unfold all" onClick={() => view.setAllCollapsed(false)}>
              Unfold
            </button>
          </span>
        </div>
        <div class="cell cell-duration" role="columnheader">
          Duration
        </div>
        <div class="cell cell-timeline" role="columnheader" aria-label="Timeline">
          <div class="ruler" ref={ruler}>
            {ticks.map(({ label, left }) => (
              <span class="tick" key={left} style={{ left }}>
                {label}
              </span>
            ))}
          </div>
        </div>
      </div>
      <div class="waterfall-body">
        <div class="grid-lines" aria-hidden="true">
          <div>
            {ticks.map(({ left }) => (
              <i key={left} style={{ left }} />
            ))}
          </div>
        </div>
        <div class="waterfall-rows" ref={scroller} tabIndex={-1} />
      </div>
      <div class="splitter-box" aria-hidden="true">
        <div
          class="splitter"
          onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
          onPointerMove={onSplit}
        />
      </div>
    </div>
  );
}
