export { BalancedClient, type BalancedClientOptions, type BalancingOptions } from "./balanced-client.ts";
export { type ConsistentHashOptions, consistentHash } from "./balancer/consistent-hash.ts";
export { type LeastRequestOptions, leastRequest } from "./balancer/least-request.ts";
export { type P2cOptions, p2c } from "./balancer/p2c.ts";
export { type RandomOptions, random } from "./balancer/random.ts";
export { type WrrOptions, wrr } from "./balancer/wrr.ts";
export type { Discovery } from "./discovery.ts";
export { FailingRegistry, type RegistryOperation } from "./failing-registry.ts";
export { FileRegistry, type FileRegistryOptions } from "./file-registry.ts";
export { createInstance, type Instance, type InstanceInit, parseInstance } from "./instance.ts";
export { MemoryRegistry } from "./memory-registry.ts";
export type { Node } from "./node.ts";
export { byLabels, byVersion, type NodeFilter, preferZone, type ZoneOptions } from "./node-filter.ts";
export type { OutlierEjectionOptions } from "./outlier-ejection.ts";
export type { Registrar } from "./registrar.ts";

// For library authors.

export { balancingChecks } from "./balanced-client.ts";
export type { Balancer, Choice } from "./balancer/balancer.ts";
export type { Lookup } from "./dns-watch.ts";
export { areSameInstances, formatInstance } from "./instance.ts";
export { type Feed, ListWatch } from "./list-watch.ts";
export { createNode } from "./node.ts";
export { isNodeFailure, type Outcome } from "./outcome.ts";
export { Resolver, type ResolverOptions } from "./resolver.ts";
export { type PickedNode, Selector, type SelectorOptions } from "./selector.ts";
export type { Sleep } from "./sleep.ts";
export { pickSubset } from "./subset.ts";
export { isResolvable, parseTarget, type Scheme, type Target } from "./target.ts";
