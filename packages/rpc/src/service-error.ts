import type { DescMessage, JsonObject, MessageShape } from "@bufbuild/protobuf";
import { ErrorDetail } from "./error-detail.ts";
import { errorCodeInvalid } from "./errors.ts";

/** The part of a {@link ServiceError} that is sent to the caller. Its shape and names are those of Kratos. */
export interface ErrorStatus {
  /** The code, in the manner of an HTTP status: 404. */
  readonly code: number;
  /** A stable identifier for programs, in upper case: USER_NOT_FOUND. Empty when there is none. */
  readonly reason: string;
  /** The text for people. */
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** {@link ErrorStatus} as JSON, plus the details if the error has any; Kratos ignores them. */
export interface ErrorJson extends ErrorStatus {
  readonly details?: readonly JsonObject[];
}

export interface ServiceErrorOptions {
  /** Additional facts for the caller, as text. Default: none. */
  metadata?: Readonly<Record<string, string>>;
  /** Additional messages for the caller, such as `badRequest({ name: "is taken" })`. Default: none. */
  details?: readonly ErrorDetail[];
  /** The error that led to this one. It is logged on this side and never sent. Default: none. */
  cause?: unknown;
}

const noMetadata: Readonly<Record<string, string>> = Object.freeze({});
const noDetails: readonly ErrorDetail[] = Object.freeze([]);

/** An error that the caller may see. The caller gets it as {@link ErrorJson}. */
export class ServiceError extends Error implements ErrorStatus {
  override readonly name: string = "ServiceError";
  readonly code: number;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Messages of any type for the caller; {@link detail} finds one by its type. Empty when there are none. */
  readonly details: readonly ErrorDetail[];

  /** @throws CLEW_RPC_SERVICE_ERROR when `code` is not a number */
  constructor(code: number, reason: string, message: string, options?: ServiceErrorOptions) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    if (typeof code !== "number") throw errorCodeInvalid(code);
    this.code = code;
    this.reason = reason;
    this.metadata = options?.metadata ?? noMetadata;
    this.details = options?.details ?? noDetails;
  }

  /**
   * Turns anything that was thrown into a ServiceError. A ServiceError is returned unchanged. Anything else becomes 500
   * UNKNOWN with a message that reveals nothing; the original is kept as the cause.
   */
  static from(thrown: unknown): ServiceError {
    if (thrown instanceof ServiceError) return thrown;
    return new ServiceError(500, "UNKNOWN", "unknown request error", { cause: thrown });
  }

  /**
   * Reads an error from JSON; undefined when the JSON is not one. Fields of a wrong type are ignored. If `code` is given, it
   * replaces the code in the JSON.
   */
  static fromJson(json: unknown, code?: number): ServiceError | undefined {
    if (typeof json !== "object" || json === null || !("reason" in json || "message" in json)) return undefined;
    const told: { [name: string]: unknown } = { ...json };
    const pairs = typeof told.metadata === "object" && told.metadata !== null ? Object.entries(told.metadata) : [];
    const details = Array.isArray(told.details) ? told.details.map(ErrorDetail.fromJson) : [];
    return new ServiceError(
      code ?? (typeof told.code === "number" ? told.code : 500),
      typeof told.reason === "string" ? told.reason : "",
      typeof told.message === "string" ? told.message : "",
      {
        metadata: Object.fromEntries(pairs.filter((pair): pair is [string, string] => typeof pair[1] === "string")),
        details: details.filter((detail) => detail !== undefined),
      },
    );
  }

  /** Returns the first of the details that is such a message: `error.detail(BadRequestSchema)?.fieldViolations`. */
  detail<T extends DescMessage>(desc: T): MessageShape<T> | undefined {
    for (const detail of this.details) {
      const message = detail.as(desc);
      if (message !== undefined) return message;
    }
    return undefined;
  }

  /** Returns a copy of the error with these facts added; a fact of the same name is replaced. */
  withMetadata(metadata: Readonly<Record<string, string>>): ServiceError {
    return this.#clone({ metadata: { ...this.metadata, ...metadata } });
  }

  /** Returns a copy of the error with more details. */
  withDetails(...details: readonly ErrorDetail[]): ServiceError {
    return this.#clone({ details: [...this.details, ...details] });
  }

  /** Returns a copy of the error with its cause. */
  withCause(cause: unknown): ServiceError {
    return this.#clone({ cause });
  }

  #clone(changed: ServiceErrorOptions): ServiceError {
    const { code, reason, message, metadata, details, cause } = this;
    const clone = new ServiceError(code, reason, message, { metadata, details, cause, ...changed });
    // The stack shows where the error was first created.
    if (this.stack !== undefined) clone.stack = this.stack;
    return clone;
  }

  /** Whether `thrown` is a ServiceError with this code and reason. Message and metadata are not compared. */
  matches(thrown: unknown): boolean {
    return thrown instanceof ServiceError && thrown.code === this.code && thrown.reason === this.reason;
  }

  /** Returns what a caller sees. */
  toJSON(): ErrorJson {
    const { code, reason, message, metadata, details } = this;
    if (details.length === 0) return { code, reason, message, metadata };
    return { code, reason, message, metadata, details: details.map((detail) => detail.toJSON()) };
  }
}

/** Whether `thrown` is an error with this code, whatever its reason. */
function hasCode(thrown: unknown, code: number): thrown is ServiceError {
  return thrown instanceof ServiceError && thrown.code === code;
}

/** 400 */
export function isBadRequest(thrown: unknown): thrown is ServiceError {
  return hasCode(thrown, 400);
}

/** 401 */
export function isUnauthorized(thrown: unknown): thrown is ServiceError {
  return hasCode(thrown, 401);
}

/** 403 */
export function isForbidden(thrown: unknown): thrown is ServiceError {
  return hasCode(thrown, 403);
}

/** 404 */
export function isNotFound(thrown: unknown): thrown is ServiceError {
  return hasCode(thrown, 404);
}

/** 409 */
export function isConflict(thrown: unknown): thrown is ServiceError {
  return hasCode(thrown, 409);
}

/** 429 */
export function isTooManyRequests(thrown: unknown): thrown is ServiceError {
  return hasCode(thrown, 429);
}

/** 499: the caller disconnected or gave up. */
export function isClientClosed(thrown: unknown): thrown is ServiceError {
  return hasCode(thrown, 499);
}

/** 500 */
export function isInternalServer(thrown: unknown): thrown is ServiceError {
  return hasCode(thrown, 500);
}

/** 503 */
export function isServiceUnavailable(thrown: unknown): thrown is ServiceError {
  return hasCode(thrown, 503);
}

/** 504: a deadline passed. */
export function isGatewayTimeout(thrown: unknown): thrown is ServiceError {
  return hasCode(thrown, 504);
}

/** The call's deadline passed: 504. */
export function deadlineExceeded(operation: string): ServiceError {
  return new ServiceError(504, "GATEWAY_TIMEOUT", `${operation}: deadline exceeded`);
}

/** The caller disconnected or gave up: 499. */
export function callCancelled(operation: string, cause?: unknown): ServiceError {
  return new ServiceError(499, "CLIENT_CLOSED", `${operation}: cancelled`, { cause });
}
