import { createKey, current, type Key } from "@clew/context";
import {
  aFunction,
  anything,
  aText,
  checkOptions,
  checkValue,
  isObject,
  kind,
  listOf,
  numberAbove,
  type OptionCheck,
  type OptionChecks,
  orListOf,
  recordOf,
} from "@clew/options";
import { type Call, type Middleware, ServiceError } from "@clew/rpc";
import type { CryptoKey, JWK, JWTHeaderParameters, JWTPayload, KeyObject } from "jose";
import { optionError } from "./errors.ts";

/** The claims of a token: `sub`, `iss`, `aud`, `exp` and whatever its issuer added. */
export type Claims = JWTPayload;

/** A secret as text or bytes, or a key of `node:crypto`, of WebCrypto, or as a JWK. */
export type JwtKey = string | Uint8Array | KeyObject | CryptoKey | JWK;

export interface JwtOptions {
  /**
   * The key that tokens are verified with, or a function that finds it by the token's header: `alg`, `kid`. Default: none; either this
   * or `jwksUrl` must be given.
   */
  key?: JwtKey | ((header: JWTHeaderParameters) => JwtKey | Promise<JwtKey>);
  /**
   * An alternative to `key`: the URL at which the issuer publishes its keys as a JWK Set. The keys are fetched when they are
   * first needed, and kept for ten minutes. After a failure the issuer is asked again after one second. Default: none.
   */
  jwksUrl?: string | URL;
  /** The accepted signing methods. Default: HS256; with `jwksUrl` RS256, PS256, ES256 and EdDSA. */
  algorithms?: readonly string[];
  /** The accepted issuers of a token. Default: any. */
  issuer?: string | readonly string[];
  /** The accepted audiences; a token must be for at least one of them. Default: any. */
  audience?: string | readonly string[];
  /** The accepted difference between the clocks of issuer and server, in seconds. Default: 0. */
  clockToleranceSeconds?: number;
  /** Returns the time, in milliseconds since 1970. Default: `Date.now`. */
  now?: () => number;
}

/** The methods of JWS (RFC 7518 section 3.1, RFC 8037, RFC 9864). "none" is not accepted: it signs nothing. */
const knownAlgorithms = /^(?:(?:HS|RS|PS|ES)(?:256|384|512)|EdDSA|Ed25519|ML-DSA-(?:44|65|87))$/;

const aKey = kind(
  "a secret, a key of node:crypto, of WebCrypto or as a JWK, or a function that returns one",
  (given) =>
    typeof given === "function" ||
    (typeof given === "string" && given !== "") ||
    given instanceof Uint8Array ||
    // A JWK has its kind in `kty`, the other keys in `type`.
    (isObject(given) && ["type", "kty"].some((name) => typeof (given as Record<string, unknown>)[name] === "string")),
);
const aMethod = kind("a method such as HS256, RS256, PS256, ES256 or EdDSA", (given) =>
  knownAlgorithms.test(String(given)),
);
const oneOrMore: OptionCheck = orListOf(
  kind("a string, or a list of strings", (given) => typeof given === "string"),
  listOf("a list", aText),
);

const optionChecks: OptionChecks<JwtOptions> = {
  key: aKey,
  jwksUrl: kind("the URL of a JWK Set, such as https://issuer.example/jwks.json", (given) =>
    /^https?:/.test(URL.parse(given as string)?.protocol ?? ""),
  ),
  algorithms: listOf('a list, such as ["HS256"]', aMethod),
  issuer: oneOrMore,
  audience: oneOrMore,
  clockToleranceSeconds: kind("a number of seconds from 0", (given) => typeof given === "number" && given >= 0),
  now: aFunction,
};

const claimsKey: Key<Claims> = createKey<Claims>("clew.claims");

/**
 * The claims of the caller whose call the running code serves, as {@link jwt} verified them; undefined outside of such
 * a call.
 */
export function currentClaims(): Claims | undefined {
  return current().getValue(claimsKey);
}

/**
 * For servers: verifies the token in `authorization: Bearer <token>`, and makes its claims available to the inner handlers. Any
 * failure is 401 UNAUTHORIZED with the message that Kratos uses. To leave some operations open, put it into a selector.
 *
 * @throws CLEW_MIDDLEWARE_OPTION
 */
export function jwt(options: JwtOptions): Middleware {
  const verify = createVerify(options);
  return (next) => async (call) => {
    const token = readToken(call);
    if (token === undefined) throw unauthorized("JWT token is missing");
    call.context = call.context.setValue(claimsKey, await verify(token));
    return next(call);
  };
}

/**
 * Returns the token of the header; undefined when there is none. The case of the scheme does not matter (RFC 9110
 * section 11.1).
 */
function readToken(call: Call): string | undefined {
  const header = call.metadata.get("authorization");
  return header === undefined ? undefined : /^bearer +(\S+) *$/i.exec(header)?.[1];
}

function createVerify(options: JwtOptions): (token: string) => Promise<Claims> {
  checkOptions("jwt", options, optionChecks, optionError);
  const { key, jwksUrl, issuer, audience, clockToleranceSeconds = 0, now = Date.now } = options;
  if ((key === undefined) === (jwksUrl === undefined)) {
    const given = key === undefined ? "missing, and so is jwksUrl" : "given together with jwksUrl";
    throw optionError(`option key is ${given}; exactly one of the two is needed`);
  }
  const algorithms = options.algorithms ?? (jwksUrl === undefined ? ["HS256"] : ["RS256", "PS256", "ES256", "EdDSA"]);
  const loaded = loadJose().then((jose) => ({ jose, getKey: createGetKey(jose, key, jwksUrl) }));
  // The first call reports the failure. Until then nobody handles the promise, and its rejection would end the process.
  loaded.catch(() => {});
  return async (token) => {
    const { jose, getKey } = await loaded;
    try {
      const { payload } = await jose.jwtVerify(token, getKey, {
        algorithms: [...algorithms],
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(now()),
        ...(issuer !== undefined && { issuer: [issuer].flat() }),
        ...(audience !== undefined && { audience: [audience].flat() }),
      });
      return payload;
    } catch (thrown) {
      throw unauthorized(messageOf(jose, thrown), thrown);
    }
  };
}

type Jose = typeof import("jose");
type GetKey = (header: JWTHeaderParameters) => Promise<Exclude<JwtKey, string>>;

/** Only a process that verifies or signs tokens pays for loading the library: 20 ms. */
function loadJose(): Promise<Jose> {
  return import("jose");
}

function createGetKey(jose: Jose, key: JwtOptions["key"], jwksUrl: string | URL | undefined): GetKey {
  if (jwksUrl !== undefined) return createRemoteGetKey(jose, new URL(jwksUrl));
  if (typeof key === "function") return async (header) => toBytes(await key(header));
  const bytes = toBytes(key!);
  return async () => bytes;
}

// How long an issuer that failed is not asked again, in milliseconds. Otherwise every call would ask it, also calls with
// forged tokens.
const issuerRestMs = 1000;

function createRemoteGetKey(jose: Jose, url: URL): GetKey {
  let restUntil = Number.NEGATIVE_INFINITY;
  let failure: unknown;
  const fail = (cause: unknown): void => {
    failure = cause;
    restUntil = performance.now() + issuerRestMs;
  };
  const fetchKeys: import("jose").FetchImplementation = async (href, init) => {
    if (performance.now() < restUntil) throw failure;
    try {
      const response = await fetch(href, init);
      if (!response.ok) fail(new Error(`${href} answers ${response.status}`));
      return response;
    } catch (error) {
      fail(error);
      throw error;
    }
  };
  return jose.createRemoteJWKSet(url, { [jose.customFetch]: fetchKeys }) as GetKey;
}

function toBytes(key: JwtKey): Exclude<JwtKey, string> {
  return typeof key === "string" ? new TextEncoder().encode(key) : key;
}

/**
 * The message that Kratos uses for each failure. For the caller, a key that is not available is the same as a token
 * that cannot be read.
 */
function messageOf({ errors }: Jose, thrown: unknown): string {
  if (thrown instanceof errors.JWTExpired) return "JWT token has expired";
  if (thrown instanceof errors.JWTClaimValidationFailed) {
    return thrown.claim === "nbf" ? "JWT token has expired" : "Fail to parse JWT token";
  }
  if (thrown instanceof errors.JWSSignatureVerificationFailed) return "Fail to parse JWT token";
  if (thrown instanceof errors.JOSEAlgNotAllowed) return "Wrong signing method";
  return "Token is invalid";
}

function unauthorized(message: string, cause?: unknown): ServiceError {
  return new ServiceError(401, "UNAUTHORIZED", message, { cause });
}

export interface JwtClientOptions {
  /** The key that tokens are signed with, or a function that returns it. */
  key: JwtKey | (() => JwtKey | Promise<JwtKey>);
  /** The signing method. Default: HS256. */
  algorithm?: string;
  /**
   * The claims of the token, or a function that returns them for each new token. Default: the times when it was issued and
   * when it expires.
   */
  claims?: Claims | (() => Claims | Promise<Claims>);
  /** Additional fields of the token's header, such as `kid`. Default: none. */
  header?: Readonly<Record<string, unknown>>;
  /** How long a token without the claim `exp` is valid, in milliseconds. Default: 3_600_000. */
  lifetimeMs?: number;
  /** Returns the time, in milliseconds since 1970. Default: `Date.now`. */
  now?: () => number;
}

const clientOptionChecks: OptionChecks<JwtClientOptions> = {
  key: aKey,
  algorithm: aMethod,
  claims: kind("an object, or a function that returns one", (given) => isObject(given) || typeof given === "function"),
  header: recordOf('an object, such as { kid: "1" }', anything),
  lifetimeMs: numberAbove(0),
  now: aFunction,
};

/** A token is replaced when this share of its lifetime, or half a minute, is left, whichever is shorter. */
const lastShare = 0.1;
const lastMs = 30_000;

/**
 * For clients: sends `authorization: Bearer <token>` with every call that has no such header. One token serves all calls until
 * shortly before it expires. A failure to sign is 401 UNAUTHORIZED, as in Kratos.
 *
 * @throws CLEW_MIDDLEWARE_OPTION
 */
export function jwtClient(options: JwtClientOptions): Middleware {
  const sign = createSign(options);
  const now = options.now ?? Date.now;
  let token: Promise<string> | undefined;
  let renewAt = 0;
  const renew = async (): Promise<string> => {
    const issuedAt = now();
    const { text, expiresAt } = await sign(issuedAt);
    renewAt = expiresAt - Math.min(lastMs, (expiresAt - issuedAt) * lastShare);
    return text;
  };
  return (next) => async (call) => {
    if (!call.metadata.has("authorization")) {
      if (token === undefined || now() >= renewAt) {
        renewAt = Number.POSITIVE_INFINITY;
        // Calls that arrive while a token is being signed wait for it. After a failure the next call tries again.
        token = renew();
        token.catch(() => {
          token = undefined;
        });
      }
      call.metadata.set("authorization", `Bearer ${await token}`);
    }
    return next(call);
  };
}

function createSign(options: JwtClientOptions): (issuedAt: number) => Promise<{ text: string; expiresAt: number }> {
  checkOptions("jwtClient", options, clientOptionChecks, optionError);
  const { key, algorithm = "HS256", claims = {}, header, lifetimeMs = 3_600_000 } = options;
  checkValue("key", key, aKey, optionError);
  const loaded = loadJose();
  loaded.catch(() => {});
  return async (issuedAt) => {
    const jose = await loaded;
    const usedKey = await getSigningKey(key);
    const iat = Math.floor(issuedAt / 1000);
    const given = typeof claims === "function" ? await claims() : claims;
    const payload = { iat, exp: iat + Math.ceil(lifetimeMs / 1000), ...given };
    try {
      const text = await new jose.SignJWT(payload)
        .setProtectedHeader({ typ: "JWT", ...header, alg: algorithm })
        .sign(toBytes(usedKey));
      return { text, expiresAt: payload.exp * 1000 };
    } catch (cause) {
      throw unauthorized("Can not sign token.Is the key correct?", cause);
    }
  };
}

async function getSigningKey(key: JwtClientOptions["key"]): Promise<JwtKey> {
  if (typeof key !== "function") return key;
  try {
    return await key();
  } catch (cause) {
    throw unauthorized("Can not get key while signing token", cause);
  }
}
