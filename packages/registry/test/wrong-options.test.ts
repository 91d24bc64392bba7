import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BalancedClient,
  consistentHash,
  FileRegistry,
  leastRequest,
  p2c,
  preferZone,
  random,
  Selector,
  wrr,
} from "@clew/registry";

test("an option that there is not, or of another kind, is refused by its name", () => {
  const connect = (): never => assert.fail("nobody is called");
  const client = (options: object) => new BalancedClient({ target: "direct:///a:1", connect, ...options } as never);
  const cases: [() => unknown, RegExp][] = [
    [() => wrr({ rnd: Math.random } as never), /^wrr has no option rnd; its options are random$/],
    [() => wrr({ random: 5 } as never), /^option random is 5; it must be a function$/],
    [() => random({ seed: 5 } as never), /^random has no option seed; its options are random$/],
    [() => leastRequest(5 as never), /^the options of leastRequest are 5; they must be an object with any of random$/],
    [
      () => p2c({ slowStart: 5 } as never),
      /^p2c has no option slowStart; its options are slowStartMs, random, now; did you mean slowStartMs\?$/,
    ],
    [() => p2c({ slowStartMs: "5s" } as never), /^option slowStartMs is "5s"; it must be a number from 0$/],
    [() => consistentHash({} as never), /^option key is undefined; it must be a function of the call$/],
    [() => consistentHash({ key: "user" } as never), /^option key is "user"; it must be a function of the call$/],
    [() => consistentHash(undefined as never), /^the options of consistentHash are undefined; /],
    [
      () => preferZone("x", { min: 5 } as never),
      /^preferZone has no option min; its options are label, minNodes, minPercent; did you mean minNodes\?$/,
    ],
    [() => preferZone("x", { label: 5 } as never), /^option label is 5; it must be a string$/],
    [() => new FileRegistry({ dir: "x" } as never), /^FileRegistry has no option dir; its options are folder, /],
    [() => new FileRegistry({ folder: "" }), /^option folder is ""; it must be the path of a folder$/],
    [
      () => new FileRegistry({ checkMs: 2 ** 31 }),
      /^option checkMs is 2147483648; it must be a number of milliseconds/,
    ],
    [() => new FileRegistry({ logger: {} } as never), /^option logger is an object; it must be a logger, which has /],
    [
      () => new Selector({ filter: [] } as never),
      /^Selector has no option filter; its options are balancer, filters, /,
    ],
    [
      () => new Selector({ balancer: wrr } as never),
      /^option balancer is a function; it must be a balancer, made by wrr\(\) /,
    ],
    [() => new Selector({ filters: ["v2"] } as never), /^option filters\[0\] is "v2"; it must be a function$/],
    [
      () => new Selector({ ejection: true } as never),
      /^the options of ejection are true; they must be an object with /,
    ],
    [
      () => new Selector({ ejection: { intervalMs: 0 } }),
      /^option ejection.intervalMs is 0; it must be a number from 1$/,
    ],
    [() => new Selector({ ejection: { interval: 5 } as never }), /^ejection has no option interval; its options are /],
    [() => client({ sub: 5 }), /^BalancedClient has no option sub; its options are target, connect, /],
    [() => client({ subset: 1.5 }), /^option subset is 1.5; it must be a whole number from 0$/],
    [() => client({ dnsRefreshMs: 0 }), /^option dnsRefreshMs is 0; it must be a number of milliseconds from 1 /],
    [() => client({ clientId: 5 }), /^option clientId is 5; it must be a string$/],
    [() => client({ discovery: {} }), /^option discovery is an object; it must be a registry, which has /],
    [() => client({ readyTimeoutMs: -1 }), /^option readyTimeoutMs is -1; it must be a number from 0$/],
    [() => client({ connect: "x" }), /^option connect is "x"; it must be a function$/],
    [
      () => client({ ejection: { maxEjectionPercent: 101 } }),
      /^option ejection.maxEjectionPercent is 101; it must be /,
    ],
  ];
  for (const [make, message] of cases) {
    assert.throws(make, { code: "CLEW_REGISTRY_OPTION", message }, String(message));
  }
});

test("what is undefined is not given", async () => {
  wrr({ random: undefined } as never);
  new Selector({ balancer: undefined, ejection: undefined } as never);
  const connect = (): never => assert.fail("nobody is called");
  await new BalancedClient({ target: "direct:///a:1", connect, subset: undefined } as never).close();
});
