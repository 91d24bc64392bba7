import { mkdtemp, rm } from "node:fs/promises";
import { type IncomingHttpHeaders, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Collector, type CollectorOptions } from "@clew/collector";
import { silentLogger } from "@clew/log";

/** Any free port of this machine. */
export const local = "127.0.0.1:0";

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

interface SendInit {
  method?: string;
  headers?: Record<string, string | number>;
  body?: Uint8Array | string;
}

/** A request as a browser would not let us send it: any Host, any length. */
export function send(url: URL | string, init: SendInit = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method: init.method ?? "GET", headers: init.headers ?? {}, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) });
        });
      },
    );
    sent.on("error", reject);
    sent.end(init.body);
  });
}

/** A folder of its own, gone afterwards. */
export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "clew-collector-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A collector that keeps its spans in a file and listens for OTLP over HTTP and gRPC. */
export async function withCollector(
  use: (collector: Collector) => Promise<void>,
  options: CollectorOptions = {},
): Promise<void> {
  await withFolder(async (folder) => {
    const collector = new Collector({
      address: local,
      otlpAddress: local,
      otlpGrpcAddress: local,
      data: join(folder, "traces.db"),
      logger: silentLogger,
      ...options,
    });
    await collector.start();
    try {
      await use(collector);
    } finally {
      await collector.stop(AbortSignal.timeout(5000));
    }
  });
}

/** What the collector's own port answers to a GET. */
export async function get<T = never>(
  collector: Collector,
  path: string,
): Promise<{ status: number; json: T; headers: IncomingHttpHeaders }> {
  const { status, body, headers } = await send(new URL(path, collector.endpoint()));
  return { status, headers, json: JSON.parse(body.toString()) as T };
}

/** Posts as anybody would; JSON unless told otherwise. */
export function post(
  url: URL | string,
  body: Uint8Array | string,
  headers: Record<string, string> = { "content-type": "application/json" },
): Promise<Response> {
  return fetch(url, { method: "POST", body: body as Uint8Array<ArrayBuffer> | string, headers });
}
