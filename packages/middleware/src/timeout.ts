import { checkOptions, numberAbove, type OptionChecks, recordOf } from "@clew/options";
import { deadlineIn, type Middleware } from "@clew/rpc";
import { optionError } from "./errors.ts";
import { perMethod } from "./per-method.ts";

export interface TimeoutOptions {
  /** How long a unary call may take, in milliseconds. Streams have no default. Default: no limit of its own. */
  timeoutMs?: number;
  /**
   * How long the calls of an operation may take, in milliseconds, by its name: `/package.Service/Method`. Streams as well.
   * Default: none.
   */
  operations?: Readonly<Record<string, number>>;
}

/**
 * Brings a call's deadline forward; one that is nearer already stays. When it passes, the call fails with 504
 * GATEWAY_TIMEOUT whatever the handler waits for, its signal aborts, and the calls made while serving it end too. They
 * inherit the deadline from the start, so the other end knows it.
 *
 * @throws CLEW_MIDDLEWARE_OPTION
 */
export function timeout(options: TimeoutOptions): Middleware {
  const { timeoutMs, operations } = resolveTimeoutOptions(options);
  const timeoutOf = perMethod(
    ({ operation, kind }) => operations.get(operation) ?? (kind === "unary" ? timeoutMs : undefined),
  );
  return (next) => (call) => {
    const limitMs = timeoutOf(call);
    if (limitMs === undefined) return next(call);
    call.limit(deadlineIn(limitMs));
    return call.orCancelled(next(call));
  };
}

const optionChecks: OptionChecks<TimeoutOptions> = {
  timeoutMs: numberAbove(0),
  operations: recordOf('milliseconds by operation, such as { "/shop.v1.Orders/Get": 500 }', numberAbove(0)),
};

function resolveTimeoutOptions(options: TimeoutOptions): {
  timeoutMs: number | undefined;
  operations: ReadonlyMap<string, number>;
} {
  checkOptions("timeout", options, optionChecks, optionError);
  const { timeoutMs, operations = {} } = options;
  return { timeoutMs, operations: new Map(Object.entries(operations)) };
}
