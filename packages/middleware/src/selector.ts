import { chain, type Handler, type Method, type Middleware, nameOperations } from "@clew/rpc";
import { selectorEmpty, selectorInvalid } from "./errors.ts";
import { perMethod } from "./per-method.ts";

type Condition = (operation: string, method: Method) => boolean;

/** A middleware for some operations. Each of its functions returns a new selector with an additional condition. */
export interface Selector extends Middleware {
  /** Selects operations that begin with one of these: `/admin.`, `/shop.v1.Orders/`. */
  prefix(...prefixes: string[]): Selector;
  /** Selects operations that one of these expressions matches completely. */
  regex(...expressions: (string | RegExp)[]): Selector;
  /** Selects these operations. A server reports those that do not exist. */
  path(...operations: string[]): Selector;
  /** Selects operations for which `condition` returns true. It is called once for each operation. */
  match(condition: (operation: string, method: Method) => boolean): Selector;
}

/**
 * Runs `middleware` for the operations that at least one of its conditions selects, and skips it for all others:
 *
 *     selector(jwt({ key })).prefix("/shop.v1.").match((operation) => !open.has(operation))
 *
 * The decision is made once for each operation. A selector may contain another selector, which then selects among the
 * operations of the outer one.
 *
 * @throws CLEW_MIDDLEWARE_SELECTOR at once for an invalid condition; at registration when there is no condition
 */
export function selector(...middleware: Middleware[]): Selector {
  return createSelector(chain(...middleware), [], []);
}

function createSelector(
  middleware: Middleware,
  conditions: readonly Condition[],
  operations: readonly string[],
): Selector {
  const isSelected = perMethod((method) => conditions.some((condition) => condition(method.operation, method)));
  const select = (next: Handler): Handler => {
    if (conditions.length === 0) throw selectorEmpty();
    const selected = middleware(next);
    return (call) => (isSelected(call) ? selected(call) : next(call));
  };
  nameOperations(select, operations, [middleware]);
  const or = (condition: Condition, named: readonly string[] = []): Selector =>
    createSelector(middleware, [...conditions, condition], [...operations, ...named]);
  return Object.assign(select, {
    prefix: (...prefixes: string[]) => {
      checkAll("prefix", prefixes, isText, 'strings, such as "/shop.v1."');
      return or((operation) => prefixes.some((prefix) => operation.startsWith(prefix)));
    },
    regex: (...expressions: (string | RegExp)[]) => {
      checkAll("regex", expressions, isExpression, "regular expressions, such as /.*\\/Get.*/");
      const whole = expressions.map(matchWhole);
      return or((operation) => whole.some((expression) => expression.test(operation)));
    },
    path: (...wanted: string[]) => {
      checkAll("path", wanted, isText, 'operation names, such as "/shop.v1.Orders/Get"');
      return or((operation) => wanted.includes(operation), wanted);
    },
    match: (condition: Condition) => {
      checkAll("match", [condition], (given) => typeof given === "function", "a function of the operation");
      return or(condition);
    },
  });
}

function checkAll(name: string, all: readonly unknown[], fits: (given: unknown) => boolean, works: string): void {
  for (const given of all) if (!fits(given)) throw selectorInvalid(name, given, works);
}

function isText(given: unknown): boolean {
  return typeof given === "string";
}

function isExpression(given: unknown): boolean {
  try {
    return given instanceof RegExp || (typeof given === "string" && new RegExp(given) !== undefined);
  } catch {
    return false;
  }
}

function matchWhole(expression: string | RegExp): RegExp {
  const { source, flags } = new RegExp(expression);
  // With the flags g and y, an expression remembers its last position.
  return new RegExp(`^(?:${source})$`, flags.replace(/[gy]/g, ""));
}
