import { SpanKind } from "@opentelemetry/api";
import { SpanLayer } from "./segment-data.ts";

// Numbers of SkyWalking's component-libraries.yml. A collector shows one it does not know as "Unknown".

/** What serves and calls HTTP, where nothing more is known. */
const httpServerComponent = 49;
const httpClientComponent = 2;

/** By the library that made the span, where it is one of these. */
const byScope: Readonly<Record<string, number>> = {
  "@opentelemetry/instrumentation-express": 4002,
  "@opentelemetry/instrumentation-koa": 4004,
  "@opentelemetry/instrumentation-mongoose": 4006,
  "@opentelemetry/instrumentation-graphql": 92,
  "@opentelemetry/instrumentation-socket.io": 76,
  "@opentelemetry/instrumentation-dns": 159,
  "@opentelemetry/instrumentation-net": 110,
};

/** By `db.system.name`, and by what it was called before; how OAP calls the type of the database; whether it is a cache. */
const databases: Readonly<Record<string, readonly [componentId: number, type: string, isCache?: true]>> = {
  mysql: [5, "Mysql"],
  mariadb: [86, "Mariadb"],
  postgresql: [22, "PostgreSQL"],
  mongodb: [9, "MongoDB"],
  redis: [7, "Redis", true],
  valkey: [7, "Redis", true],
  memcached: [20, "Memcached", true],
  elasticsearch: [47, "Elasticsearch"],
  opensearch: [47, "Elasticsearch"],
  sqlite: [31, "SQLite"],
  cassandra: [70, "Cassandra"],
  "microsoft.sql_server": [104, "SqlServer"],
  mssql: [104, "SqlServer"],
  "oracle.db": [6, "Oracle"],
  oracle: [6, "Oracle"],
  clickhouse: [120, "ClickHouse"],
  h2database: [4, "H2"],
  h2: [4, "H2"],
  "aws.dynamodb": [138, "DynamoDB"],
  dynamodb: [138, "DynamoDB"],
  neo4j: [112, "Neo4j"],
  influxdb: [89, "InfluxDB"],
  hbase: [94, "HBase"],
  solr: [64, "Solr"],
};

/** By `messaging.system`: who produces, who consumes. */
const brokers: Readonly<Record<string, readonly [producer: number, consumer: number]>> = {
  kafka: [40, 41],
  rabbitmq: [52, 53],
  activemq: [45, 46],
  rocketmq: [38, 39],
  pulsar: [73, 74],
  nats: [132, 132],
  aws_sqs: [140, 140],
  "aws.sqs": [140, 140],
  "aws.sns": [139, 139],
};

/** By `rpc.system.name`, and by what it was called before. */
const rpcs: Readonly<Record<string, number>> = {
  grpc: 23,
  dubbo: 3,
  apache_dubbo: 3,
  jsonrpc: 107,
  thrift: 101,
};
const anyRpc = 50;

/** What a span has to do with, for SkyWalking. */
export interface Classification {
  readonly layer: SpanLayer;
  readonly componentId: number;
  /** The type of the database or cache as OAP calls it; empty where it is none. */
  readonly type: string;
}

/** By OpenTelemetry's semantic conventions, old and new. */
export function classify(read: (name: string) => string, kind: SpanKind, scope: string): Classification {
  const isEntry = kind === SpanKind.SERVER || kind === SpanKind.CONSUMER;
  const given = /^\d{1,6}$/.test(read("sw.component_id")) ? Number(read("sw.component_id")) : undefined;
  const component = (own: number): number => given ?? (Object.hasOwn(byScope, scope) ? byScope[scope]! : own);
  const of = (layer: SpanLayer, own: number, type = ""): Classification => ({
    layer,
    componentId: component(own),
    type,
  });
  if (kind === SpanKind.INTERNAL) return of(SpanLayer.UNKNOWN, 0);

  const database = read("db.system.name") || read("db.system");
  if (database !== "") {
    const known = Object.hasOwn(databases, database) ? databases[database] : undefined;
    const [componentId, type, isCache] = known ?? [0, database];
    return of(isCache ? SpanLayer.CACHE : SpanLayer.DATABASE, componentId, type);
  }
  const broker = read("messaging.system");
  if (broker !== "") {
    const known = Object.hasOwn(brokers, broker) ? brokers[broker]! : [0, 0];
    return of(SpanLayer.MQ, known[isEntry ? 1 : 0]!);
  }
  if (read("gen_ai.provider.name") !== "" || read("gen_ai.system") !== "") return of(SpanLayer.GEN_AI, 0);
  if (isEntry && read("faas.trigger") !== "") {
    const cloud = read("cloud.provider");
    return of(SpanLayer.FAAS, cloud === "aws" ? 124 : cloud === "azure" ? 111 : 5013);
  }
  const rpc = read("rpc.system.name") || read("rpc.system");
  // Calls of ours over HTTP say so here; for SkyWalking they are HTTP.
  if (rpc !== "" && rpc !== "http") {
    return of(SpanLayer.RPC_FRAMEWORK, Object.hasOwn(rpcs, rpc) ? rpcs[rpc]! : anyRpc);
  }
  if (rpc === "http" || read("http.request.method") !== "" || read("http.method") !== "") {
    return of(SpanLayer.HTTP, isEntry ? httpServerComponent : httpClientComponent);
  }
  return of(SpanLayer.UNKNOWN, 0);
}

// Commands that only read, of Redis and Memcached; the others count as writing when they are known to be commands of data.
const readCommands: ReadonlySet<string> = new Set(
  (
    "get getrange getbit bitcount bitpos mget strlen exists ttl pttl type keys scan hget hgetall hkeys hvals hlen hexists hmget " +
    "hscan hstrlen lindex llen lrange smembers sismember scard srandmember sdiff sinter sunion sscan zrange zrangebyscore " +
    "zrevrange zcard zscore zrank zrevrank zcount zscan zlexcount geopos geodist geosearch xrange xrevrange xlen xread pfcount gets"
  ).split(" "),
);
const writeCommands: ReadonlySet<string> = new Set(
  (
    "set setex psetex setnx setrange setbit mset msetnx append incr incrby incrbyfloat decr decrby getset getdel getex del unlink " +
    "expire expireat pexpire pexpireat persist rename renamenx hset hsetnx hmset hdel hincrby hincrbyfloat lpush rpush lpushx " +
    "rpushx lpop rpop lset lrem ltrim linsert blpop brpop lmove sadd srem spop smove sdiffstore sinterstore sunionstore zadd " +
    "zrem zincrby zpopmin zpopmax zremrangebyrank zremrangebyscore zunionstore zinterstore geoadd xadd xdel xtrim pfadd pfmerge " +
    "add replace cas prepend delete touch flushall flushdb"
  ).split(" "),
);

/** Whether a cache's command reads or writes; empty where it does neither. */
export function cacheOperation(command: string): "read" | "write" | "" {
  const name = command.toLowerCase();
  if (readCommands.has(name)) return "read";
  return writeCommands.has(name) ? "write" : "";
}
