import { SpanKind } from "@opentelemetry/api";
import type { AttributeValue } from "../attributes.ts";
import { type Classification, cacheOperation } from "./components.ts";
import { SpanLayer } from "./segment-data.ts";
import { cut } from "./text-limits.ts";

/** By the names of attributes, new and old: the tag that SkyWalking's collector and its users know. */
const names: Readonly<Record<string, string>> = {
  "http.request.method": "http.method",
  "http.response.status_code": "http.status_code",
  "url.full": "url",
  "http.url": "url",
  "rpc.response.status_code": "rpc.status_code",
  "rpc.grpc.status_code": "rpc.status_code",
  "db.namespace": "db.instance",
  "db.name": "db.instance",
  "db.query.text": "db.statement",
  "messaging.message.id": "mq.msg.id",
};

/** Said otherwise, or of use to us only. */
const hidden: ReadonlySet<string> = new Set([
  "sw.component_id",
  "db.system.name",
  "db.system",
  "messaging.destination.name",
  "messaging.destination",
]);

/** Longer statements are cut, as by Java's agent. */
const maxStatementLength = 2048;

/** An attribute's value as a text. */
export function textOf(value: AttributeValue | undefined): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (typeof value !== "object") return String(value);
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? String(inner) : inner)) ?? "";
}

export interface TagsInit {
  readonly attributes: ReadonlyMap<string, AttributeValue>;
  readonly read: (name: string) => string;
  readonly kind: SpanKind;
  readonly classification: Classification;
  readonly peer: string;
}

/** A span's attributes as tags: those that the collector evaluates under its names, the others under their own. Each key once. */
export function toTags({ attributes, read, kind, classification, peer }: TagsInit): string[] {
  const tags = new Map<string, string>();
  const { layer, type } = classification;
  if (layer === SpanLayer.DATABASE) tags.set("db.type", type);
  if (layer === SpanLayer.MQ) putQueue(tags, read, peer);
  const url = layer === SpanLayer.HTTP && kind === SpanKind.SERVER ? serverUrl(read) : "";
  if (url !== "") tags.set("url", url);
  for (const [key, value] of attributes) {
    if (hidden.has(key)) continue;
    const name = Object.hasOwn(names, key) ? names[key]! : key;
    if (!tags.has(name)) tags.set(name, textOf(value));
  }
  const statement = tags.get("db.statement");
  if (statement !== undefined) tags.set("db.statement", cut(statement, maxStatementLength));
  if (layer === SpanLayer.CACHE) putCache(tags, read, type);
  const flat: string[] = [];
  for (const [key, value] of tags) flat.push(key, value);
  return flat;
}

function putQueue(tags: Map<string, string>, read: (name: string) => string, peer: string): void {
  if (peer !== "") tags.set("mq.broker", peer);
  const destination = read("messaging.destination.name") || read("messaging.destination");
  if (destination === "") return;
  const isQueue = /rabbitmq|sqs|activemq/.test(read("messaging.system"));
  tags.set(isQueue ? "mq.queue" : "mq.topic", destination);
}

function putCache(tags: Map<string, string>, read: (name: string) => string, type: string): void {
  const [first = "", second = ""] = (tags.get("db.statement") ?? "").trim().split(/\s+/, 2);
  const command = read("db.operation.name") || read("db.operation") || first;
  tags.set("cache.type", type);
  if (command !== "") tags.set("cache.cmd", command);
  const operation = cacheOperation(command);
  if (operation !== "") tags.set("cache.op", operation);
  if (second !== "" && second !== "?") tags.set("cache.key", cut(second, maxStatementLength));
}

function serverUrl(read: (name: string) => string): string {
  const target = read("http.target") || read("url.path") + (read("url.query") === "" ? "" : `?${read("url.query")}`);
  const given = read("url.full") || read("http.url");
  if (given !== "" || target === "") return given;
  const scheme = read("url.scheme") || read("http.scheme");
  const port = read("server.port");
  const host = read("http.host") || read("server.address") + (port === "" ? "" : `:${port}`);
  return host === "" || scheme === "" ? target : `${scheme}://${host}${target}`;
}
