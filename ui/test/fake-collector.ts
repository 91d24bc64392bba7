// Serves ui/dist and the UI API with made traces: for looking at the UI without a collector, and for its browser tests.
//
//   node ui/test/fake-collector.ts [port] [empty|few|many|fleet]
import { readFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";
import type { Stats, Summary } from "../src/api.ts";
import { lookbacks } from "../src/time-range.ts";
import {
  callsIn,
  columnsOf,
  createRandom,
  detailsOf,
  fleetTrace,
  hasFailed,
  helloTrace,
  hugeTrace,
  messagesTrace,
  orderTrace,
  orphanTrace,
  type SampleSpan,
  type SampleTrace,
  serviceMapOf,
  summarize,
} from "./sample-traces.ts";

const dist = new URL("../dist/", import.meta.url);

/** What the collector sends with every page: scripts and styles from itself alone, and nothing inline. */
export const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const kindNames = ["unspecified", "internal", "server", "client", "producer", "consumer"];

const contentTypes: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

export interface FakeCollector {
  url: string;
  /** Lets go of a trace, as the collector does with the oldest. */
  forget(trace: SampleTrace): void;
  /** Stores a trace, or a newer state of one, and tells every open tail. */
  add(trace: SampleTrace): void;
  /** Ends all open tails, as a collector that goes away would; `accept` false keeps the next ones out too. */
  cutTails(accept: boolean): void;
  stop(): Promise<void>;
}

export async function startFakeCollector(traces: SampleTrace[] = [], port = 0): Promise<FakeCollector> {
  const stored = new Map<string, { trace: SampleTrace; summary: Summary }>();
  const tails = new Set<ServerResponse>();
  let acceptsTails = true;
  const store = (trace: SampleTrace): Summary => {
    const summary = summarize(trace);
    stored.set(trace.traceId, { trace, summary });
    return summary;
  };
  for (const trace of traces) store(trace);

  const stats = (): Stats => {
    const all = [...stored.values()].map(({ summary }) => summary);
    const spans = all.reduce((sum, { spanCount }) => sum + spanCount, 0);
    return {
      spans,
      traces: all.length,
      bytes: spans * 71,
      oldestMs: all.length === 0 ? null : Math.min(...all.map(({ startMs }) => startMs)),
      droppedSpans: 0,
      rejectedSpans: 0,
    };
  };

  const summaries = (query: URLSearchParams): { summaries: Summary[]; next: string | null } => {
    const { fromMs, toMs } = rangeOf(query, "all");
    const matches = ({ trace, summary }: { trace: SampleTrace; summary: Summary }): boolean => {
      const service = query.get("service");
      const caller = query.get("caller");
      const operation = query.get("operation");
      if (summary.startMs < fromMs || summary.startMs > toMs) return false;
      const wantsFailed = query.getAll("tag").includes("error:true");
      if (caller !== null) {
        return callsIn(trace).some(
          (call) =>
            call.caller.service === caller &&
            (service === null || call.span.service === service) &&
            (!wantsFailed || hasFailed(call)),
        );
      }
      if (service !== null && !summary.services.some(({ name }) => name === service)) return false;
      if (operation !== null && !trace.spans.some((span) => span.operation === operation)) return false;
      if (query.get("errors") === "true" && summary.errorCount === 0) return false;
      if (summary.durationMs < Number(query.get("minDurationMs") ?? 0)) return false;
      const tags = query.getAll("tag");
      const hasTag = (span: SampleSpan, tag: string): boolean => {
        if (tag === "error:true") return span.error !== undefined;
        const [key, ...value] = tag.split(":");
        if (key === "span.kind") return kindNames[span.kind] === value.join(":");
        return (
          span.attributes?.some((attribute) => attribute.key === key && String(attribute.value) === value.join(":")) ??
          false
        );
      };
      if (tags.length === 0) return true;
      return trace.spans.some(
        (span) => (service === null || span.service === service) && tags.every((tag) => hasTag(span, tag)),
      );
    };
    const limit = Number(query.get("limit") ?? 50);
    const before = query.get("before");
    const all = [...stored.values()]
      .filter(matches)
      .map(({ summary }) => summary)
      .sort((a, b) => b.startMs - a.startMs)
      .filter(({ startMs }) => before === null || startMs < Number(before));
    const page = all.slice(0, limit);
    return { summaries: page, next: all.length > limit ? String(page.at(-1)!.startMs) : null };
  };

  const send = (response: ServerResponse, status: number, body: unknown): void => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  const notFound = (response: ServerResponse, message: string): void =>
    send(response, 404, { code: 404, reason: "NOT_FOUND", message, metadata: {} });

  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://fake");
    if (pathname === "/api/ui/summaries") return send(response, 200, summaries(searchParams));
    if (pathname === "/api/ui/services") {
      const { fromMs, toMs } = rangeOf(searchParams, "1h");
      const map = serviceMapOf(
        [...stored.values()].map(({ trace }) => trace).filter(({ startMs }) => startMs >= fromMs && startMs <= toMs),
        fromMs,
        Math.min(toMs, Date.now()),
      );
      return send(response, 200, map);
    }
    if (pathname === "/api/ui/stats") return send(response, 200, stats());
    if (pathname === "/api/ui/tail") {
      if (!acceptsTails)
        return send(response, 503, { code: 503, reason: "UNAVAILABLE", message: "not now", metadata: {} });
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      response.write(`: here\n\nevent: stats\ndata: ${JSON.stringify(stats())}\n\n`);
      tails.add(response);
      response.on("close", () => tails.delete(response));
      return;
    }
    const names = [
      ...new Set([...stored.values()].flatMap(({ summary }) => summary.services.map(({ name }) => name))),
    ].sort();
    if (pathname === "/api/services") return send(response, 200, { data: names, total: names.length });
    const operationsOf = /^\/api\/services\/([^/]+)\/operations$/.exec(pathname);
    if (operationsOf !== null) {
      const service = decodeURIComponent(operationsOf[1]!);
      const spans = [...stored.values()].flatMap(({ trace }) => trace.spans);
      const data = [
        ...new Set(spans.filter((span) => span.service === service).map(({ operation }) => operation)),
      ].sort();
      return send(response, 200, { data, total: data.length });
    }
    const asked = /^\/api\/ui\/traces\/([0-9a-f]+)(?:\/spans\/([0-9a-f]+))?$/.exec(pathname);
    if (asked !== null) {
      const trace = stored.get(asked[1]!)?.trace;
      if (trace === undefined) return notFound(response, `no trace ${asked[1]}`);
      if (asked[2] === undefined) return send(response, 200, columnsOf(trace));
      const details = detailsOf(trace, asked[2]);
      return details === undefined ? notFound(response, `no span ${asked[2]}`) : send(response, 200, details);
    }
    if (pathname.startsWith("/api/")) return notFound(response, `nothing at ${pathname}`);

    const isFile = /^\/assets\/[\w.-]+$/.test(pathname);
    const file = isFile ? pathname.slice(1) : "index.html";
    try {
      const bytes = await readFile(new URL(file, dist));
      response.writeHead(200, {
        "content-type": contentTypes[extname(file)] ?? "application/octet-stream",
        "cache-control": isFile ? "public, max-age=31536000, immutable" : "no-cache",
        "content-security-policy": contentSecurityPolicy,
        "x-content-type-options": "nosniff",
      });
      response.end(bytes);
    } catch {
      notFound(response, `no file ${file}; is the UI built (npm run build --workspace ui)?`);
    }
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    add(trace) {
      const events = `event: summary\ndata: ${JSON.stringify(store(trace))}\n\nevent: stats\ndata: ${JSON.stringify(stats())}\n\n`;
      for (const tail of tails) tail.write(events);
    },
    forget({ traceId }) {
      stored.delete(traceId);
    },
    cutTails(accept) {
      acceptsTails = accept;
      for (const tail of tails) tail.destroy();
    },
    stop() {
      for (const tail of tails) tail.destroy();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** The time that a query asks for, as the collector reads it. */
function rangeOf(query: URLSearchParams, usual: string): { fromMs: number; toMs: number } {
  const lookback = lookbacks.find(({ name }) => name === (query.get("lookback") ?? usual))!;
  return {
    fromMs: Number(query.get("fromMs") ?? Math.max(0, Date.now() - lookback.ms)),
    toMs: Number(query.get("toMs") ?? Number.MAX_VALUE),
  };
}

/** The traces of `npm start` in the last minutes, and a few that are hard to show well. */
export function sampleTraces(count: number, nowMs: number, seed = 7): SampleTrace[] {
  const random = createRandom(seed);
  const traces = Array.from({ length: count }, (_, index) => {
    const startMs = nowMs - 4000 - index * (600 + random() * 1400);
    const dice = random();
    if (dice < 0.35) return helloTrace(startMs, random);
    return messagesTrace(
      startMs,
      random,
      dice < 0.8 ? "good" : dice < 0.92 ? "slow" : dice < 0.97 ? "failing" : "missing",
    );
  });
  if (count > 3) {
    traces.push(orderTrace(nowMs - 2500, random), orphanTrace(nowMs - 3200, random));
    traces.push(messagesTrace(nowMs - 3900, random, "failing"));
  }
  return traces;
}

if (import.meta.main) {
  const [port = "4319", amount = "many"] = process.argv.slice(2);
  const now = Date.now();
  const random = createRandom(now);
  const traces = amount === "empty" || amount === "fleet" ? [] : sampleTraces(amount === "few" ? 2 : 180, now);
  if (amount === "fleet") for (let i = 0; i < 400; i++) traces.push(fleetTrace(now - i * 500, random, 32));
  if (amount === "many") traces.push(hugeTrace(now - 9000, random, 100_000));
  const collector = await startFakeCollector(traces, Number(port));
  console.log(collector.url);
  if (amount !== "empty") {
    setInterval(() => collector.add(sampleTraces(1, Date.now() + 4000, Date.now())[0]!), 900);
  }
}
