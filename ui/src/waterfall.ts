import { formatDuration } from "./duration.ts";
import { type IconName, iconPaths } from "./icons.tsx";
import { shortOperation } from "./operation.ts";
import { colourCount, colourOf } from "./service-colour.ts";
import { countBelow, errorsBelow, hasChildren, type SpanTree } from "./span-tree.ts";

/** Height of every row in px; the style sheet has the same number. */
const rowHeight = 26;
/** Rows kept ready above and below what is seen. */
const overscan = 8;
const indentPx = 14;

const kindNames = ["span", "internal", "server", "client", "producer", "consumer"] as const;

export function kindName(kind: number): string {
  return kindNames[kind] ?? "span";
}

export interface WaterfallState {
  tree: SpanTree;
  /** Visible nodes from top to bottom. */
  rows: Uint32Array;
  collapsed: Uint8Array;
  selected: number;
  /** Nodes that the query found, or null without a query. */
  marked: Uint8Array | null;
  fromUs: number;
  toUs: number;
}

export interface WaterfallEvents {
  onSelect(node: number): void;
  /** `isDeep`: with everything below. */
  onToggle(node: number, isDeep: boolean): void;
}

interface Row {
  index: number;
  version: number;
  colour: number;
  element: HTMLElement;
  guides: HTMLElement;
  twisty: HTMLElement;
  kind: SVGPathElement;
  service: HTMLElement;
  peer: HTMLElement;
  operation: HTMLElement;
  count: HTMLElement;
  error: HTMLElement;
  duration: HTMLElement;
  bar: HTMLElement;
}

/**
 * The rows of a trace. Only those in view exist in the document; scrolling gives the elements that left the view to the
 * rows that come into it. Row i is always drawn by element i modulo their number, so a scroll by one row writes one row.
 */
export class Waterfall {
  readonly #grid: HTMLElement;
  readonly #scroller: HTMLElement;
  readonly #sizer: HTMLElement;
  readonly #events: WaterfallEvents;
  readonly #resize: ResizeObserver;
  #pool: Row[] = [];
  #state: WaterfallState | undefined;
  #version = 0;

  /** `grid` has the role treegrid and the focus; `scroller` is the box inside it that scrolls. */
  constructor(grid: HTMLElement, scroller: HTMLElement, events: WaterfallEvents) {
    this.#grid = grid;
    this.#scroller = scroller;
    this.#events = events;
    this.#sizer = document.createElement("div");
    this.#sizer.className = "rows";
    this.#sizer.setAttribute("role", "rowgroup");
    scroller.append(this.#sizer);
    scroller.addEventListener("scroll", () => this.#draw(), { passive: true });
    this.#sizer.addEventListener("click", (event) => this.#onClick(event));
    this.#resize = new ResizeObserver(() => {
      // The ruler and the grid lines end where the rows do: beside the scrollbar, if it takes room.
      grid.style.setProperty("--scrollbar", `${scroller.offsetWidth - scroller.clientWidth}px`);
      this.#draw();
    });
    this.#resize.observe(scroller);
  }

  /** Draws another state; cheap enough for every change, since it touches the rows in view alone. */
  update(state: WaterfallState): void {
    const isOtherTree = this.#state?.tree !== state.tree;
    this.#state = state;
    this.#version++;
    this.#sizer.style.height = `${state.rows.length * rowHeight}px`;
    this.#grid.setAttribute("aria-rowcount", String(state.rows.length + 1));
    if (isOtherTree) {
      // Deep traces indent less, so that names keep half of their column.
      const step = Math.max(2, Math.min(indentPx, 220 / Math.max(1, state.tree.maxDepth)));
      this.#sizer.style.setProperty("--indent", `${step}px`);
      this.#sizer.classList.toggle("is-deep", step < 10);
    }
    this.#draw();
  }

  /** Scrolls the row of this node into view; `center` puts it into the middle. Nothing happens when the row is not visible. */
  reveal(node: number, center = false): void {
    const index = this.#state?.rows.indexOf(node) ?? -1;
    if (index === -1) return;
    const top = index * rowHeight;
    const height = this.#scroller.clientHeight;
    const margin = rowHeight * 2;
    if (center && (top < this.#scroller.scrollTop || top + rowHeight > this.#scroller.scrollTop + height)) {
      this.#scroller.scrollTop = top - height / 2;
    } else if (top - margin < this.#scroller.scrollTop) this.#scroller.scrollTop = top - margin;
    else if (top + rowHeight + margin > this.#scroller.scrollTop + height) {
      this.#scroller.scrollTop = top + rowHeight + margin - height;
    }
    this.#draw();
  }

  /** Whole rows that fit. */
  get pageSize(): number {
    return Math.max(1, Math.floor(this.#scroller.clientHeight / rowHeight) - 1);
  }

  close(): void {
    this.#resize.disconnect();
    this.#sizer.remove();
  }

  #onClick(event: MouseEvent): void {
    const target = event.target as Element;
    const row = this.#pool.find(({ element }) => element.contains(target));
    const node = row === undefined ? undefined : this.#state?.rows[row.index];
    if (row === undefined || node === undefined) return;
    if (row.twisty.contains(target) && hasChildren(this.#state!.tree, node)) this.#events.onToggle(node, event.altKey);
    else this.#events.onSelect(node);
  }

  #draw(): void {
    const state = this.#state;
    if (state === undefined) return;
    const seen = Math.ceil(this.#scroller.clientHeight / rowHeight) + 1;
    while (this.#pool.length < seen + 2 * overscan) this.#pool.push(this.#createRow());
    const first = Math.max(0, Math.floor(this.#scroller.scrollTop / rowHeight) - overscan);
    for (let index = first; index < first + this.#pool.length; index++) {
      const row = this.#pool[index % this.#pool.length]!;
      if (row.index === index && row.version === this.#version) continue;
      row.index = index;
      row.version = this.#version;
      const isThere = index < state.rows.length;
      row.element.hidden = !isThere;
      if (isThere) this.#drawRow(row, state, index);
    }
    const active = state.rows.indexOf(state.selected);
    const isDrawn = active >= first && active < first + this.#pool.length;
    if (isDrawn) this.#grid.setAttribute("aria-activedescendant", this.#pool[active % this.#pool.length]!.element.id);
    else this.#grid.removeAttribute("aria-activedescendant");
  }

  #drawRow(row: Row, state: WaterfallState, index: number): void {
    const { tree, collapsed } = state;
    const node = state.rows[index]!;
    const { spans, services, operations } = tree.columns;
    const isGhost = node === tree.ghost;
    const isParent = hasChildren(tree, node);
    const isCollapsed = isParent && collapsed[node] === 1;
    const kind = isGhost ? 0 : spans.kind[node]!;
    const isError = !isGhost && spans.error[node] === 1;
    const hiddenErrors = isCollapsed ? errorsBelow(tree, node) : 0;
    const service = isGhost ? "" : services[spans.service[node]!]!;
    const peer = isGhost ? -1 : tree.peer[node]!;
    const { element } = row;

    element.style.transform = `translateY(${index * rowHeight}px)`;
    element.setAttribute("aria-rowindex", String(index + 2));
    element.setAttribute("aria-level", String(tree.depth[node]! + 1));
    if (isParent) element.setAttribute("aria-expanded", String(!isCollapsed));
    else element.removeAttribute("aria-expanded");
    element.setAttribute("aria-selected", String(node === state.selected));
    element.dataset.span = isGhost ? "" : spans.spanId[node]!;
    element.classList.toggle("is-error", isError);
    element.classList.toggle("is-ghost", isGhost);
    element.classList.toggle("is-match", state.marked?.[node] === 1);
    element.classList.toggle("is-dimmed", state.marked !== null && state.marked[node] !== 1);
    element.dataset.kind = kindName(kind);
    const colour = isGhost ? -1 : colourOf(service) % colourCount;
    if (colour !== row.colour) {
      element.classList.remove(`service-${row.colour}`);
      if (colour >= 0) element.classList.add(`service-${colour}`);
      row.colour = colour;
    }

    row.guides.style.width = `calc(var(--indent) * ${tree.depth[node]})`;
    row.twisty.classList.toggle("is-open", isParent && !isCollapsed);
    row.twisty.classList.toggle("is-leaf", !isParent);
    row.kind.setAttribute("d", iconPaths[(isGhost ? "ghost" : kind > 1 ? kindName(kind) : "internal") as IconName]);
    row.service.textContent = isGhost ? "Parent not received" : service;
    row.peer.textContent = peer === -1 ? "" : services[peer]!;
    const operation = isGhost
      ? "the spans below name a parent that has not arrived"
      : operations[spans.operation[node]!]!;
    row.operation.textContent = shortOperation(operation);
    row.operation.title = operation;
    row.count.textContent = isCollapsed ? `+${countBelow(tree, node)}` : "";
    row.error.hidden = !isError && hiddenErrors === 0;
    row.error.classList.toggle("is-below", !isError);
    row.error.title = isError ? "error" : `${hiddenErrors} with errors inside`;
    row.duration.textContent = formatDuration(tree.durationUs[node]!);

    const scale = 100 / (state.toUs - state.fromUs);
    const left = Math.max(-1, Math.min(101, (tree.startUs[node]! - state.fromUs) * scale));
    const right = Math.max(-1, Math.min(101, (tree.startUs[node]! + tree.durationUs[node]! - state.fromUs) * scale));
    row.bar.style.left = `${left}%`;
    row.bar.style.width = `${right - left}%`;
  }

  #createRow(): Row {
    const element = make("div", "row");
    element.id = `row-${this.#pool.length}`;
    element.setAttribute("role", "row");
    const name = cell("name");
    const duration = cell("duration");
    const timeline = cell("timeline");
    const guides = make("span", "guides");
    const twisty = make("span", "twisty");
    twisty.append(icon("chevron").svg);
    const kind = icon("internal");
    const service = make("span", "row-service");
    const peer = make("span", "row-peer");
    const operation = make("span", "row-operation");
    const count = make("span", "row-count");
    const error = make("span", "row-error");
    error.setAttribute("role", "img");
    error.setAttribute("aria-label", "error");
    error.append(icon("error").svg);
    kind.svg.classList.add("row-kind");
    name.append(guides, twisty, kind.svg, service, peer, operation, count, error);
    const bar = make("div", "bar");
    timeline.append(bar);
    element.append(name, duration, timeline);
    this.#sizer.append(element);
    return {
      index: -1,
      version: -1,
      colour: -1,
      element,
      guides,
      twisty,
      kind: kind.path,
      service,
      peer,
      operation,
      count,
      error,
      duration,
      bar,
    };
  }
}

function make(tag: string, className: string): HTMLElement {
  const element = document.createElement(tag);
  element.className = className;
  return element;
}

function cell(name: string): HTMLElement {
  const element = make("div", `cell cell-${name}`);
  element.setAttribute("role", "gridcell");
  return element;
}

function icon(name: IconName): { svg: SVGElement; path: SVGPathElement } {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", iconPaths[name]);
  svg.append(path);
  return { svg, path };
}
