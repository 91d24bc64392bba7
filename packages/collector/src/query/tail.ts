import type { ServerResponse } from "node:http";
import type { StoreStats, Summary, TraceStore } from "@clew/store";

// Often enough to see numbers change. The message also shows a proxy that the connection is alive.
const statsEveryMs = 2000;
// How many bytes one reader may leave unread before it is cut off. The reader reconnects by itself and asks for what it missed.
const maxUnreadBytes = 1024 * 1024;

/** Sends new traces to all watching readers as server-sent events: `summary` with a Summary, `stats` with StoreStats. */
export class Tail {
  readonly #store: TraceStore;
  readonly #readers = new Set<ServerResponse>();
  #leave: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(store: TraceStore) {
    this.#store = store;
  }

  /** Answers a request with the tail, until the reader disconnects or {@link close} is called. */
  async add(response: ServerResponse): Promise<void> {
    response.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    if (this.#isClosed || response.req.method === "HEAD") {
      response.end();
      return;
    }
    response.write(": traces as they come\n\n");
    this.#readers.add(response);
    response.on("close", () => {
      this.#readers.delete(response);
      if (this.#readers.size === 0) this.#rest();
    });
    this.#work();
    const stats = await this.#store.stats();
    write(response, formatStats(stats));
  }

  /** Ends the tail of every reader. */
  close(): void {
    this.#isClosed = true;
    this.#rest();
    for (const reader of this.#readers) reader.end();
  }

  #work(): void {
    this.#leave ??= this.#store.tail((summaries) => this.#send(summaries.map(formatSummary).join("")));
    this.#timer ??= setInterval(() => void this.#sendStats(), statsEveryMs).unref();
  }

  #rest(): void {
    this.#leave?.();
    this.#leave = undefined;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #sendStats(): Promise<void> {
    try {
      this.#send(formatStats(await this.#store.stats()));
    } catch {
      // If the store cannot return its statistics, the tail continues without them.
      this.#send(": no stats\n\n");
    }
  }

  #send(text: string): void {
    for (const reader of this.#readers) write(reader, text);
  }
}

function write(reader: ServerResponse, text: string): void {
  if (reader.writableEnded || reader.destroyed) return;
  if (reader.writableLength > maxUnreadBytes) reader.destroy();
  else reader.write(text);
}

// JSON contains no line breaks, so it fits one data line.
function formatSummary(summary: Summary): string {
  return `event: summary\ndata: ${JSON.stringify(summary)}\n\n`;
}

function formatStats(stats: StoreStats): string {
  return `event: stats\ndata: ${JSON.stringify(stats)}\n\n`;
}
