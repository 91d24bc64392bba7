import type { Call, Method } from "@clew/rpc";

/**
 * What is decided once for each method and kept: at the first call of an operation `decide` is asked, from then on it is one
 * look-up (10 ns). There are as many entries as the served and called contracts have methods.
 */
export function perMethod<T>(decide: (method: Method) => T): (call: Call) => T {
  const decided = new Map<string, { readonly value: T }>();
  return ({ method }) => {
    let entry = decided.get(method.operation);
    if (entry === undefined) {
      entry = { value: decide(method) };
      decided.set(method.operation, entry);
    }
    return entry.value;
  };
}
