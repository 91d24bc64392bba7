import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "@clew/log";
import { ServiceError } from "@clew/rpc";
import type { TraceStore } from "@clew/store";
import type { Route } from "@clew/transport/http";
import {
  findTraces,
  getTrace,
  jaegerFailure,
  listDependencies,
  listOperationNames,
  listOperations,
  listServices,
} from "./jaeger.ts";
import { parametersOf } from "./parameters.ts";
import type { Tail } from "./tail.ts";
import { getServiceMap, getSkeleton, getSpan, getStats, listSummaries } from "./ui.ts";

type Answer = (parameters: URLSearchParams, variables: Readonly<Record<string, string>>) => Promise<unknown>;

/** The routes of the UI's API. `received` returns what was received by dialect. Errors have Clew's error shape. */
export function uiRoutes(store: TraceStore, tail: Tail, now: () => number, received: () => object): Route[] {
  const get = (path: string, answer: Answer): Route => ({
    verb: "GET",
    path,
    handle: async (request, response, variables) => {
      sendJson(request, response, 200, await answer(parametersOf(request), variables));
    },
  });
  return [
    get("/api/ui/summaries", (parameters) => listSummaries(store, parameters, now())),
    get("/api/ui/services", (parameters) => getServiceMap(store, parameters, now())),
    get("/api/ui/stats", async () => ({ ...(await getStats(store)), received: received() })),
    get("/api/ui/traces/{traceId}", (_, { traceId }) => getSkeleton(store, traceId!)),
    get("/api/ui/traces/{traceId}/spans/{spanId}", (_, { traceId, spanId }) => getSpan(store, traceId!, spanId!)),
    { verb: "GET", path: "/api/ui/tail", handle: (_, response) => tail.add(response) },
  ];
}

/** The routes of Jaeger's API v1. Errors are in Jaeger's wrapper, where its clients expect them. */
export function jaegerRoutes(store: TraceStore, now: () => number, logger: Logger): Route[] {
  const get = (path: string, answer: Answer): Route => ({
    verb: "GET",
    path,
    handle: async (request, response, variables) => {
      try {
        const data = await answer(parametersOf(request), variables);
        if (data === undefined) sendJson(request, response, 404, jaegerFailure(404, "trace not found"));
        else sendJson(request, response, 200, data);
      } catch (error) {
        if (!(error instanceof ServiceError)) logger.error(`${path} failed`, { error });
        const { code, message } = ServiceError.from(error);
        sendJson(request, response, code, jaegerFailure(code, message));
      }
    },
  });
  return [
    get("/api/services", () => listServices(store)),
    get("/api/services/{service}/operations", (_, { service }) => listOperationNames(store, service!)),
    get("/api/operations", (parameters) => listOperations(store, parameters)),
    get("/api/traces", (parameters) => findTraces(store, parameters, now())),
    get("/api/traces/{id}", (_, { id }) => getTrace(store, id!)),
    get("/api/dependencies", (parameters) => listDependencies(store, parameters, now())),
  ];
}

function sendJson(request: IncomingMessage, response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(request.method === "HEAD" ? undefined : body);
}
