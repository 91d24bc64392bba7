import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { SecureContextOptions } from "node:tls";
import { promisify } from "node:util";
import { gzip as gzipWithCallback } from "node:zlib";
import { sdkVersion } from "@clew/trace";
import { type Attempt, type Body, cut, lengthOf, noAnswer, noBytes, type Sender } from "./delivery.ts";
import { isRetryable, parseRetryAfter } from "./retry.ts";

const gzipAsync = promisify(gzipWithCallback);

/** 0.5 us a span, on another thread; level 6 takes three times as long for the same bytes. */
export function gzip(body: Buffer): Promise<Buffer> {
  return gzipAsync(body, { level: 1 });
}

export interface HttpSenderInit {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly contentType: string;
  /** Whether bodies are handed over as gzip. */
  readonly isCompressed: boolean;
  /** How long one request may take, from connecting to the end of the reply. */
  readonly timeoutMs: number;
  readonly tls: SecureContextOptions;
  /** Reads why a request was refused out of the reply to it. Default: its first words. */
  readonly readReason?: (reply: Buffer, contentType: string) => string;
}

/**
 * Sends requests by POST over HTTP/1.1, over connections of its own that stay open. Redirects are not followed: a collector has one
 * address, and its key goes nowhere else. Its sockets do not keep the process alive.
 */
export class HttpSender implements Sender {
  readonly #init: HttpSenderInit;
  readonly #request: typeof httpRequest;
  readonly #options: RequestOptions;
  readonly #agent: HttpAgent;

  constructor(init: HttpSenderInit) {
    this.#init = init;
    const isSecure = init.url.protocol === "https:";
    this.#request = isSecure ? httpsRequest : httpRequest;
    this.#agent = isSecure ? new HttpsAgent({ keepAlive: true, ...init.tls }) : new HttpAgent({ keepAlive: true });
    this.#options = {
      method: "POST",
      agent: this.#agent,
      headers: {
        "user-agent": `clew/${sdkVersion}`,
        ...init.headers,
        "content-type": init.contentType,
        ...(init.isCompressed ? { "content-encoding": "gzip" } : {}),
      },
    };
  }

  send(body: Body, signal: AbortSignal): Promise<Attempt> {
    const { url, timeoutMs } = this.#init;
    return new Promise((resolve) => {
      const request = this.#request(url, this.#options);
      const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      timer.unref();
      const cutOff = (): void => void request.destroy(new Error("the exporter is shut down"));
      signal.addEventListener("abort", cutOff);
      const settle = (attempt: Attempt): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", cutOff);
        resolve(attempt);
      };
      request.on("error", (error) => settle(noAnswer(error)));
      let hasResponse = false;
      // Without an error: a server that switches to another protocol.
      request.on("close", () => {
        if (!hasResponse) settle(noAnswer(new Error("the connection was closed without a reply")));
      });
      request.on("socket", (socket) => socket.unref());
      request.on("response", (response) => {
        hasResponse = true;
        readReply(response).then(
          (reply) => settle(this.#toAttempt(response, reply)),
          (error: unknown) => settle(noAnswer(error)),
        );
      });
      request.setHeader("content-length", lengthOf(body));
      if (Buffer.isBuffer(body)) request.end(body);
      else {
        // With the head in one write.
        request.cork();
        for (const piece of body) request.write(piece);
        request.end();
      }
    });
  }

  async close(): Promise<void> {
    this.#agent.destroy();
  }

  #toAttempt({ statusCode: status = 0, headers }: IncomingMessage, reply: Buffer): Attempt {
    if (status >= 200 && status < 300) return { outcome: "taken", reply, retryAfterMs: undefined, error: undefined };
    const { readReason } = this.#init;
    const reason = readReason?.(reply, headers["content-type"] ?? "") ?? reply.toString("utf8", 0, 200).trim();
    const isBusy = isRetryable(status);
    return {
      outcome: isBusy ? "busy" : "refused",
      reply: noBytes,
      retryAfterMs: isBusy ? parseRetryAfter(headers["retry-after"]) : undefined,
      error: new Error(`the collector answers ${status}${reason === "" ? "" : `: ${cut(reason)}`}`),
    };
  }
}

// A reply is a few bytes. Beyond this nobody reads on, and the connection is closed: the status has said already what became of the
// request.
const maxReplyBytes = 65_536;

async function readReply(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    // Leaving the loop destroys the response, and the connection with it.
    if (size > maxReplyBytes) return noBytes;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
