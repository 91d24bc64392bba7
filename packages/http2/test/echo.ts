import type { HeaderFields, ServerStream, StreamListener } from "@clew/http2";

export const replyHeaders: HeaderFields = [":status", "200", "content-type", "application/grpc+proto"];
export const replyTrailers: HeaderFields = ["grpc-status", "0"];

/** Sends back what it got, once all of it is there. */
export function echo(stream: ServerStream): StreamListener {
  const parts: Buffer[] = [];
  return {
    onData: (bytes) => void parts.push(bytes),
    onEnd: () => stream.sendReply(replyHeaders, Buffer.concat(parts), replyTrailers),
    onReset() {},
    onDrain() {},
  };
}

/** A listener that notes what happens, as text. */
export class Recorder implements StreamListener {
  readonly events: string[] = [];
  readonly bytes: Buffer[] = [];
  #waiters: (() => void)[] = [];

  onHeaders(fields: HeaderFields): void {
    this.#note(`headers ${fields.join(" ")}`);
  }

  onInformation(fields: HeaderFields): void {
    this.#note(`information ${fields.join(" ")}`);
  }

  onData(bytes: Buffer): void {
    this.bytes.push(bytes);
    this.#note(bytes.length > 32 ? `data of ${bytes.length}` : `data ${bytes.toString("latin1")}`);
  }

  onEnd(trailers: HeaderFields): void {
    this.#note(`end ${trailers.join(" ")}`.trim());
  }

  onReset(code: number, error: Error | undefined): void {
    this.#note(
      `reset ${code}${error === undefined ? "" : ` ${(error as Error & { code?: string }).code ?? error.name}`}`,
    );
  }

  onDrain(): void {
    this.#note("drain");
  }

  get text(): string {
    return Buffer.concat(this.bytes).toString("latin1");
  }

  /** Waits for an event that begins with `prefix`. */
  async expect(prefix: string): Promise<string> {
    const deadline = Date.now() + 10_000;
    for (;;) {
      const found = this.events.find((event) => event.startsWith(prefix));
      if (found !== undefined) return found;
      if (Date.now() > deadline) throw new Error(`no "${prefix}" in ${JSON.stringify(this.events)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 500);
        this.#waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #note(event: string): void {
    this.events.push(event);
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
