import type { IncomingHttpHeaders } from "node:http";
import { type Call, ServiceError } from "@clew/rpc";
import { mergeChunks } from "../merge-chunks.ts";
import { canDecodeContent, decodeContent } from "./content-coding.ts";
import type { HttpRequest, HttpSender, ResponseListener, SentRequest } from "./sender.ts";

/** What came back, whole and without its content encoding. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

/** A response with how long its body was as it came. */
export interface MeasuredResponse extends HttpResponse {
  readonly wireBytes: number;
}

/**
 * Sends a request and returns the whole response. When the call is cancelled, the request is aborted and this rejects with the
 * reason. A failure of the network becomes ServiceError 503 UNAVAILABLE with the failure as its cause; a body that is over the
 * limit or not in its declared encoding becomes 502.
 */
export function exchange(
  sender: HttpSender,
  call: Call,
  request: HttpRequest,
  limitBytes: number,
): Promise<MeasuredResponse> {
  return new Promise<MeasuredResponse>((resolve, reject) => {
    new ResponseTaker({ call, limitBytes, resolve, reject }).begin(sender, request);
  });
}

const noBytes = new Uint8Array(0);

interface ResponseTakerInit {
  readonly call: Call;
  readonly limitBytes: number;
  readonly resolve: (response: MeasuredResponse | Promise<MeasuredResponse>) => void;
  readonly reject: (error: ServiceError) => void;
}

class ResponseTaker implements ResponseListener {
  readonly #init: ResponseTakerInit;
  #sent: SentRequest | undefined;
  #release: () => void = () => {};
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  readonly #chunks: Buffer[] = [];
  #mergedChunks = 0;
  #length = 0;

  constructor(init: ResponseTakerInit) {
    this.#init = init;
  }

  begin(sender: HttpSender, request: HttpRequest): void {
    const { call } = this.#init;
    this.#sent = sender.send(call, request, this);
    this.#release = call.onCancel((reason) => this.#sent?.abort(reason));
  }

  onHead(status: number, headers: IncomingHttpHeaders): void {
    this.#status = status;
    this.#headers = headers;
  }

  onData(bytes: Buffer): void {
    this.#length += bytes.length;
    if (this.#length > this.#init.limitBytes) {
      this.#sent?.abort(replyTooLarge(this.#init));
      return;
    }
    this.#chunks.push(bytes);
    this.#mergedChunks = mergeChunks(this.#chunks, this.#mergedChunks);
  }

  onEnd(): void {
    this.#release();
    const [first = noBytes] = this.#chunks;
    const body = this.#chunks.length < 2 ? first : Buffer.concat(this.#chunks, this.#length);
    const response = { status: this.#status, headers: this.#headers, body, wireBytes: this.#length };
    const encoding = this.#headers["content-encoding"];
    const isPlain = encoding === undefined || body.length === 0;
    this.#init.resolve(isPlain ? response : withoutEncoding(response, encoding, this.#init));
  }

  onError(error: ServiceError): void {
    this.#release();
    this.#init.reject(error);
  }
}

async function withoutEncoding(
  response: MeasuredResponse,
  encoding: string,
  init: ResponseTakerInit,
): Promise<MeasuredResponse> {
  const { operation } = init.call;
  if (!canDecodeContent(encoding)) {
    throw new ServiceError(502, "CODEC", `${operation}: the reply has the unknown content encoding "${encoding}"`);
  }
  try {
    const body = await decodeContent(response.body, encoding, init.limitBytes);
    // They told of the bytes on the wire.
    const { "content-encoding": _, "content-length": __, ...headers } = response.headers;
    return { status: response.status, headers, body, wireBytes: response.wireBytes };
  } catch (error) {
    if (error instanceof ServiceError && error.reason === "BODY_TOO_LARGE") throw replyTooLarge(init);
    throw new ServiceError(502, "CODEC", `${operation}: the reply is not ${encoding}, as its content encoding says`, {
      cause: error,
    });
  }
}

function replyTooLarge({ call, limitBytes }: ResponseTakerInit): ServiceError {
  const message = `${call.operation}: the reply is over the limit of ${limitBytes} bytes`;
  return new ServiceError(502, "BODY_TOO_LARGE", message);
}
