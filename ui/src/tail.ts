import { type Signal, signal } from "@preact/signals";
import { fetchStats, type Stats, type Summary } from "./api.ts";

/** "regained" lasts a few seconds, so that the user sees it. */
export type Connection = "connecting" | "open" | "lost" | "regained";

export const connection: Signal<Connection> = signal<Connection>("connecting");
export const stats: Signal<Stats | null> = signal<Stats | null>(null);

type Listener = { onSummaries: (summaries: Summary[]) => void; onReconnect: () => void };

const listeners = new Set<Listener>();
const retryMs = 2000;
/** Arrivals are handed on this often, so that a burst is one change on screen. */
const batchMs = 150;

let batch: Summary[] = [];
let wasLost = false;

/** Hears of every new or grown trace, in batches, and of each time the connection is back. Returns how to stop. */
export function listenToTail(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Opens the tail, once, for the life of the page, and opens it again whenever it is lost. */
export function startTail(): void {
  const source = new EventSource("/api/ui/tail");
  source.addEventListener("open", () => {
    if (!wasLost) {
      connection.value = "open";
      return;
    }
    wasLost = false;
    connection.value = "regained";
    setTimeout(() => {
      if (connection.peek() === "regained") connection.value = "open";
    }, 3000);
    refreshStats();
    for (const listener of listeners) listener.onReconnect();
  });
  source.addEventListener("error", () => {
    wasLost = true;
    connection.value = "lost";
    // The browser tries again by itself after a broken connection, but not after an answer that is no event stream.
    if (source.readyState !== EventSource.CLOSED) return;
    source.close();
    setTimeout(startTail, retryMs);
  });
  source.addEventListener("summary", (event) => {
    batch.push(JSON.parse(event.data) as Summary);
    if (batch.length === 1) setTimeout(flush, batchMs);
  });
  source.addEventListener("stats", (event) => {
    stats.value = JSON.parse(event.data) as Stats;
  });
}

/** Asks for the stats now; the tail brings them every few seconds. */
export function refreshStats(): void {
  fetchStats().then(
    (fresh) => {
      stats.value = fresh;
    },
    // The lost connection is on screen already.
    () => {},
  );
}

function flush(): void {
  const arrived = batch;
  batch = [];
  for (const listener of listeners) listener.onSummaries(arrived);
}
