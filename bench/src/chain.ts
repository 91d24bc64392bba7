// What a chain of eight middlewares adds to a call: CPU time of this process per call, the chains in turns, so that a machine
// that slows down slows all of them. Prints medians over the rounds, less the handler without any middleware.
//
//     node bench/src/chain.ts
import { create, type Message } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { Context, runHolder } from "clew/context";
import {
  circuitBreaker,
  logging,
  metadata,
  metrics,
  rateLimit,
  recovery,
  selector,
  timeout,
  tracing,
  validate,
} from "clew/middleware";
import { Call, chain, createMethod, type Handler, Metadata, type Middleware } from "clew/rpc";
import { Greeter } from "./gen/bench/v1/bench_pb.ts";

const rounds = 15;
const callsPerRound = 100_000;

const method = createMethod(Greeter.method.sayHello);
const peer = { address: "10.0.0.5:9000" };
const reply = create(EmptySchema);

/** A call without a transport. */
class BenchCall extends Call {
  override readonly side = "server";
  override readonly transport = "memory";

  constructor() {
    const headers = {
      host: "localhost:9000",
      "user-agent": "bench",
      accept: "*/*",
      "content-type": "application/json",
    };
    super({ method, metadata: Metadata.adopt(headers), peer, deadline: undefined, context: Context.root });
    this.enter();
  }

  override async receive(): Promise<Message> {
    return reply;
  }

  // As a call over HTTP without a body has it.
  override receiveNow(): Message {
    return reply;
  }

  override messages(): AsyncIterable<Message> {
    throw new TypeError("takes one message");
  }
}

const passOn: Middleware = (next) => (call) => next(call);
const awaitNext: Middleware = (next) => async (call) => {
  const answer = await next(call);
  return answer;
};
const handler: Handler = async () => reply;

const chains: Record<string, Handler> = {
  "no middleware": handler,
  "eight that pass on": chain(...Array<Middleware>(8).fill(passOn))(handler),
  "eight async functions that await": chain(...Array<Middleware>(8).fill(awaitNext))(handler),
  "recovery, tracing, metrics, logging, metadata, rateLimit, selector, validate": chain(
    recovery(),
    tracing(),
    metrics(),
    logging({ successRatio: 0 }),
    metadata(),
    rateLimit(),
    selector(circuitBreaker()).prefix("/other."),
    validate(),
  )(handler),
  "the same with timeout in place of selector": chain(
    recovery(),
    tracing(),
    metrics(),
    logging({ successRatio: 0 }),
    metadata(),
    rateLimit(),
    timeout({ timeoutMs: 1000 }),
    validate(),
  )(handler),
};

/** Microseconds of CPU per call. */
async function measure(run: Handler): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < callsPerRound; i++) {
    const call = new BenchCall();
    await runHolder(call, run, call);
    call.finish();
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / callsPerRound;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

const costs = new Map(Object.keys(chains).map((name): [string, number[]] => [name, []]));
for (const run of Object.values(chains)) await measure(run);
for (let round = 0; round < rounds; round++) {
  for (const [name, run] of Object.entries(chains)) costs.get(name)!.push(await measure(run));
}
const bare = median(costs.get("no middleware")!);
console.log("| chain | us a call | us for the middleware |\n| --- | ---: | ---: |");
for (const [name, values] of costs) {
  const us = median(values);
  console.log(`| ${name} | ${us.toFixed(3)} | ${(us - bare).toFixed(3)} |`);
}
