import { AsyncResource } from "node:async_hooks";

/** What a timer asks of its clock. */
export interface TimerHost {
  /** Puts the timer on the clock, anew if it is there already. */
  arm(timer: FakeTimer): void;
  disarm(timer: FakeTimer): void;
}

export interface FakeTimerInit {
  readonly host: TimerHost;
  readonly id: number;
  readonly delayMs: number;
  readonly isRepeating: boolean;
  readonly run: () => void;
}

/** What `setTimeout` and `setInterval` return under a fake clock: a NodeJS.Timeout as far as programs use it. */
export class FakeTimer implements Disposable {
  readonly id: number;
  readonly delayMs: number;
  readonly isRepeating: boolean;
  readonly #host: TimerHost;
  readonly #run: () => void;
  // As a real timer, it runs in the context it was made in.
  readonly #resource: AsyncResource = new AsyncResource("FakeTimer");
  #hasRef = true;

  constructor({ host, id, delayMs, isRepeating, run }: FakeTimerInit) {
    this.#host = host;
    this.id = id;
    this.delayMs = delayMs;
    this.isRepeating = isRepeating;
    this.#run = run;
  }

  fire(): void {
    this.#resource.runInAsyncScope(this.#run);
  }

  ref(): this {
    this.#hasRef = true;
    return this;
  }

  unref(): this {
    this.#hasRef = false;
    return this;
  }

  hasRef(): boolean {
    return this.#hasRef;
  }

  refresh(): this {
    this.#host.arm(this);
    return this;
  }

  close(): this {
    this.#host.disarm(this);
    return this;
  }

  [Symbol.toPrimitive](): number {
    return this.id;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
