import type { PageRequest, ServiceMapLimits, TimeRange, TraceQuery } from "../contract.ts";
import { Reader } from "./reader.ts";
import { serve } from "./thread.ts";

let reader: Reader;

serve({
  open(file: string) {
    reader = new Reader(file);
  },
  trace: (traceId: string) => reader.trace(traceId),
  skeleton: (traceId: string) => reader.skeleton(traceId),
  span: (traceId: string, spanId: string) => reader.span(traceId, spanId),
  search: (query: TraceQuery, page: PageRequest) => reader.search(query, page),
  services: () => reader.services(),
  operations: (service: string | undefined) => reader.operations(service),
  serviceMap: (range: TimeRange, limits: ServiceMapLimits) => reader.serviceMap(range, limits),
  close: () => reader.close(),
});
