import { parseDuration } from "./duration.ts";
import { Kind, type SpanTree } from "./span-tree.ts";

const kinds: Readonly<Record<string, number>> = {
  internal: Kind.Internal,
  server: Kind.Server,
  client: Kind.Client,
  producer: Kind.Producer,
  consumer: Kind.Consumer,
};

/**
 * Marks the spans that a query inside a trace finds. Its terms, all of which must hold: `error`, `kind:client`,
 * `service:user`, `>10ms`, `<1s`, `-term` for none of it; any other word is looked for in service and operation, whatever
 * its case. An empty query marks nothing.
 */
export function findSpans(tree: SpanTree, query: string): { marked: Uint8Array; count: number } {
  const marked = new Uint8Array(tree.size);
  const terms = query.trim().split(/\s+/).filter(Boolean);
  if (terms.length === 0) return { marked, count: 0 };
  const tests = terms.map((term) =>
    term.length > 1 && term.startsWith("-") ? not(compileTerm(tree, term.slice(1))) : compileTerm(tree, term),
  );
  let count = 0;
  for (let node = 0; node < tree.columns.spans.spanId.length; node++) {
    if (!tests.every((holds) => holds(node))) continue;
    marked[node] = 1;
    count++;
  }
  return { marked, count };
}

type Test = (node: number) => boolean;

function not(test: Test): Test {
  return (node) => !test(node);
}

/** Names are compared once per name, not once per span. */
function compileTerm(tree: SpanTree, term: string): Test {
  const { spans, services, operations } = tree.columns;
  const lower = term.toLowerCase();
  if (lower === "error" || lower === "errors") return (node) => spans.error[node] === 1;

  const bound = /^(?:duration)?([<>])=?(.+)$/.exec(lower);
  const us = bound === null ? undefined : parseDuration(bound[2]!);
  if (us !== undefined)
    return bound![1] === ">" ? (node) => tree.durationUs[node]! >= us : (node) => tree.durationUs[node]! <= us;

  const [field, ...rest] = lower.split(":");
  const value = rest.join(":");
  if (field === "kind" && kinds[value] !== undefined) return (node) => spans.kind[node] === kinds[value];
  const isIn = (names: string[], text: string) => names.map((name) => name.toLowerCase().includes(text));
  if (field === "service" && value !== "") {
    const matches = isIn(services, value);
    return (node) => matches[spans.service[node]!]!;
  }
  if (field === "operation" && value !== "") {
    const matches = isIn(operations, value);
    return (node) => matches[spans.operation[node]!]!;
  }
  const inService = isIn(services, lower);
  const inOperation = isIn(operations, lower);
  return (node) =>
    inService[spans.service[node]!]! || inOperation[spans.operation[node]!]! || spans.spanId[node] === lower;
}
