import { routeConflict } from "../errors.ts";
import { decodeSegment, type Template } from "./template.ts";

/** What a path led to. */
export interface Match<T> {
  readonly target: T;
  readonly template: Template;
  /** The captured segments as they are in the path, still percent-encoded, in order. */
  readonly captures: readonly string[];
}

interface Route<T> {
  readonly target: T;
  readonly template: Template;
  readonly owner: string;
}

/** What ends at one place of the tree: a route for each verb. */
type Leaf<T> = Map<string, Route<T>>;

/** What ends with a captured segment, by the `:suffix` of the path; "" for none. */
type Leaves<T> = Map<string, Leaf<T>>;

interface Node<T> {
  readonly literals: Map<string, Node<T>>;
  /** The only one of the literals: most nodes have one, and comparing with it costs less than cutting the path and hashing. */
  only: { readonly text: string; readonly child: Node<T> } | undefined;
  one: Node<T> | undefined;
  /** Routes that end here. */
  leaf: Leaf<T> | undefined;
  /** Routes that end in a `*` below this node, by suffix; the tree's `one` holds those that go on. */
  readonly oneLeaves: Leaves<T>;
  /** Routes that end in a `**` below this node, by suffix. */
  readonly restLeaves: Leaves<T>;
}

/** A verb that stands for every verb. */
export const anyVerb = "*";

const noCaptures: readonly string[] = [];

/**
 * Finds the route for a verb and a path in a tree of segments. The most specific route wins: from left to right a literal goes
 * before `*`, `*` with a suffix before one without, and `*` before `**`; a verb goes before any verb. A path without captures
 * is found by one look into a map.
 */
export class Router<T> {
  readonly #root: Node<T> = createNode();
  readonly #literal: Map<string, Leaf<T>> = new Map();
  /** How long these are: a path of another length need not be hashed. */
  readonly #literalLengths: Set<number> = new Set();

  /**
   * @param owner who wants the route, for the message
   * @throws CLEW_TRANSPORT_ROUTE_CONFLICT when another route matches the same verb and the same paths.
   */
  add(verb: string, template: Template, target: T, owner: string): void {
    const leaf = this.#leafFor(template);
    const other = leaf.get(verb);
    if (other !== undefined) throw routeConflict(verb, template.text, owner, other.owner);
    leaf.set(verb, { target, template, owner });
  }

  /** The route for a verb and a path (without its query); undefined when there is none. HEAD falls back to GET. */
  find(verb: string, path: string): Match<T> | undefined {
    const leaf = this.#literalLengths.has(path.length) ? this.#literal.get(path) : undefined;
    if (leaf !== undefined) {
      const route = pick(leaf, verb);
      if (route !== undefined) return { target: route.target, template: route.template, captures: noCaptures };
    }
    if (!path.startsWith("/")) return undefined;
    return walk(this.#root, path, path.length > 1 ? 1 : -1, verb);
  }

  /** The verbs a path can be asked with, sorted; empty when no route knows the path. */
  allowed(path: string): string[] {
    if (!path.startsWith("/")) return [];
    const verbs = new Set<string>();
    walk(this.#root, path, path.length > 1 ? 1 : -1, verbs);
    if (verbs.has("GET")) verbs.add("HEAD");
    return [...verbs].sort();
  }

  #leafFor(template: Template): Leaf<T> {
    let node = this.#root;
    const last = template.segments.length - 1;
    for (const [index, segment] of template.segments.entries()) {
      if (segment.kind === "rest") return getOrMake(node.restLeaves, template.suffix, createLeaf<T>);
      if (segment.kind === "one") {
        if (index === last) return getOrMake(node.oneLeaves, template.suffix, createLeaf<T>);
        node.one ??= createNode();
        node = node.one;
      } else node = childFor(node, segment.text);
    }
    node.leaf ??= new Map();
    if (template.segments.every((segment) => segment.kind === "literal")) {
      this.#literal.set(template.text, node.leaf);
      this.#literalLengths.add(template.text.length);
    }
    return node.leaf;
  }
}

/** A match while its captures are gathered. */
interface Found<T> extends Match<T> {
  readonly captures: string[];
}

/**
 * Finds the most specific route that matches the path from `at` on. Every node is reached by one way only, so the work is bounded
 * by the tree, whatever the path.
 *
 * @param at where the next segment begins; -1 when the path is at its end
 * @param wanted a verb; or a set that takes the verbs of all routes that match, and nothing is found
 */
function walk<T>(node: Node<T>, path: string, at: number, wanted: string | Set<string>): Found<T> | undefined {
  if (at === -1) return matchLeaf(node.leaf, undefined, wanted) ?? matchRest(node.restLeaves, "", wanted);
  const slash = path.indexOf("/", at);
  const end = slash === -1 ? path.length : slash;
  const next = slash === -1 ? -1 : slash + 1;

  if (node.literals.size > 0) {
    const child = findLiteral(node, path, at, end);
    const found = child && walk(child, path, next, wanted);
    if (found !== undefined) return found;
  }
  const segment = path.slice(at, end);
  // A captured segment is never empty: /a/ is not /a/{id}.
  if (segment !== "") {
    if (next === -1) {
      const found = matchRest(node.oneLeaves, segment, wanted);
      if (found !== undefined) return found;
    } else if (node.one !== undefined) {
      const found = walk(node.one, path, next, wanted);
      if (found !== undefined) {
        found.captures.unshift(segment);
        return found;
      }
    }
  }
  return node.restLeaves.size === 0 ? undefined : matchRest(node.restLeaves, path.slice(at), wanted);
}

function findLiteral<T>({ only, literals }: Node<T>, path: string, at: number, end: number): Node<T> | undefined {
  if (only !== undefined && only.text.length === end - at && path.startsWith(only.text, at)) return only.child;
  const segment = path.slice(at, end);
  return literals.get(segment.includes("%") ? (decodeSegment(segment) ?? segment) : segment);
}

/** Finds the route that captures all of `text`; one with a suffix comes first. */
function matchRest<T>(leaves: Leaves<T>, text: string, wanted: string | Set<string>): Found<T> | undefined {
  if (leaves.size === 0) return undefined;
  const colon = leaves.size > 1 || !leaves.has("") ? text.lastIndexOf(":") : -1;
  if (colon > 0 && colon > text.lastIndexOf("/") + 1) {
    const found = matchLeaf(leaves.get(text.slice(colon + 1)), text.slice(0, colon), wanted);
    if (found !== undefined) return found;
  }
  return matchLeaf(leaves.get(""), text, wanted);
}

function matchLeaf<T>(
  leaf: Leaf<T> | undefined,
  capture: string | undefined,
  wanted: string | Set<string>,
): Found<T> | undefined {
  if (leaf === undefined) return undefined;
  if (typeof wanted !== "string") {
    for (const verb of leaf.keys()) wanted.add(verb);
    return undefined;
  }
  const route = pick(leaf, wanted);
  return route && { target: route.target, template: route.template, captures: capture === undefined ? [] : [capture] };
}

function pick<T>(leaf: Leaf<T>, verb: string): Route<T> | undefined {
  return leaf.get(verb) ?? (verb === "HEAD" ? leaf.get("GET") : undefined) ?? leaf.get(anyVerb);
}

function createNode<T>(): Node<T> {
  return {
    literals: new Map(),
    only: undefined,
    one: undefined,
    leaf: undefined,
    oneLeaves: new Map(),
    restLeaves: new Map(),
  };
}

function childFor<T>(node: Node<T>, text: string): Node<T> {
  const child = getOrMake(node.literals, text, createNode<T>);
  node.only = node.literals.size === 1 ? { text, child } : undefined;
  return child;
}

function createLeaf<T>(): Leaf<T> {
  return new Map();
}

function getOrMake<V>(map: Map<string, V>, key: string, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
