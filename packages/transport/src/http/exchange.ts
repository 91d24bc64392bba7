import type { IncomingHttpHeaders } from "node:http";
import { type Call, ServiceError } from "@clew/rpc";
import type { Dispatcher } from "undici";

/** What goes out. */
export interface HttpRequest {
  readonly verb: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Record<string, string | string[]>;
  readonly body: Uint8Array | null;
}

/** What came back, whole. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

/**
 * Sends a request and takes the whole response. When the call is cancelled the request is aborted and this rejects with the reason;
 * any failure of the network rejects with ServiceError 503 UNAVAILABLE and the failure as its cause.
 */
export function exchange(
  dispatcher: Dispatcher,
  call: Call,
  request: HttpRequest,
  limitBytes: number,
): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const taker = new ResponseTaker(call, limitBytes, resolve, reject);
    const { verb, target, headers, body } = request;
    try {
      // The call's deadline is the limit of everything; undici's own timers would only be a second one.
      dispatcher.dispatch({ method: verb, path: target, headers, body, headersTimeout: 0, bodyTimeout: 0 }, taker);
    } catch (error) {
      taker.fail(error as Error);
    }
  });
}

const noBytes = new Uint8Array(0);

class ResponseTaker implements Dispatcher.DispatchHandler {
  readonly #call: Call;
  readonly #limitBytes: number;
  readonly #resolve: (response: HttpResponse) => void;
  readonly #reject: (error: ServiceError) => void;
  readonly #release: () => void;
  #controller: Dispatcher.DispatchController | undefined;
  #failure: ServiceError | undefined;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  readonly #chunks: Buffer[] = [];
  #length = 0;

  constructor(
    call: Call,
    limitBytes: number,
    resolve: (response: HttpResponse) => void,
    reject: (error: ServiceError) => void,
  ) {
    this.#call = call;
    this.#limitBytes = limitBytes;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#release = call.onCancel((reason) => this.#stop(reason));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // It was given up while it waited for a connection.
    if (this.#failure !== undefined) controller.abort(this.#failure);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#length += chunk.length;
    if (this.#length > this.#limitBytes) {
      this.#stop(
        new ServiceError(
          502,
          "BODY_TOO_LARGE",
          `${this.#call.operation}: the reply is over the limit of ${this.#limitBytes} bytes`,
        ),
      );
    } else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.#release();
    const [first = noBytes] = this.#chunks;
    const body = this.#chunks.length < 2 ? first : Buffer.concat(this.#chunks, this.#length);
    this.#resolve({ status: this.#status, headers: this.#headers, body });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(error);
  }

  fail(error: Error & { code?: string }): void {
    this.#release();
    this.#reject(this.#failure ?? toServiceError(this.#call, error));
  }

  #stop(reason: ServiceError): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.#controller?.abort(reason);
    this.#reject(reason);
  }
}

function toServiceError(call: Call, error: Error & { code?: string }): ServiceError {
  // What undici refuses to send: a header with a line break in it, a verb that is none.
  if (error.code === "UND_ERR_INVALID_ARG")
    return new ServiceError(400, "CODEC", `${call.operation}: ${error.message}`, { cause: error });
  const why = error.message || error.code || error.name;
  return new ServiceError(503, "UNAVAILABLE", `${call.operation}: cannot reach ${call.peer.address}: ${why}`, {
    cause: error,
  });
}
