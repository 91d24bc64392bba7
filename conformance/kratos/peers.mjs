// Starts a peer and calls through it: a process that says where its servers listen, then takes a command a line and answers each.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const limitMs = 120_000;

/** @returns the peer, once it listens: `endpoints` by protocol, `call(command)`, `spans(traceId)`, `close()` */
export async function startPeer(name, command, args) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const waiting = new Map();
  let lastId = 0;
  let hasEnded = false;
  const end = (code) => {
    hasEnded = true;
    for (const { reject } of waiting.values()) reject(new Error(`the peer ${name} ended with ${code}`));
  };
  child.once("error", end);
  child.once("exit", end);
  const ask = (id, text) =>
    new Promise((resolve, reject) => {
      if (hasEnded) throw new Error(`the peer ${name} has ended`);
      const timer = setTimeout(() => settle(reject)(new Error(`the peer ${name} does not answer`)), limitMs);
      const settle = (done) => (value) => {
        clearTimeout(timer);
        waiting.delete(id);
        done(value);
      };
      waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
      child.stdin.write(text);
    });
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    const answer = JSON.parse(line);
    waiting.get(answer.id ?? 0)?.resolve(answer);
  });
  const { endpoints } = await ask(0, "");
  const send = (fields) => {
    const id = ++lastId;
    return ask(id, `${JSON.stringify({ id, ...fields })}\n`);
  };
  return {
    name,
    endpoints: { http: endpoints[0], grpc: endpoints[1] },
    call: send,
    spans: async (traceId) => (await send({ trace: traceId })).spans ?? [],
    // Kratos takes any other signal for a wish to stop its servers, and goes on.
    close: () => child.kill("SIGKILL"),
  };
}
