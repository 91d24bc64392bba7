import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { callCancelled, ServiceError } from "@clew/rpc";
import { optionInvalid } from "../errors.ts";
import { bodyTooLarge } from "./body.ts";
import {
  type MultipartEvent,
  type MultipartLimits,
  MultipartParser,
  type PartHead,
  resolveMultipartLimits,
} from "./multipart-parser.ts";

/** One part of a form, as it arrives. */
export interface MultipartPart extends PartHead {
  /** The bytes of the part. Read them before the next part: asking for the next part drops what was not read. */
  readonly stream: Readable;
}

export interface ReadMultipartOptions extends MultipartLimits {
  /** The maximum size of the body, in bytes. Default: 4 MiB. */
  bodyLimitBytes?: number;
}

/**
 * Reads a `multipart/form-data` request part by part, at the speed of the reader: nothing is kept in memory or on disk. If the
 * reader stops early, the rest of the request is dropped.
 *
 *     for await (const { name, filename, stream } of readMultipart(request)) await pipeline(stream, createWriteStream(path));
 *
 * @throws CLEW_TRANSPORT_OPTION at once. The iteration, and the stream that is being read, throw a ServiceError: 400 CODEC for
 * a body that is not a valid form, naming the part (415 for a content encoding), 413 BODY_TOO_LARGE over a limit, 499
 * CLIENT_CLOSED when the caller disconnects
 */
export function readMultipart(
  request: IncomingMessage,
  options: ReadMultipartOptions = {},
): AsyncGenerator<MultipartPart, void, undefined> {
  const { bodyLimitBytes = 4 * 1024 * 1024 } = options;
  if (!(bodyLimitBytes >= 0)) throw optionInvalid("bodyLimitBytes", bodyLimitBytes, "a number of 0 or more");
  return readParts(request, resolveMultipartLimits(options), bodyLimitBytes);
}

async function* readParts(
  request: IncomingMessage,
  limits: ReturnType<typeof resolveMultipartLimits>,
  bodyLimitBytes: number,
): AsyncGenerator<MultipartPart, void, undefined> {
  const encoding = request.headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    throw new ServiceError(415, "CODEC", `the body has the content encoding "${encoding}"; send it without one`);
  }
  const parser = new MultipartParser(request.headers["content-type"], limits);
  if (Number(request.headers["content-length"] ?? 0) > bodyLimitBytes) throw bodyTooLarge(bodyLimitBytes);
  const source = new PartSource(request, parser, bodyLimitBytes);
  let stream: PartStream | undefined;
  try {
    for (;;) {
      stream?.destroy();
      const event = await source.next();
      if (event.kind === "over") {
        await source.drain();
        return;
      }
      if (event.kind !== "part") continue;
      stream = new PartStream(source);
      yield { ...event.head, stream };
    }
  } finally {
    stream?.destroy();
    source.close();
  }
}

/** What a request says, an event at a time. Two may ask: who reads a part, and who wants the next one while that goes on. */
class PartSource {
  readonly #request: IncomingMessage;
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #parser: MultipartParser;
  readonly #bodyLimitBytes: number;
  #length = 0;
  #filling: Promise<void> | undefined;
  #failure: ServiceError | undefined;
  #hasEnded = false;

  constructor(request: IncomingMessage, parser: MultipartParser, bodyLimitBytes: number) {
    this.#request = request;
    // Who breaks off still has to answer, over the same connection.
    this.#chunks = request.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    this.#parser = parser;
    this.#bodyLimitBytes = bodyLimitBytes;
  }

  /** @throws ServiceError, the same from then on */
  async next(): Promise<MultipartEvent> {
    for (;;) {
      const event = this.take();
      if (event !== undefined) return event;
      await this.fill();
    }
  }

  /** The next event, if it is here. */
  take(): MultipartEvent | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return this.#parser.next();
    } catch (error) {
      this.#failure = error as ServiceError;
      throw error;
    }
  }

  /** Waits for more of the request. */
  fill(): Promise<void> {
    this.#filling ??= this.#fill().finally(() => {
      this.#filling = undefined;
    });
    return this.#filling;
  }

  /** Reads what comes after the last part, so that the connection can be used again. */
  async drain(): Promise<void> {
    while (!this.#hasEnded) await this.fill();
  }

  /** Lets go of the request. What is left of it passes unread, or the connection would be stuck with it. */
  close(): void {
    // Not awaited: it waits for a piece that is asked for, and that may never come.
    void this.#chunks.return?.().then(
      () => this.#request.resume(),
      () => {},
    );
  }

  async #fill(): Promise<void> {
    try {
      const { done, value } = await this.#chunks.next();
      if (done === true) {
        this.#hasEnded = true;
        this.#parser.complete();
        return;
      }
      this.#length += value.length;
      if (this.#length > this.#bodyLimitBytes) throw bodyTooLarge(this.#bodyLimitBytes);
      this.#parser.feed(value);
    } catch (error) {
      const { method, url } = this.#request;
      this.#failure = error instanceof ServiceError ? error : callCancelled(`${method} ${url}`, error);
      throw this.#failure;
    }
  }
}

class PartStream extends Readable {
  readonly #source: PartSource;
  #isReading = false;

  constructor(source: PartSource) {
    super();
    this.#source = source;
  }

  override _read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    void this.#pump()
      .catch((error: Error) => this.destroy(error))
      .finally(() => {
        this.#isReading = false;
      });
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // The iteration throws it as well; where nobody listens it does not end the process.
    callback(this.listenerCount("error") > 0 ? error : null);
  }

  async #pump(): Promise<void> {
    for (;;) {
      // The iteration may have gone on meanwhile; the events are its own then.
      if (this.destroyed) return;
      const event = this.#source.take();
      if (event === undefined) await this.#source.fill();
      else if (event.kind === "data") {
        if (!this.push(event.bytes)) return;
      } else {
        this.push(null);
        return;
      }
    }
  }
}
