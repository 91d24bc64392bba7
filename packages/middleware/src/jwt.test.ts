import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { Reply, ServiceError } from "@clew/rpc";
import * as jose from "jose";
import { answer, hello, invoke } from "../test/invoke.ts";
import { TestCall } from "../test/test-call.ts";
import { currentClaims, type JwtClientOptions, type JwtOptions, jwt, jwtClient } from "./jwt.ts";

const secret = "a secret of at least thirty-two bytes";
const bytes = new TextEncoder().encode(secret);

function sign(claims: jose.JWTPayload = {}, alg = "HS256", key: jose.KeyInput = bytes): Promise<string> {
  return new jose.SignJWT(claims).setProtectedHeader({ alg, kid: "k1" }).sign(key);
}

function serve(options: JwtOptions, authorization?: string): Promise<Reply> {
  const call = new TestCall("server", authorization === undefined ? {} : { authorization });
  return invoke(jwt(options), answer, call);
}

const unauthorized = (message: string) => (thrown: ServiceError) => {
  assert.deepEqual(thrown.toJSON(), { code: 401, reason: "UNAUTHORIZED", message, metadata: {} });
  return true;
};

test("a good token lets the call through, with its claims in the context", async () => {
  const token = await sign({ sub: "ann", roles: ["admin"] });
  let claims: jose.JWTPayload | undefined;
  const handler = async (): Promise<Reply> => {
    await null;
    claims = currentClaims();
    return hello;
  };
  for (const scheme of ["Bearer", "bearer", "BEARER"]) {
    claims = undefined;
    await invoke(jwt({ key: secret }), handler, new TestCall("server", { authorization: `${scheme} ${token}` }));
    assert.deepEqual(claims, { sub: "ann", roles: ["admin"] });
  }
  assert.equal(currentClaims(), undefined);
});

test("what is wrong with a token is 401 UNAUTHORIZED with Kratos's message", async () => {
  const good = await sign();
  const seconds = Math.floor(Date.now() / 1000);
  const [head, payload, signature] = good.split(".");
  const { privateKey } = await jose.generateKeyPair("RS256");
  for (const [authorization, message] of [
    [undefined, "JWT token is missing"],
    ["", "JWT token is missing"],
    [good, "JWT token is missing"],
    ["Bearer", "JWT token is missing"],
    [`Basic ${good}`, "JWT token is missing"],
    ["Bearer x.y", "Token is invalid"],
    ["Bearer ....", "Token is invalid"],
    [`Bearer ${head}.!.${signature}`, "Fail to parse JWT token"],
    [`Bearer ${head}.${payload}x.${signature}`, "Fail to parse JWT token"],
    [
      `Bearer ${await sign({}, "HS256", new TextEncoder().encode("another secret of thirty-two bytes"))}`,
      "Fail to parse JWT token",
    ],
    [`Bearer ${await sign({ exp: seconds - 10 })}`, "JWT token has expired"],
    [`Bearer ${await sign({ nbf: seconds + 100 })}`, "JWT token has expired"],
    [`Bearer ${await sign({}, "HS512", new Uint8Array(64))}`, "Wrong signing method"],
    [`Bearer ${await sign({}, "RS256", privateKey)}`, "Wrong signing method"],
    [`Bearer ${Buffer.from('{"alg":"none"}').toString("base64url")}.${payload}.`, "Wrong signing method"],
  ] as const) {
    await assert.rejects(serve({ key: secret }, authorization), unauthorized(message), `${authorization}`);
  }
});

test("issuer, audience and the tolerance of clocks are kept to", async () => {
  const token = `Bearer ${await sign({ iss: "login", aud: ["shop", "blog"], exp: 1000 })}`;
  const at = (seconds: number): JwtOptions => ({ key: secret, now: () => seconds * 1000 });
  assert.equal(await serve({ ...at(999), issuer: "login", audience: ["shop", "x"] }, token), hello);
  await assert.rejects(serve({ ...at(999), issuer: "other" }, token), unauthorized("Fail to parse JWT token"));
  await assert.rejects(serve({ ...at(999), audience: "other" }, token), unauthorized("Fail to parse JWT token"));
  await assert.rejects(serve(at(1001), token), unauthorized("JWT token has expired"));
  assert.equal(await serve({ ...at(1001), clockToleranceSeconds: 5 }, token), hello);
});

test("a key function finds the key by the token's header; when it fails the token is invalid", async () => {
  const { publicKey, privateKey } = await jose.generateKeyPair("ES256");
  const token = `Bearer ${await sign({}, "ES256", privateKey)}`;
  const key = (header: { kid?: string }) => {
    assert.equal(header.kid, "k1");
    return publicKey;
  };
  assert.equal(await serve({ key, algorithms: ["ES256"] }, token), hello);
  const broken = () => {
    throw new Error("no such key");
  };
  await assert.rejects(serve({ key: broken, algorithms: ["ES256"] }, token), unauthorized("Token is invalid"));
});

test("keys come from a JWKS URL, once", async () => {
  const { publicKey, privateKey } = await jose.generateKeyPair("RS256");
  const { privateKey: foreign } = await jose.generateKeyPair("RS256");
  const keys = [{ ...(await jose.exportJWK(publicKey)), kid: "k1", alg: "RS256" }];
  let fetched = 0;
  const server = createServer((_, response) => {
    fetched++;
    response.setHeader("content-type", "application/json").end(JSON.stringify({ keys }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const middleware = jwt({ jwksUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys` });
    const ask = (token: string) =>
      invoke(middleware, answer, new TestCall("server", { authorization: `Bearer ${token}` }));
    assert.equal(await ask(await sign({}, "RS256", privateKey)), hello);
    assert.equal(await ask(await sign({}, "RS256", privateKey)), hello);
    await assert.rejects(ask(await sign({}, "RS256", foreign)), unauthorized("Fail to parse JWT token"));
    // A published key must not be taken for the secret of HS256.
    await assert.rejects(ask(await sign()), unauthorized("Wrong signing method"));
    assert.equal(fetched, 1);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("an issuer that cannot be reached makes the token invalid", async () => {
  const { privateKey } = await jose.generateKeyPair("RS256");
  const token = `Bearer ${await sign({}, "RS256", privateKey)}`;
  // Port 1 is reserved: nobody listens there.
  await assert.rejects(serve({ jwksUrl: "http://127.0.0.1:1/keys" }, token), unauthorized("Token is invalid"));
});

/** Sends a call and gives the token it went out with. */
async function send(middleware: ReturnType<typeof jwtClient>, headers = {}): Promise<string | undefined> {
  const call = new TestCall("client", headers);
  await invoke(middleware, answer, call);
  return call.metadata.get("authorization");
}

test("a client's token is one that the server takes, with the claims and the header it was told", async () => {
  const middleware = jwtClient({ key: secret, claims: { sub: "orders" }, header: { kid: "k7" } });
  const authorization = await send(middleware);
  assert.equal(await serve({ key: secret }, authorization), hello);
  const token = authorization?.slice("Bearer ".length) ?? "";
  assert.deepEqual(jose.decodeProtectedHeader(token), { alg: "HS256", typ: "JWT", kid: "k7" });
  const { sub, iat, exp } = jose.decodeJwt(token);
  assert.equal(sub, "orders");
  assert.equal((exp ?? 0) - (iat ?? 0), 3600);
});

test("one token serves until shortly before it expires, and calls side by side wait for the same", async () => {
  let ms = 1_000_000_000;
  let signed = 0;
  const claims = () => ({ jti: String(++signed) });
  const middleware = jwtClient({ key: secret, claims, lifetimeMs: 100_000, now: () => ms });
  const [one, two] = await Promise.all([send(middleware), send(middleware)]);
  assert.equal(one, two);
  ms += 89_999;
  assert.equal(await send(middleware), one);
  ms += 1;
  assert.notEqual(await send(middleware), one);
  assert.equal(signed, 2);
});

test("the expiry that the claims have is kept to", async () => {
  let ms = 1_000_000;
  let signed = 0;
  const claims = () => {
    signed++;
    return { exp: ms / 1000 + 10 };
  };
  const middleware = jwtClient({ key: secret, claims, now: () => ms });
  await send(middleware);
  ms += 8000;
  await send(middleware);
  assert.equal(signed, 1);
  ms += 1000;
  await send(middleware);
  assert.equal(signed, 2);
});

test("a call that has the header already is left as it is", async () => {
  assert.equal(await send(jwtClient({ key: secret }), { authorization: "Bearer own" }), "Bearer own");
});

test("what goes wrong while signing is told as Kratos does, and the next call tries again", async () => {
  let works = false;
  const key: JwtClientOptions["key"] = async () => {
    if (!works) throw new Error("vault is sealed");
    return secret;
  };
  const middleware = jwtClient({ key });
  await assert.rejects(send(middleware), unauthorized("Can not get key while signing token"));
  works = true;
  assert.match((await send(middleware)) ?? "", /^Bearer /);
  const wrong = jwtClient({ key: secret, algorithm: "RS256" });
  await assert.rejects(send(wrong), unauthorized("Can not sign token.Is the key correct?"));
});

test("a missing or doubled key is an error when the middleware is made", () => {
  for (const options of [{}, { key: "" }, { key: secret, jwksUrl: "http://127.0.0.1/keys" }]) {
    assert.throws(() => jwt(options), { code: "CLEW_MIDDLEWARE_OPTION", message: /option key/ });
  }
  assert.throws(() => jwtClient({} as JwtClientOptions), { code: "CLEW_MIDDLEWARE_OPTION" });
  assert.throws(() => jwtClient({ key: secret, lifetimeMs: 0 }), { message: /lifetimeMs/ });
});

test("an issuer that fails is not asked with every call", async (t) => {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    response.writeHead(500).end();
  }).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const { privateKey } = await jose.generateKeyPair("RS256");
  const token = await sign({}, "RS256", privateKey);
  const middleware = jwt({ jwksUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys` });
  const begin = performance.now();
  for (let call = 0; call < 50; call++) {
    const request = new TestCall("server", { authorization: `Bearer ${token}` });
    await assert.rejects(invoke(middleware, answer, request), unauthorized("Token is invalid"));
  }
  assert.ok(asked >= 1 && asked <= 1 + (performance.now() - begin) / 1000, `${asked} times`);
  server.closeAllConnections();
});
