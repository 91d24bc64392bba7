import type { JSX } from "preact";
import { Icon } from "./icons.tsx";
import { connection } from "./tail.ts";
import { mostRows, type TracesView } from "./traces-view.ts";

/** Says whether the list is live, and pauses it; beside it, what waits. */
export function LiveButton({ view, toTop }: { view: TracesView; toTop: () => void }): JSX.Element {
  const isLost = connection.value === "lost" || connection.value === "connecting";
  const isPaused = view.isPaused.value;
  const { length: waiting } = view.held.value;
  const state = isLost ? "offline" : isPaused ? "paused" : "live";
  return (
    <div class="live">
      {waiting > 0 && (
        <button type="button" class="pill" onClick={isPaused ? () => view.togglePause() : toTop}>
          <Icon name="up" /> {waiting > mostRows ? `${mostRows}+` : waiting} new
        </button>
      )}
      <button
        type="button"
        class={`button live-button is-${state}`}
        aria-pressed={isPaused}
        title="Pause or resume (.)"
        onClick={() => view.togglePause()}
      >
        {isPaused ? <Icon name="play" /> : <span class="pulse" aria-hidden="true" />}
        <span>{isLost ? "Offline" : isPaused ? "Paused" : "Live"}</span>
      </button>
    </div>
  );
}
