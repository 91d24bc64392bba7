// What a developer gets wrong is told when a middleware is made, with the option's name and what would work.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BbrLimiter,
  circuitBreaker,
  hedge,
  jwt,
  jwtClient,
  localize,
  logging,
  metadata,
  metrics,
  RetryBudget,
  rateLimit,
  recovery,
  retry,
  SreBreaker,
  selector,
  timeout,
  tokenBucket,
  tracing,
  validate,
} from "@clew/middleware";
import { Metadata } from "@clew/rpc";

/** Takes what TypeScript would refuse, from JavaScript or a file. */
type Maker = (options?: unknown) => unknown;

const makers: Readonly<Record<string, Maker>> = {
  recovery: recovery as Maker,
  tracing: tracing as Maker,
  logging: logging as Maker,
  metadata: metadata as Maker,
  metrics: metrics as Maker,
  validate: validate as Maker,
  jwt: jwt as Maker,
  jwtClient: jwtClient as Maker,
  circuitBreaker: circuitBreaker as Maker,
  rateLimit: rateLimit as Maker,
  tokenBucket: tokenBucket as Maker,
  retry: retry as Maker,
  timeout: timeout as Maker,
  localize: localize as Maker,
  hedge: hedge as Maker,
  SreBreaker: (options) => new SreBreaker(options as object),
  BbrLimiter: (options) => new BbrLimiter(options as object),
  RetryBudget: (options) => new RetryBudget(options as object),
};

function refuses(name: string, options: unknown, message: RegExp): void {
  assert.throws(() => makers[name]!(options), { code: "CLEW_MIDDLEWARE_OPTION", message }, `${name} ${message}`);
}

test("an option that there is not", () => {
  for (const name of Object.keys(makers)) {
    refuses(name, { nothing: 5 }, RegExp(`^${name} has no option nothing; its options are [a-z]\\w+`));
  }
  refuses(
    "rateLimit",
    { limit: 5 },
    /^rateLimit has no option limit; its options are limiter; did you mean limiter\?$/,
  );
  refuses("retry", { attempt: 5 }, /^retry has no option attempt; its options are attempts, codes, /);
  refuses("jwt", { secret: "s" }, /^jwt has no option secret; its options are key, /);
});

test("options that are none", () => {
  for (const name of Object.keys(makers)) {
    refuses(name, 500, RegExp(`^the options of ${name} are 500; they must be an object with any of \\w+`));
    refuses(name, null, /are null/);
  }
  refuses("jwt", "secret", /^the options of jwt are "secret"; .* key, /);
  refuses("jwt", undefined, /^the options of jwt are undefined/);
  refuses("localize", undefined, /^the options of localize are undefined/);
  refuses("timeout", undefined, /^the options of timeout are undefined/);
});

test("a value of the wrong kind", () => {
  const cases: [string, object, RegExp][] = [
    ["recovery", { logger: "stdout" }, /^option logger is "stdout"; it must be a logger, which has info\(\), /],
    ["recovery", { toServiceError: 500 }, /^option toServiceError is 500; it must be a function$/],
    ["tracing", { tracerProvider: {} }, /^option tracerProvider is an object; .* which has getTracer\(\)$/],
    ["tracing", { propagator: "b3" }, /^option propagator is "b3"; it must be a propagator, which has inject\(\), /],
    ["tracing", { tracerName: 5 }, /^option tracerName is 5; it must be a string$/],
    ["tracing", { traceHeader: 5 }, /^option traceHeader is 5; it must be true or the name of a header$/],
    ["tracing", { messageEvents: "no" }, /^option messageEvents is "no"; it must be true or false$/],
    ["logging", { logger: {} }, /^option logger is an object; it must be a logger/],
    ["logging", { args: "yes" }, /^option args is "yes"; it must be true or false$/],
    ["logging", { successRatio: "0.5" }, /^option successRatio is "0\.5"; it must be a number from 0 to 1$/],
    ["logging", { random: 0.5 }, /^option random is 0\.5; it must be a function$/],
    ["metadata", { prefixes: "x-md-" }, /^option prefixes is "x-md-"; it must be a list .*\["x-md-"\]$/],
    ["metadata", { prefixes: ["x-md-", "X-Tenant"] }, /^option prefixes\[1\] is "X-Tenant"; .* in lower case/],
    ["metadata", { constants: "x-md-a" }, /^option constants is "x-md-a"; it must be headers, such as/],
    ["metadata", { constants: { "x-md-a": 5 } }, /^option constants\["x-md-a"\] is 5; it must be a string/],
    ["metrics", { meterProvider: {} }, /^option meterProvider is an object; .* which has getMeter\(\)$/],
    ["metrics", { names: "old" }, /^option names is "old"; it must be "semconv", "legacy" or "kratos"$/],
    ["metrics", { bodySizes: 1 }, /^option bodySizes is 1; it must be true or false$/],
    ["validate", { services: {} }, /^option services is an object; it must be descriptors/],
    ["validate", { services: ["Orders"] }, /^option services\[0\] is "Orders"; it must be descriptors/],
    ["jwt", { key: 5 }, /^option key is 5; it must be a secret, a key/],
    ["jwt", {}, /^option key is missing, and so is jwksUrl; exactly one of the two is needed$/],
    ["jwt", { key: "" }, /^option key is ""; it must be a secret, a key/],
    ["jwtClient", {}, /^option key is undefined; it must be a secret, a key/],
    ["jwt", { key: { keys: [] } }, /^option key is an object; it must be a secret, a key/],
    ["jwt", { jwksUrl: "issuer/jwks" }, /^option jwksUrl is "issuer\/jwks"; it must be the URL of a JWK Set, such as/],
    [
      "jwt",
      { key: "s", algorithms: "HS256" },
      /^option algorithms is "HS256"; it must be a list, such as \["HS256"\]$/,
    ],
    [
      "jwt",
      { key: "s", algorithms: ["HS256", "none"] },
      /^option algorithms\[1\] is "none"; it must be a method such as/,
    ],
    ["jwt", { key: "s", issuer: 5 }, /^option issuer is 5; it must be a string, or a list/],
    ["jwt", { key: "s", audience: ["a", 5] }, /^option audience\[1\] is 5; it must be a string/],
    ["jwt", { key: "s", clockToleranceSeconds: "5s" }, /^option clockToleranceSeconds is "5s"; .* seconds from 0$/],
    ["jwt", { key: "s", now: 5 }, /^option now is 5/],
    ["jwtClient", { key: "s", algorithm: "none" }, /^option algorithm is "none"; it must be a method such as HS256/],
    ["jwtClient", { key: "s", claims: "sub" }, /^option claims is "sub"; it must be an object, or a function/],
    ["circuitBreaker", { isFailure: [503] }, /^option isFailure is a list; it must be a function$/],
    ["circuitBreaker", { createBreaker: new SreBreaker() }, /^option createBreaker is an object; .* a function$/],
    ["circuitBreaker", { minRequests: "10" }, /^option minRequests is "10"; it must be a number from 0$/],
    ["circuitBreaker", { windowMs: "3s" }, /^option windowMs is "3s"; it must be a number above 0$/],
    ["circuitBreaker", { windowMs: 0 }, /^option windowMs is 0; /],
    ["SreBreaker", { windowMs: Number.NaN }, /^option windowMs is NaN; /],
    ["BbrLimiter", { buckets: 0 }, /^option buckets is 0; it must be a whole number from 1$/],
    ["BbrLimiter", { buckets: 1.5 }, /^option buckets is 1\.5; /],
    ["BbrLimiter", { cpuThreshold: 1001 }, /^option cpuThreshold is 1001; it must be a number from 0 to 1000$/],
    ["rateLimit", { limiter: 5 }, /^option limiter is 5; .* BbrLimiter, which has allow\(\)$/],
    ["rateLimit", { limiter: () => undefined }, /^option limiter is a function; it must be a limiter/],
    ["tokenBucket", { rate: "5" }, /^option rate is "5"; it must be a number above 0$/],
    ["tokenBucket", {}, /^option rate is undefined; it must be a number above 0$/],
    ["tokenBucket", { rate: 5, key: "x-user" }, /^option key is "x-user"; it must be a function$/],
    ["retry", { codes: 503 }, /^option codes is 503; it must be a list of error codes, such as \[503\]$/],
    ["retry", { codes: [503, "UNAVAILABLE"] }, /^option codes\[1\] is "UNAVAILABLE"; .* such as 503$/],
    ["retry", { codes: [14] }, /^option codes\[0\] is 14; it must be an error code from 400 up/],
    ["retry", { isIdempotent: true }, /^option isIdempotent is true; it must be a function$/],
    ["retry", { backoffMs: "50" }, /^option backoffMs is "50"; it must be a number from 0$/],
    [
      "retry",
      { budget: { ratio: 0.1 } },
      /^option budget is an object; it must be a RetryBudget, which has countCall\(\), /,
    ],
    ["timeout", { timeoutMs: "500" }, /^option timeoutMs is "500"; it must be a number above 0$/],
    ["timeout", { operations: 500 }, /^option operations is 500; it must be milliseconds by operation, such as/],
    [
      "timeout",
      { operations: { "/a.B/C": "1s" } },
      /^option operations\["\/a\.B\/C"\] is "1s"; it must be a number above 0$/,
    ],
    ["localize", {}, /^option messages is undefined; it must be an object of texts by language and reason/],
    [
      "localize",
      { messages: { de: "Nein" } },
      /^option messages\["de"\] is "Nein"; it must be an object of texts by language/,
    ],
    ["localize", { messages: { de: { NO: 5 } } }, /^option messages\["de"\]\["NO"\] is 5; it must be a string$/],
    ["hedge", { delayMs: "100" }, /^option delayMs is "100"; it must be a number of milliseconds from 0/],
    ["hedge", { nonFatalCodes: ["503"] }, /^option nonFatalCodes\[0\] is "503"; it must be an error code/],
    ["hedge", { budget: 0.2 }, /^option budget is 0\.2; it must be a RetryBudget/],
  ];
  for (const [name, options, message] of cases) refuses(name, options, message);
});

test("conditions of a selector that would select nothing, or fail at a call", () => {
  const given = selector(recovery());
  const cases: [() => unknown, RegExp][] = [
    [
      () => given.prefix(["/a."] as never),
      /^\.prefix\(\) of a selector was called with a list; it needs strings, such as/,
    ],
    [() => given.path({} as never), /^\.path\(\) of a selector was called with an object; it needs operation names/],
    [() => given.regex("["), /^\.regex\(\) of a selector was called with "\["; it needs regular expressions/],
    [() => given.match("/a." as never), /^\.match\(\) of a selector was called with "\/a\."; it needs a function/],
  ];
  for (const [make, message] of cases) assert.throws(make, { code: "CLEW_MIDDLEWARE_SELECTOR", message });
  assert.throws(() => selector("recovery" as never), { code: "CLEW_RPC_MIDDLEWARE" });
});

test("what is undefined is not given, and what is right is taken", () => {
  for (const [name, make] of Object.entries(makers)) {
    if (!["jwt", "jwtClient", "localize", "tokenBucket"].includes(name)) assert.ok(make({}), name);
  }
  assert.ok(makers.rateLimit!({ limiter: undefined }));
  assert.ok(metadata({ constants: new Metadata({ "x-md-a": "1" }) }));
  assert.ok(metadata({ constants: [["x-md-a", "1"]], prefixes: ["x-md-", "x-b3-"] }));
  assert.ok(metadata({ constants: { "x-md-a": ["1", "2"] } }));
  assert.ok(jwt({ jwksUrl: new URL("https://issuer.example/jwks.json"), issuer: ["a"], audience: "b" }));
  assert.ok(jwt({ key: { kty: "oct", k: "c2VjcmV0" } }));
  assert.ok(circuitBreaker({ isFailure: () => true, minRequests: 5 }));
});
