import type { Call, Method } from "@clew/rpc";

/**
 * What is decided once for each method and kept: at the first call of an operation `decide` is asked, from then on it is one
 * look-up (10 ns) at most. There are as many entries as the served and called contracts have methods.
 */
export function perMethod<T>(decide: (method: Method) => T): (call: Call) => T {
  const decided = new Map<string, { readonly value: T }>();
  // The method of the last call is most often that of the next.
  let lastMethod: Method | undefined;
  let lastValue: T | undefined;
  return ({ method }) => {
    if (method === lastMethod) return lastValue as T;
    let entry = decided.get(method.operation);
    if (entry === undefined) {
      entry = { value: decide(method) };
      decided.set(method.operation, entry);
    }
    lastMethod = method;
    lastValue = entry.value;
    return entry.value;
  };
}
