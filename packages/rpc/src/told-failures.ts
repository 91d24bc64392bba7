const told = new WeakSet<object>();

/**
 * For who has written to a log what was thrown, though its caller is not told of it: nobody behind needs to write the same again. Of
 * what is no object nobody remembers anything.
 */
export function markTold(thrown: unknown): void {
  if (typeof thrown === "object" && thrown !== null) told.add(thrown);
}

/** Whether somebody has written to a log what was thrown. */
export function wasTold(thrown: unknown): boolean {
  return typeof thrown === "object" && thrown !== null && told.has(thrown);
}
