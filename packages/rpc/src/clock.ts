/** The clock of calls. Node's global `performance` is a getter, which runs at each access. */
export const clock: Pick<typeof performance, "now"> = performance;
