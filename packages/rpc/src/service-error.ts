/** The part of a {@link ServiceError} that goes over the wire. Shape and names are those of Kratos. */
export interface ErrorStatus {
  /** Like an HTTP status: 404. */
  readonly code: number;
  /** Stable and for programs, in upper case: USER_NOT_FOUND. Empty when there is none. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ServiceErrorOptions {
  /** Details for the caller. Default: none. */
  metadata?: Readonly<Record<string, string>>;
  /** What led to this error. It is logged here and never sent. */
  cause?: unknown;
}

const noMetadata: Readonly<Record<string, string>> = Object.freeze({});

/** An error that the caller may see: {@link ErrorStatus} is what it sees. */
export class ServiceError extends Error implements ErrorStatus {
  override readonly name: string = "ServiceError";
  readonly code: number;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(code: number, reason: string, message: string, options?: ServiceErrorOptions) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.reason = reason;
    this.metadata = options?.metadata ?? noMetadata;
  }

  /**
   * Turns whatever was thrown into a ServiceError. One that already is stays itself; anything else becomes 500 UNKNOWN with a
   * message that gives nothing away, and is kept as the cause.
   */
  static from(thrown: unknown): ServiceError {
    if (thrown instanceof ServiceError) return thrown;
    return new ServiceError(500, "UNKNOWN", "unknown request error", { cause: thrown });
  }

  /** Whether `thrown` is a ServiceError of this code and this reason; message and metadata do not count. */
  matches(thrown: unknown): boolean {
    return thrown instanceof ServiceError && thrown.code === this.code && thrown.reason === this.reason;
  }

  /** What a caller sees. */
  toJSON(): ErrorStatus {
    return { code: this.code, reason: this.reason, message: this.message, metadata: this.metadata };
  }
}

/** The call's deadline passed: 504. */
export function deadlineExceeded(operation: string): ServiceError {
  return new ServiceError(504, "GATEWAY_TIMEOUT", `${operation}: deadline exceeded`);
}

/** The caller went away or gave up: 499. */
export function callCancelled(operation: string, cause?: unknown): ServiceError {
  return new ServiceError(499, "CLIENT_CLOSED", `${operation}: cancelled`, { cause });
}
