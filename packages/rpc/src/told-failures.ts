const told = new WeakSet<object>();

/**
 * Marks an error as written to a log, when its caller will not see it: code further out need not log it again. A value that is not
 * an object cannot be marked.
 */
export function markTold(thrown: unknown): void {
  if (typeof thrown === "object" && thrown !== null) told.add(thrown);
}

/** Whether the error was written to a log already. */
export function wasTold(thrown: unknown): boolean {
  return typeof thrown === "object" && thrown !== null && told.has(thrown);
}
