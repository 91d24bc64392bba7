import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeSpans, encodeJsonRequest } from "@clew/trace/otel";
import { toJaegerTrace } from "./jaeger-trace.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";

test("a trace in Jaeger's JSON, field by field", () => {
  const attribute = (key: string, value: object): object => ({ key, value });
  const resource = (service: string): object => ({
    attributes: [
      attribute("service.name", { stringValue: service }),
      attribute("host.name", { stringValue: "h" }),
      attribute("process.pid", { intValue: "7" }),
    ],
  });
  const request = {
    resourceSpans: [
      {
        resource: resource("user"),
        scopeSpans: [
          {
            scope: { name: "clew", version: "0.1.0" },
            spans: [
              {
                traceId,
                spanId: "00f067aa0ba902b7",
                name: "/user.v1.User/Get",
                kind: 2,
                traceState: "a=1",
                startTimeUnixNano: "1700000000123456999",
                endTimeUnixNano: "1700000000125457100",
                attributes: [
                  attribute("http.response.status_code", { intValue: "404" }),
                  attribute("url.path", { stringValue: "/v1/users/9" }),
                  attribute("retried", { boolValue: false }),
                  attribute("ratio", { doubleValue: 0.5 }),
                  attribute("raw", { bytesValue: "AQI=" }),
                  attribute("list", { arrayValue: { values: [{ stringValue: "a" }, { intValue: "1" }] } }),
                ],
                events: [
                  {
                    timeUnixNano: "1700000000124000000",
                    name: "exception",
                    attributes: [attribute("exception.type", { stringValue: "NotFound" })],
                  },
                ],
                status: { code: 2, message: "no user 9" },
              },
            ],
          },
        ],
      },
      {
        resource: resource("profile"),
        scopeSpans: [
          {
            spans: [
              {
                traceId,
                spanId: "b7ad6b7169203331",
                parentSpanId: "00f067aa0ba902b7",
                name: "query",
                kind: 3,
                startTimeUnixNano: "1700000000124000000",
                endTimeUnixNano: "1700000000124001000",
                links: [{ traceId: "ab".repeat(16), spanId: "cd".repeat(8) }],
                status: { code: 1 },
              },
            ],
          },
        ],
      },
      { resource: resource("user"), scopeSpans: [{ spans: [{ traceId, spanId: "0102030405060708", name: "late" }] }] },
    ],
  };
  const trace = toJaegerTrace(traceId, decodeSpans(encodeJsonRequest(JSON.stringify(request))));
  const tags = [
    { key: "host.name", type: "string", value: "h" },
    { key: "process.pid", type: "int64", value: 7 },
  ];
  assert.deepEqual(trace, {
    traceID: traceId,
    spans: [
      {
        traceID: traceId,
        spanID: "00f067aa0ba902b7",
        operationName: "/user.v1.User/Get",
        references: [],
        startTime: 1_700_000_000_123_457,
        duration: 2000,
        tags: [
          { key: "http.response.status_code", type: "int64", value: 404 },
          { key: "url.path", type: "string", value: "/v1/users/9" },
          { key: "retried", type: "bool", value: false },
          { key: "ratio", type: "float64", value: 0.5 },
          { key: "raw", type: "binary", value: "AQI=" },
          { key: "list", type: "string", value: '["a",1]' },
          { key: "otel.scope.name", type: "string", value: "clew" },
          { key: "otel.scope.version", type: "string", value: "0.1.0" },
          { key: "span.kind", type: "string", value: "server" },
          { key: "otel.status_code", type: "string", value: "ERROR" },
          { key: "error", type: "bool", value: true },
          { key: "otel.status_description", type: "string", value: "no user 9" },
          { key: "w3c.tracestate", type: "string", value: "a=1" },
        ],
        logs: [
          {
            timestamp: 1_700_000_000_124_000,
            fields: [
              { key: "event", type: "string", value: "exception" },
              { key: "exception.type", type: "string", value: "NotFound" },
            ],
          },
        ],
        processID: "p1",
        warnings: null,
      },
      {
        traceID: traceId,
        spanID: "b7ad6b7169203331",
        operationName: "query",
        references: [
          { refType: "CHILD_OF", traceID: traceId, spanID: "00f067aa0ba902b7" },
          { refType: "FOLLOWS_FROM", traceID: "ab".repeat(16), spanID: "cd".repeat(8) },
        ],
        startTime: 1_700_000_000_124_000,
        duration: 1,
        tags: [
          { key: "span.kind", type: "string", value: "client" },
          { key: "otel.status_code", type: "string", value: "OK" },
        ],
        logs: [],
        processID: "p2",
        warnings: null,
      },
      {
        traceID: traceId,
        spanID: "0102030405060708",
        operationName: "late",
        references: [],
        startTime: 0,
        duration: 0,
        tags: [],
        logs: [],
        processID: "p1",
        warnings: null,
      },
    ],
    processes: { p1: { serviceName: "user", tags }, p2: { serviceName: "profile", tags } },
    warnings: null,
  });
});
