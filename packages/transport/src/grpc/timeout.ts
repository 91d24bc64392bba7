// A timer cannot wait longer (2^31 - 1 ms, 24.8 days); what is due later is as good as never due.
const longestMs = 2 ** 31 - 1;

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000001 };

/** The milliseconds of a `grpc-timeout` header, at most 24.8 days; undefined when it is none. */
export function parseTimeout(text: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  if (match === null) return undefined;
  return Math.min(Number(match[1]) * unitMs[match[2]!]!, longestMs);
}

/** A duration as a `grpc-timeout` header of at most eight digits, rounded up. */
export function formatTimeout(timeoutMs: number): string {
  if (timeoutMs <= 0) return "0m";
  if (timeoutMs < 1000) return `${Math.ceil(timeoutMs * 1000)}u`;
  if (timeoutMs < 100_000_000) return `${Math.ceil(timeoutMs)}m`;
  return `${Math.min(Math.ceil(timeoutMs / 1000), 99_999_999)}S`;
}
