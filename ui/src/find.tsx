import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import { Icon } from "./icons.tsx";
import { formatCount } from "./quantity.ts";
import type { TraceView } from "./trace-view.ts";

/** Looks for spans inside the trace. */
export function Find({ view }: { view: TraceView }): JSX.Element {
  const found = view.found.value;
  const at = useComputed(() => {
    const tree = view.tree.value;
    const now = view.found.value;
    const node = view.selected.value;
    if (tree === null || now === null || node === -1 || now.marked[node] !== 1) return 0;
    let before = 0;
    for (let place = 0; place <= tree.place[node]!; place++) before += now.marked[tree.order[place]!]!;
    return before;
  });
  return (
    <div class="find" role="search">
      <label class="field">
        <Icon name="search" />
        <input
          id="find"
          placeholder="Find spans"
          aria-label="Find spans"
          title="error, >10ms, kind:client, service:user, -term, or any word"
          autocomplete="off"
          spellcheck={false}
          value={view.query.value}
          onInput={(event) => {
            view.query.value = event.currentTarget.value;
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter") {
              event.preventDefault();
              view.nextMatch(event.shiftKey ? -1 : 1);
            } else if (event.key === "Escape") {
              if (view.query.peek() === "") event.currentTarget.blur();
              view.query.value = "";
              event.stopPropagation();
            }
          }}
        />
        {found !== null && (
          <span class={`find-count${found.count === 0 ? " is-none" : ""}`} role="status">
            {at.value > 0 ? `${formatCount(at.value)}/` : ""}
            {formatCount(found.count)}
          </span>
        )}
      </label>
      {found !== null && (
        <>
          <button
            type="button"
            class="icon-button"
            aria-label="Previous match"
            title="Previous match (N)"
            onClick={() => view.nextMatch(-1)}
          >
            <Icon name="up" />
          </button>
          <button
            type="button"
            class="icon-button"
            aria-label="Next match"
            title="Next match (n)"
            onClick={() => view.nextMatch(1)}
          >
            <Icon name="down" />
          </button>
          <button
            type="button"
            class={`button${view.onlyMatches.value ? " is-on" : ""}`}
            aria-pressed={view.onlyMatches.value}
            title="Show the matches and what is above them only"
            onClick={() => {
              view.onlyMatches.value = !view.onlyMatches.peek();
            }}
          >
            Only matches
          </button>
        </>
      )}
    </div>
  );
}
