// Fields, in bodies and in queries.
import { assertReply, type Case, callRules, type Pair } from "./pair.ts";

const longText = 'a b&c=d+e/ü\u{1f600}"\\\n';

const fieldSamples: Record<string, object> = {
  "nothing set": {},
  bool: { boolValue: true },
  "32 bits": { int32Value: -2147483648, uint32Value: 4294967295, fixed32Value: 4294967295 },
  "64 bits": {
    int64Value: "-9223372036854775808",
    uint64Value: "18446744073709551615",
    sint64Value: "-9007199254740993",
    sfixed64Value: "9223372036854775807",
  },
  "float and double": { floatValue: 1.5, doubleValue: 1e-7 },
  infinity: { doubleValue: "-Infinity", floatValue: "Infinity" },
  "not a number": { doubleValue: "NaN" },
  string: { stringValue: longText },
  bytes: { bytesValue: "AAECAw==" },
  "bytes that need - and _": { bytesValue: "+/+/-w==".replace("-", "+") },
  enum: { kind: "KIND_LARGE" },
  "an enum value that nobody knows": { kind: 77 },
  "optional with its zero": { optionalValue: 0 },
  lists: { int64List: ["1", "-2", "3"], stringList: ["a", "", longText], kindList: ["KIND_SMALL", "KIND_LARGE"] },
  "a map of text": { textMap: { a: "1", "b c": "ü" } },
  "a map of messages": { childMap: { "-1": { name: "x" }, "2": { name: "y", size: 4 } } },
  message: { child: { name: "x", size: -1, child: { name: "y" } } },
  "list of messages": { childList: [{ name: "x" }, {}] },
  "oneof text": { choiceText: "x" },
  "oneof with its zero": { choiceNumber: "0" },
  "oneof message": { choiceChild: { name: "x" } },
  timestamp: { time: "2024-02-29T23:59:59Z" },
  "timestamp with nanoseconds": { time: "2024-02-29T23:59:59.123456789Z" },
  "timestamp before 1970": { time: "1969-12-31T23:59:59.500Z" },
  duration: { duration: "3.500s" },
  "negative duration": { duration: "-90.000000001s" },
  "field mask": { mask: "intValue,child.name" },
  struct: { structValue: { a: 1, b: [true, null, "x"], c: { d: 0.5 } } },
  value: { box: { value: "text" } },
  "value null": { box: { value: null } },
  wrappers: { stringWrapper: "x", int64Wrapper: "9007199254740993", boolWrapper: true, doubleWrapper: 0.1 },
  "wrappers of zeros": { stringWrapper: "", int64Wrapper: "0", boolWrapper: false, doubleWrapper: 0 },
  "wrapper of bytes": { bytesWrapper: "AAECAw==" },
};

/** What has no form in a query: maps of messages and lists of them. */
const bodyOnly = new Set(["a map of messages", "list of messages"]);

export const fieldCases: Case[] = Object.entries(fieldSamples).flatMap(([name, request]): Case[] => {
  const run =
    (method: string, options: object) =>
    async (pair: Pair): Promise<void> =>
      assertReply(await callRules(pair, method, request, options), request);
  return [
    { name: `body: ${name}`, run: run("EchoBody", {}) },
    { name: `binary body: ${name}`, protocol: "http", run: run("EchoBody", { codec: "proto" }) },
    ...(bodyOnly.has(name) ? [] : [{ name: `query: ${name}`, protocol: "http" as const, run: run("EchoQuery", {}) }]),
  ];
});
