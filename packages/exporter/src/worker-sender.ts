import { getDefaultResultOrder } from "node:dns";
import tls from "node:tls";
import { Worker } from "node:worker_threads";
import { type Attempt, type Body, lengthOf, noAnswer, type Sender } from "./delivery.ts";
import type { OtlpSettings } from "./otlp-options.ts";

/** The thread's start data: the settings in a form that a message can carry, and this thread's settings for connections. */
export interface SenderThreadData {
  readonly settings: Omit<OtlpSettings, "url" | "logger" | "thread">;
  readonly url: string;
  readonly dnsOrder: ReturnType<typeof getDefaultResultOrder>;
}

/** One request that the thread is to send. */
export interface SendOrder {
  readonly id: number;
  /** The thread owns the buffer from now on. */
  readonly body: Uint8Array<ArrayBuffer>;
}

/** The result of the thread's {@link Attempt}. Errors are sent as their messages. */
export interface SendAnswer extends Omit<Attempt, "reply" | "error"> {
  readonly id: number;
  readonly reply: Uint8Array<ArrayBuffer>;
  readonly error: string | undefined;
}

export interface WorkerSenderInit {
  readonly settings: OtlpSettings;
  /** The thread's program. Default: `otlp-thread`. */
  readonly program?: URL;
  /** The time that the thread has beyond an attempt's timeout, to start and to compress, in milliseconds. Default: 10_000. */
  readonly graceMs?: number;
}

/**
 * Sends requests from a separate thread, which runs the clients of {@link createOtlpSender}: framing, gzip, TLS and sockets use no
 * time of this thread. This thread only copies the body into one buffer and transfers it.
 *
 *     main     Delivery ─▶ copy ─▶ ┐                      ┌─▶ Attempt
 *     worker                       └─▶ gzip ─▶ send ─▶ reply
 *
 * The thread starts with the first request, loads nothing that the process preloads, and does not keep the process alive. If it
 * cannot start, dies or hangs, the attempt has no answer (it may have arrived), and the next attempt starts another thread.
 */
export class WorkerSender implements Sender {
  readonly #data: SenderThreadData;
  readonly #program: URL;
  readonly #limitMs: number;
  readonly #waiting = new Map<number, (attempt: Attempt) => void>();
  #nextId = 0;
  #worker: Worker | undefined;

  constructor({ settings, program = findProgram(), graceMs = 10_000 }: WorkerSenderInit) {
    this.#data = toThreadData(settings);
    this.#program = program;
    this.#limitMs = settings.timeoutMs + graceMs;
  }

  send(body: Body, signal: AbortSignal): Promise<Attempt> {
    return new Promise((resolve) => {
      const id = this.#nextId++;
      const settle = (attempt: Attempt): void => {
        this.#waiting.delete(id);
        clearTimeout(timer);
        signal.removeEventListener("abort", cutOff);
        resolve(attempt);
      };
      const cutOff = (): void => settle(noAnswer(new Error("the exporter is shut down")));
      const timer = setTimeout(() => void this.#worker?.terminate(), this.#limitMs);
      timer.unref();
      signal.addEventListener("abort", cutOff);
      this.#waiting.set(id, settle);
      try {
        this.#worker ??= this.#start();
        const order: SendOrder = { id, body: copyOf(body) };
        this.#worker.postMessage(order, [order.body.buffer]);
      } catch (error) {
        settle(noAnswer(error));
      }
    });
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    // The thread must not load what the process preloads (an agent, a loader), by NODE_OPTIONS or by execArgv.
    const { NODE_OPTIONS = "", ...env } = process.env;
    // This option is kept: it decides which certificates the process trusts.
    if (`${NODE_OPTIONS} ${process.execArgv}`.includes("--use-system-ca")) env.NODE_USE_SYSTEM_CA = "1";
    const worker = new Worker(this.#program, { name: "clew-otlp", workerData: this.#data, execArgv: [], env });
    let reason: unknown = new Error("the thread that sends has ended");
    worker.on("message", (answer: SendAnswer) => this.#waiting.get(answer.id)?.(toAttempt(answer)));
    worker.on("error", (error) => {
      reason = error;
    });
    // Comes after all of its answers.
    worker.on("exit", () => {
      this.#worker = undefined;
      for (const settle of [...this.#waiting.values()]) settle(noAnswer(reason));
    });
    // Must come last: adding a listener refs the worker again.
    worker.unref();
    return worker;
  }
}

// The code runs from sources by type stripping, or built; the built program lies beside the entry point.
function findProgram(): URL {
  return new URL(`./otlp-thread${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
}

function toThreadData({ url, logger, thread, ...settings }: OtlpSettings): SenderThreadData {
  const { DEFAULT_MIN_VERSION: minVersion, DEFAULT_MAX_VERSION: maxVersion, DEFAULT_CIPHERS: ciphers } = tls;
  // As text: a Buffer would arrive as a Uint8Array, together with all of the memory that it is a part of.
  const pem = Object.entries(settings.tls).map(([name, value]) => [name, Buffer.isBuffer(value) ? `${value}` : value]);
  return {
    settings: { ...settings, tls: { minVersion, maxVersion, ciphers, ...Object.fromEntries(pem) } },
    url: url.href,
    dnsOrder: getDefaultResultOrder(),
  };
}

/** Copies a body into memory of its own: a message transfers the whole buffers that its arrays are parts of. */
function copyOf(body: Body): Uint8Array<ArrayBuffer> {
  const copy = Buffer.allocUnsafeSlow(lengthOf(body));
  let at = 0;
  for (const piece of Buffer.isBuffer(body) ? [body] : body) {
    copy.set(piece, at);
    at += piece.length;
  }
  return copy;
}

function toAttempt({ reply, error, outcome, retryAfterMs, sentBytes }: SendAnswer): Attempt {
  return {
    outcome,
    reply: Buffer.from(reply.buffer),
    retryAfterMs,
    error: error === undefined ? undefined : new Error(error),
    ...(sentBytes === undefined ? {} : { sentBytes }),
  };
}
