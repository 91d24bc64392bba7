/** The clock of calls. Node's global is a getter, which is called anew at each look. */
export const clock: Pick<typeof performance, "now"> = performance;
