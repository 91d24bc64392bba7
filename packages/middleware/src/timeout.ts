import { checkOptions, numberAbove, type OptionChecks, recordOf } from "@clew/options";
import { deadlineIn, type Middleware } from "@clew/rpc";
import { optionError } from "./errors.ts";
import { perMethod } from "./per-method.ts";

export interface TimeoutOptions {
  /** How long a unary call may take, in milliseconds. Default: no limit. It does not apply to streams. */
  timeoutMs?: number;
  /**
   * How long the calls of an operation may take, in milliseconds, by the operation's name: `/package.Service/Method`. It
   * applies to streams too. Default: none.
   */
  operations?: Readonly<Record<string, number>>;
}

/**
 * Moves a call's deadline forward; an earlier deadline is kept. When the deadline passes, the call fails with 504
 * GATEWAY_TIMEOUT even if the handler still waits, its signal aborts, and the calls made while serving it end too.
 * Those calls inherit the deadline from the start, so the servers that they call know it.
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
