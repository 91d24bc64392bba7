// Traces as a collector would hold them, for the fake collector: made, but shaped like the traces of real services.
import type {
  Attribute,
  Backing,
  CallStats,
  Dependency,
  ServiceMap,
  SpanDetails,
  SpanEvent,
  SpanLink,
  Summary,
  Tag,
  TraceColumns,
} from "../src/api.ts";

export interface SampleSpan {
  spanId: string;
  /** Empty for a root; an id that no span has for a missing parent. */
  parentSpanId: string;
  service: string;
  operation: string;
  kind: number;
  /** Microseconds from the start of the trace. */
  startUs: number;
  durationUs: number;
  error?: string;
  attributes?: Attribute[];
  events?: SpanEvent[];
  links?: SpanLink[];
}

export interface SampleTrace {
  traceId: string;
  startMs: number;
  spans: SampleSpan[];
}

/** A generator of numbers from 0 to 1 that gives the same row for the same seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function hex(random: () => number, digits: number): string {
  let text = "";
  while (text.length < digits) text += Math.floor(random() * 16).toString(16);
  return text;
}

const [internal, server, client, producer, consumer] = [1, 2, 3, 4, 5];

/**
 * GET /v1/users/{id}/messages: user asks message (gRPC, which reads SQLite) and profile (HTTP), side by side. "missing" is a 404
 * of profile, an error of its client's span alone.
 */
export function messagesTrace(
  startMs: number,
  random: () => number,
  how: "good" | "slow" | "failing" | "missing" = "good",
): SampleTrace {
  const unit = how === "slow" ? 9000 : 1000;
  const id = (): string => hex(random, 16);
  const userId = how === "failing" || how === "missing" ? 404 : 1 + Math.floor(random() * 90);
  const jitter = 0.8 + random() * 0.6;
  const at = (value: number): number => Math.round(value * unit * jitter);
  const error = userId === 404 ? `no user ${userId}` : undefined;
  const root = id();
  const toMessage = id();
  const inMessage = id();
  const toProfile = id();
  const inProfile = id();
  const route = "/v1/users/{id}/messages";
  const failed = error === undefined ? {} : { error };
  const serverFailed = how === "missing" ? {} : failed;
  const status = error === undefined ? 200 : 404;
  const exception: SpanEvent[] =
    error === undefined
      ? []
      : [
          {
            name: "exception",
            timeMs: startMs + at(2.1) / 1000,
            attributes: [
              { key: "exception.type", value: "ServiceError" },
              { key: "exception.message", value: `${error} (USER_NOT_FOUND)` },
              {
                key: "exception.stacktrace",
                value: [
                  `ServiceError: ${error} (USER_NOT_FOUND)`,
                  "    at findProfile (file:///app/profile/src/profiles.ts:41:11)",
                  "    at Object.getProfile (file:///app/profile/src/main.ts:18:20)",
                  "    at invoke (file:///app/node_modules/@clew/rpc/dist/invoke.js:62:18)",
                  "    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)",
                ].join("\n"),
              },
            ],
          },
        ];
  const spans: SampleSpan[] = [
    {
      spanId: root,
      parentSpanId: "",
      service: "user",
      operation: "/demo.v1.Users/ListMessages",
      kind: server,
      startUs: 0,
      durationUs: at(5.4),
      ...serverFailed,
      attributes: [
        { key: "http.request.method", value: "GET" },
        { key: "url.path", value: `/v1/users/${userId}/messages` },
        { key: "http.route", value: route },
        { key: "http.response.status_code", value: status },
        { key: "client.address", value: "127.0.0.1" },
        { key: "network.protocol.version", value: "1.1" },
        { key: "user_agent.original", value: "curl/8.14.1" },
      ],
    },
    {
      spanId: toMessage,
      parentSpanId: root,
      service: "user",
      operation: "/demo.v1.Messages/ListMessages",
      kind: client,
      startUs: at(0.2),
      durationUs: at(4.9),
      attributes: [
        { key: "rpc.system", value: "grpc" },
        { key: "server.address", value: "127.0.0.1" },
        { key: "server.port", value: 9000 },
        { key: "rpc.grpc.status_code", value: 0 },
      ],
    },
    {
      spanId: inMessage,
      parentSpanId: toMessage,
      service: "message",
      operation: "/demo.v1.Messages/ListMessages",
      kind: server,
      startUs: at(0.6),
      durationUs: at(4.2),
      attributes: [
        { key: "rpc.system", value: "grpc" },
        { key: "rpc.grpc.status_code", value: 0 },
      ],
      events: [
        {
          name: "cache.miss",
          timeMs: startMs + at(0.8) / 1000,
          attributes: [{ key: "cache.key", value: `messages:${userId}` }],
        },
      ],
    },
    ...[
      "SELECT id, name FROM users WHERE id = ?",
      "SELECT id, text, sent_at\n  FROM messages\n WHERE user_id = ?\n ORDER BY sent_at DESC\n LIMIT 50",
    ].map((query, index) => ({
      spanId: id(),
      parentSpanId: inMessage,
      service: "message",
      operation: index === 0 ? "SELECT users" : "SELECT messages",
      kind: client,
      startUs: at(index === 0 ? 0.9 : 2),
      durationUs: at(index === 0 ? 0.9 : 2.6),
      attributes: [
        { key: "db.system.name", value: "sqlite" },
        { key: "db.query.text", value: query },
        { key: "db.response.returned_rows", value: index === 0 ? 1 : 38 },
      ],
    })),
    {
      spanId: toProfile,
      parentSpanId: root,
      service: "user",
      operation: "/demo.v1.Profiles/GetProfile",
      kind: client,
      startUs: at(0.25),
      durationUs: at(2.4),
      ...failed,
      attributes: [
        { key: "http.request.method", value: "GET" },
        { key: "url.full", value: `http://127.0.0.1:8001/v1/profiles/${userId}` },
        { key: "http.response.status_code", value: status },
      ],
    },
    {
      spanId: inProfile,
      parentSpanId: toProfile,
      service: "profile",
      operation: "/demo.v1.Profiles/GetProfile",
      kind: server,
      startUs: at(0.8),
      durationUs: at(1.6),
      ...serverFailed,
      events: exception,
      attributes: [
        { key: "http.request.method", value: "GET" },
        { key: "url.path", value: `/v1/profiles/${userId}` },
        { key: "http.response.status_code", value: status },
        { key: "error.type", value: error === undefined ? "" : "USER_NOT_FOUND" },
      ].filter(({ value }) => value !== ""),
    },
    {
      spanId: id(),
      parentSpanId: inProfile,
      service: "profile",
      operation: "render avatar",
      kind: internal,
      startUs: at(1.1),
      durationUs: at(0.8),
    },
  ];
  return { traceId: hex(random, 32), startMs, spans };
}

/** GET /helloworld/{name}: one span. */
export function helloTrace(startMs: number, random: () => number): SampleTrace {
  const name = ["kratos", "ann", "ben", "theseus"][Math.floor(random() * 4)];
  return {
    traceId: hex(random, 32),
    startMs,
    spans: [
      {
        spanId: hex(random, 16),
        parentSpanId: "",
        service: "user",
        operation: "/helloworld.v1.Greeter/SayHello",
        kind: server,
        startUs: 0,
        durationUs: Math.round(180 + random() * 700),
        attributes: [
          { key: "http.request.method", value: "GET" },
          { key: "url.path", value: `/helloworld/${name}` },
          { key: "http.response.status_code", value: 200 },
        ],
      },
    ],
  };
}

/** POST /orders: a shop of nine services with a queue, an N+1 and a declined card deep inside. */
export function orderTrace(startMs: number, random: () => number): SampleTrace {
  const id = (): string => hex(random, 16);
  const spans: SampleSpan[] = [];
  const add = (span: Omit<SampleSpan, "spanId">): string => {
    const spanId = id();
    spans.push({ spanId, ...span });
    return spanId;
  };
  const ms = (value: number): number => Math.round(value * 1000);
  const call = (
    parent: string,
    from: string,
    to: string,
    operation: string,
    start: number,
    duration: number,
    error?: string,
  ): string => {
    const failed = error === undefined ? {} : { error };
    const out = add({
      parentSpanId: parent,
      service: from,
      operation,
      kind: client,
      startUs: ms(start),
      durationUs: ms(duration),
      ...failed,
    });
    return add({
      parentSpanId: out,
      service: to,
      operation,
      kind: server,
      startUs: ms(start + 1.4),
      durationUs: ms(duration - 2.6),
      ...failed,
    });
  };
  const gateway = add({
    parentSpanId: "",
    service: "gateway",
    operation: "/shop.v1.Orders/CreateOrder",
    kind: server,
    startUs: 0,
    durationUs: ms(812),
    error: "payment declined",
    attributes: [
      { key: "http.request.method", value: "POST" },
      { key: "url.path", value: "/v1/orders" },
      { key: "http.response.status_code", value: 402 },
    ],
  });
  call(gateway, "gateway", "session", "/shop.v1.Sessions/Check", 2, 9);
  const orders = call(gateway, "gateway", "orders", "/shop.v1.Orders/CreateOrder", 13, 796, "payment declined");
  const cart = call(orders, "orders", "cart", "/shop.v1.Carts/GetCart", 18, 31);
  add({
    parentSpanId: cart,
    service: "cart",
    operation: "GET cart:812",
    kind: client,
    startUs: ms(21),
    durationUs: ms(3.1),
    attributes: [{ key: "db.system.name", value: "redis" }],
  });
  const inventory = call(orders, "orders", "inventory", "/shop.v1.Inventory/Reserve", 52, 402);
  for (let item = 0; item < 34; item++) {
    add({
      parentSpanId: inventory,
      service: "inventory",
      operation: "SELECT items",
      kind: client,
      startUs: ms(56 + item * 11.4),
      durationUs: ms(6 + random() * 5),
      attributes: [
        { key: "db.system.name", value: "postgresql" },
        { key: "db.namespace", value: "stock" },
        { key: "db.query.text", value: "SELECT stock FROM items WHERE id = $1" },
      ],
    });
  }
  const payment = call(orders, "orders", "payment", "/shop.v1.Payments/Charge", 458, 331, "card declined");
  const risk = call(payment, "payment", "risk", "/shop.v1.Risk/Score", 463, 118);
  add({
    parentSpanId: risk,
    service: "risk",
    operation: "load model",
    kind: internal,
    startUs: ms(466),
    durationUs: ms(41),
  });
  add({
    parentSpanId: risk,
    service: "risk",
    operation: "score",
    kind: internal,
    startUs: ms(508),
    durationUs: ms(70),
  });
  add({
    parentSpanId: payment,
    service: "payment",
    operation: "POST api.cards.example/charges",
    kind: client,
    startUs: ms(584),
    durationUs: ms(196),
    error: "CardDeclined",
    attributes: [
      { key: "url.full", value: "https://api.cards.example/charges" },
      { key: "http.response.status_code", value: 402 },
    ],
    events: [
      {
        name: "exception",
        timeMs: startMs + 779,
        attributes: [
          { key: "exception.type", value: "CardDeclined" },
          { key: "exception.message", value: "declined 51: insufficient funds" },
        ],
      },
    ],
  });
  const orderFailed: Attribute[] = [
    { key: "messaging.system", value: "kafka" },
    { key: "messaging.destination.name", value: "order.failed" },
  ];
  const published = add({
    parentSpanId: orders,
    service: "orders",
    operation: "publish order.failed",
    kind: producer,
    startUs: ms(793),
    durationUs: ms(4),
    attributes: orderFailed,
  });
  const consumed = add({
    parentSpanId: published,
    service: "mailer",
    operation: "process order.failed",
    kind: consumer,
    startUs: ms(803),
    durationUs: ms(64),
    attributes: orderFailed,
  });
  add({
    parentSpanId: consumed,
    service: "mailer",
    operation: "render template",
    kind: internal,
    startUs: ms(806),
    durationUs: ms(22),
    links: [{ traceId: hex(random, 32), spanId: id(), attributes: [{ key: "link.kind", value: "template build" }] }],
  });
  return { traceId: hex(random, 32), startMs, spans };
}

const fleetName = (service: number): string => `${["edge", "core", "data", "batch", "search"][service % 5]}-${service}`;

/** A request through a company of many services, which calls a few of them, now and then one of an earlier tier. */
export function fleetTrace(startMs: number, random: () => number, size: number): SampleTrace {
  const spans: SampleSpan[] = [];
  const visit = (service: number, parentSpanId: string, depth: number, startUs: number, durationUs: number): void => {
    const spanId = hex(random, 16);
    const hasFailed = random() < (service % 7 === 3 ? 0.1 : 0.001);
    const name = fleetName(service);
    const operation = `/fleet.v1.${name}/Do`;
    const error = hasFailed ? { error: "no luck" } : {};
    spans.push({ spanId, parentSpanId, service: name, operation, kind: server, startUs, durationUs, ...error });
    // Every third asks a database, of which there are ten; some tell a queue.
    if (service % 3 === 0)
      spans.push(fleetQuery(random, service, spanId, startUs + durationUs * 0.7, durationUs * 0.1));
    if (depth > 4) return;
    for (const step of [1, 4, 9]) {
      const next = random() < 0.02 ? Math.floor(service / 2) : service * 2 + step;
      if (next < size && next !== service && random() < 0.6)
        visit(next, spanId, depth + 1, startUs + durationUs * 0.1, durationUs * (0.2 + 0.5 * random()));
    }
  };
  visit(Math.floor(random() * 3), "", 0, 0, 20_000 + random() * 80_000);
  return { traceId: hex(random, 32), startMs, spans };
}

/** What a service of the fleet asks its database, or sends into its queue. */
function fleetQuery(
  random: () => number,
  service: number,
  parentSpanId: string,
  startUs: number,
  durationUs: number,
): SampleSpan {
  const number = (service / 3) % 12;
  const attributes =
    number < 10
      ? [
          { key: "db.system.name", value: ["postgresql", "redis", "microsoft.sql_server", "mongodb"][number % 4] },
          {
            key: "db.namespace",
            value: ["orders", "sessions", "customers-and-contracts", "catalogue"][number % 4]! + number,
          },
        ]
      : [
          { key: "messaging.system", value: "kafka" },
          { key: "messaging.destination.name", value: `events-${number}` },
        ];
  return {
    spanId: hex(random, 16),
    parentSpanId,
    service: fleetName(service),
    operation: number < 10 ? "SELECT" : "send",
    kind: number < 10 ? client : producer,
    startUs,
    durationUs,
    ...(random() < (number === 2 ? 0.06 : 0) ? { error: "deadlock" } : {}),
    attributes,
  };
}

/** A trace whose middle service has sent nothing. */
export function orphanTrace(startMs: number, random: () => number): SampleTrace {
  const trace = messagesTrace(startMs, random);
  const isLost = (span: SampleSpan): boolean => span.service === "message" && span.kind === server;
  return { ...trace, spans: trace.spans.filter((span) => !isLost(span)) };
}

/** What a service does in a trace of its own with what another one sent: it has a link to that, and no parent. */
export function followingTrace(
  startMs: number,
  random: () => number,
  service: string,
  followed: SampleTrace,
): SampleTrace {
  const sent = followed.spans.find(({ kind }) => kind === producer) ?? followed.spans[0]!;
  const span: SampleSpan = {
    ...{ spanId: hex(random, 16), parentSpanId: "", service, operation: `${service} follows`, kind: consumer },
    ...{ startUs: 0, durationUs: 3000 + random() * 9000 },
    links: [{ traceId: followed.traceId, spanId: sent.spanId, attributes: [] }],
    ...(sent.kind === producer && { attributes: sent.attributes! }),
  };
  return { traceId: hex(random, 32), startMs, spans: [span] };
}

/** A trace of `count` spans over eight services, up to thirty levels deep, one in 400 with an error. */
export function hugeTrace(startMs: number, random: () => number, count: number): SampleTrace {
  const names = ["gateway", "orders", "cart", "inventory", "payment", "search", "pricing", "mailer"];
  const spans: SampleSpan[] = [];
  /** Spans to be made: how many are in this subtree, and the time it has. */
  const open = [{ parentSpanId: "", service: 0, depth: 0, size: count, startUs: 0, durationUs: 12_000_000 }];
  for (let job = open.pop(); job !== undefined; job = open.pop()) {
    const isCall = job.depth > 0 && random() < 0.25;
    const service = isCall ? Math.floor(random() * names.length) : job.service;
    const spanId = hex(random, 16);
    const index = spans.length;
    spans.push({
      spanId,
      parentSpanId: job.parentSpanId,
      service: names[service]!,
      operation: job.depth === 0 ? "nightly import" : `/batch.v1.Import/Step${job.depth}`,
      kind: isCall ? server : index % 3 === 1 ? client : internal,
      startUs: Math.round(job.startUs),
      durationUs: Math.max(1, Math.round(job.durationUs)),
      ...(index % 400 === 399 ? { error: "step failed" } : {}),
    });
    let left = job.size - 1;
    const width = job.depth > 28 ? 1 : Math.max(1, Math.ceil(left / (2 + Math.floor(random() * 12))));
    const parts = Math.ceil(left / width);
    for (let part = 0; left > 0; part++) {
      const size = Math.min(width, left);
      left -= size;
      const slot = (job.durationUs * 0.98) / parts;
      open.push({
        parentSpanId: spanId,
        service,
        depth: job.depth + 1,
        size,
        startUs: job.startUs + job.durationUs * 0.01 + slot * part + slot * 0.2 * random(),
        durationUs: slot * (0.3 + 0.5 * random()),
      });
    }
  }
  return { traceId: hex(random, 32), startMs, spans };
}

export function summarize(trace: SampleTrace): Summary {
  const root = trace.spans.find(({ parentSpanId }) => parentSpanId === "");
  const first = root ?? trace.spans.toSorted((a, b) => a.startUs - b.startUs)[0]!;
  const services = new Map<string, { name: string; spanCount: number; errorCount: number }>();
  for (const span of trace.spans.toSorted((a, b) => a.startUs - b.startUs)) {
    const service = services.get(span.service) ?? { name: span.service, spanCount: 0, errorCount: 0 };
    service.spanCount++;
    if (span.error !== undefined) service.errorCount++;
    services.set(span.service, service);
  }
  const value = (key: string): unknown => root?.attributes?.find((attribute) => attribute.key === key)?.value;
  const verb = value("http.request.method");
  return {
    traceId: trace.traceId,
    rootService: first.service,
    rootOperation: first.operation,
    path: verb === undefined ? null : `${verb} ${value("url.path")}`,
    startMs: trace.startMs,
    durationMs: durationMs(trace),
    spanCount: trace.spans.length,
    errorCount: trace.spans.filter(({ error }) => error !== undefined).length,
    services: [...services.values()],
    complete: root !== undefined,
  };
}

/** A call of a service by another: the span that was called, and its parent. */
export interface SampleCall {
  span: SampleSpan;
  caller: SampleSpan;
}

/** The calls between services in a trace. */
export function callsIn(trace: SampleTrace): SampleCall[] {
  const byId = new Map(trace.spans.map((span) => [span.spanId, span]));
  return trace.spans.flatMap((span) => {
    const caller = byId.get(span.parentSpanId);
    return caller === undefined || caller.service === span.service ? [] : [{ span, caller }];
  });
}

/** As the collector has it: either end of a call says so. */
export function hasFailed({ span, caller }: SampleCall): boolean {
  return span.error !== undefined || (caller.error !== undefined && caller.kind === client);
}

interface SampleTarget {
  kind: Backing["kind"];
  system: string;
  name: string;
  isTaking: boolean;
  tags: Tag[];
}

/** What a span calls, by the attributes that these traces have. */
function targetOf({ kind, attributes = [] }: SampleSpan): SampleTarget | undefined {
  const tags = (...keys: string[]): Tag[] =>
    keys.flatMap((key) =>
      attributes.filter((attribute) => attribute.key === key).map(({ value }) => ({ key, value: String(value) })),
    );
  const [database, namespace] = [tags("db.system.name"), tags("db.namespace")];
  if (database.length > 0) {
    const name = namespace[0]?.value ?? "";
    return {
      ...{ kind: "database", system: database[0]!.value, name, isTaking: false },
      tags: [...database, ...namespace],
    };
  }
  const [system, destination] = tags("messaging.system", "messaging.destination.name");
  if (system === undefined || destination === undefined) return undefined;
  const spanKind = { key: "span.kind", value: kind === consumer ? "consumer" : "producer" };
  return {
    ...{ kind: "queue", system: system.value, name: destination.value, isTaking: kind === consumer },
    tags: [system, destination, spanKind],
  };
}

/** What the collector's map of services tells of these traces, with all of them in the range. */
export function serviceMapOf(traces: readonly SampleTrace[], fromMs: number, toMs: number): ServiceMap {
  type Calls = Map<string, { span: SampleSpan; isFailure: boolean }[]>;
  const services: Calls = new Map();
  const dependencies: Calls = new Map();
  const links: Calls = new Map();
  const asked: Calls = new Map();
  const backingCalls: Calls = new Map();
  const add = (calls: Calls, key: string, span: SampleSpan, isFailure: boolean): void => {
    const known = calls.get(key);
    if (known === undefined) calls.set(key, [{ span, isFailure }]);
    else known.push({ span, isFailure });
  };
  const spans = traces.flatMap((trace) => trace.spans);
  const anywhere = new Map(spans.map((span) => [span.spanId, span]));
  for (const trace of traces) {
    const byId = new Map(trace.spans.map((span) => [span.spanId, span]));
    for (const span of trace.spans) {
      const isInner = byId.get(span.parentSpanId)?.service === span.service;
      if (!isInner) add(services, span.service, span, span.error !== undefined);
      const target = targetOf(span);
      if (target !== undefined) {
        const { kind, system, name, isTaking } = target;
        const key = JSON.stringify([kind, system, name]);
        if (!isTaking) add(asked, key, span, span.error !== undefined);
        else if (!asked.has(key)) asked.set(key, []);
        add(backingCalls, JSON.stringify([key, isTaking, span.service]), span, span.error !== undefined);
      } else if (span.parentSpanId === "") {
        for (const { spanId } of span.links ?? []) {
          const linked = anywhere.get(spanId);
          if (linked !== undefined) add(links, `${linked.service} ${span.service}`, span, span.error !== undefined);
        }
      }
    }
    for (const call of callsIn(trace)) {
      if (targetOf(call.span)?.isTaking) continue;
      add(dependencies, `${call.caller.service} ${call.span.service}`, call.span, hasFailed(call));
    }
  }
  const statsOf = (calls: { span: SampleSpan; isFailure: boolean }[]): CallStats => {
    const sorted = calls.map(({ span }) => span.durationUs / 1000).sort((a, b) => a - b);
    return {
      callCount: calls.length,
      errorCount: calls.filter(({ isFailure }) => isFailure).length,
      p50Ms: sorted[Math.ceil(sorted.length * 0.5) - 1] ?? 0,
      p95Ms: sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0,
    };
  };
  const byKey = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1);
  const pairsOf = (pairs: Calls): Dependency[] =>
    [...pairs].sort(byKey).map(([key, calls]) => {
      const [parent, child] = key.split(" ");
      return { parent: parent!, child: child!, ...statsOf(calls) };
    });
  const backings = [...asked].sort(byKey);
  return {
    fromMs,
    toMs,
    services: [...services].sort(byKey).map(([name, calls]) => ({ name, ...statsOf(calls) })),
    dependencies: pairsOf(dependencies),
    backings: backings.map(([key, calls]) => {
      const [kind, system, name] = JSON.parse(key) as [Backing["kind"], string, string];
      return { kind, system, name, host: "", ...statsOf(calls) };
    }),
    backingCalls: [...backingCalls].sort(byKey).map(([key, calls]) => {
      const [backing, isTaking, service] = JSON.parse(key) as [string, boolean, string];
      const { tags } = targetOf(calls[0]!.span)!;
      return { service, backing: backings.findIndex(([name]) => name === backing), isTaking, tags, ...statsOf(calls) };
    }),
    links: pairsOf(links),
    backingCount: backings.length,
    serviceCount: services.size,
    spanCount: spans.length,
    cutAtMs: null,
  };
}

function durationMs(trace: SampleTrace): number {
  return trace.spans.reduce((most, { startUs, durationUs }) => Math.max(most, startUs + durationUs), 0) / 1000;
}

export function columnsOf(trace: SampleTrace): TraceColumns {
  const services: string[] = [];
  const operations: string[] = [];
  const rows = new Map(trace.spans.map(({ spanId }, row) => [spanId, row]));
  const numberOf = (names: string[], known: Map<string, number>, name: string): number => {
    let number = known.get(name);
    if (number === undefined) {
      number = names.push(name) - 1;
      known.set(name, number);
    }
    return number;
  };
  const knownServices = new Map<string, number>();
  const knownOperations = new Map<string, number>();
  return {
    traceId: trace.traceId,
    startMs: trace.startMs,
    durationMs: durationMs(trace),
    services,
    operations,
    spans: {
      spanId: trace.spans.map(({ spanId }) => spanId),
      parent: trace.spans.map(({ parentSpanId }) => (parentSpanId === "" ? -1 : (rows.get(parentSpanId) ?? -2))),
      service: trace.spans.map(({ service }) => numberOf(services, knownServices, service)),
      operation: trace.spans.map(({ operation }) => numberOf(operations, knownOperations, operation)),
      startUs: trace.spans.map(({ startUs }) => startUs),
      durationUs: trace.spans.map(({ durationUs }) => durationUs),
      kind: trace.spans.map(({ kind }) => kind),
      error: trace.spans.map(({ error }) => (error === undefined ? 0 : 1)),
    },
  };
}

export function detailsOf(trace: SampleTrace, spanId: string): SpanDetails | undefined {
  const span = trace.spans.find((candidate) => candidate.spanId === spanId);
  if (span === undefined) return undefined;
  return {
    spanId,
    parentSpanId: span.parentSpanId,
    service: span.service,
    operation: span.operation,
    kind: span.kind,
    startMs: trace.startMs + span.startUs / 1000,
    durationMs: span.durationUs / 1000,
    status: { code: span.error === undefined ? 0 : 2, message: span.error ?? "" },
    attributes: span.attributes ?? [],
    events: span.events ?? [],
    links: span.links ?? [],
    resource: [
      { key: "service.name", value: span.service },
      { key: "service.version", value: "0.1.0" },
      { key: "service.instance.id", value: "0b6c1d70-52d1-4f0e-9f2f-7d1f8f3a2b11" },
      { key: "host.name", value: "theseus" },
      { key: "process.pid", value: 4711 },
      { key: "telemetry.sdk.language", value: "nodejs" },
    ],
    scope: { name: "@clew/middleware", version: "0.1.0" },
  };
}
