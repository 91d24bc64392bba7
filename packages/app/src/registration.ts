import type { Logger } from "@clew/log";
import type { Instance, Registrar } from "@clew/registry";
import { TimeLimit } from "./time-limit.ts";

export interface RegistrationOptions {
  readonly registrar: Registrar;
  /** How long the registrar may take each time, in milliseconds. */
  readonly timeoutMs: number;
  readonly logger: Logger;
}

/**
 * Where callers find one app.
 *
 *     register ─▶ move, each time its endpoints change ─▶ deregister
 *
 * One follows the other: a move waits for the registration, and the deregistration for both, for it must be the last word.
 */
export class Registration {
  readonly #options: RegistrationOptions;
  /** What the registrar was asked to register, whether it did or not: it may have, and not said so. */
  #instance: Instance | undefined;
  #isRegistered = false;
  /** What was asked of the registrar before. Never rejects. */
  #previous: Promise<void> = Promise.resolve();

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /**
   * Rejects when the registrar does, or takes longer than it may or than the start. It is given up when `stopSignal` aborts,
   * which is no failure.
   */
  async register(instance: Instance, startLimit: TimeLimit, stopSignal: AbortSignal): Promise<void> {
    const registering = this.#register(instance, startLimit, stopSignal);
    this.#previous = registering.catch(() => {});
    await registering;
  }

  /** Registers what takes the place of the instance, if that is registered. A failure is logged: the next move may do better. */
  move(instance: Instance): void {
    this.#previous = this.#previous.then(() => this.#move(instance));
  }

  /** Takes back what was registered, or may have been. Rejects when that fails and it was registered. */
  async deregister(): Promise<void> {
    const { registrar, logger } = this.#options;
    await this.#previous;
    const instance = this.#instance;
    if (instance === undefined) return;
    const wasRegistered = this.#isRegistered;
    this.#instance = undefined;
    this.#isRegistered = false;
    try {
      await this.#ask("the deregistration", new AbortController(), (signal) => registrar.deregister(instance, signal));
    } catch (error) {
      if (wasRegistered) throw error;
      // What was not registered fails to be deregistered for the same reason, which is reported already.
      logger.warn("cannot deregister what may have been registered", { error });
    }
  }

  async #register(instance: Instance, startLimit: TimeLimit, stopSignal: AbortSignal): Promise<void> {
    this.#instance = instance;
    const controller = new AbortController();
    const giveUp = (): void => controller.abort(stopSignal.reason);
    stopSignal.addEventListener("abort", giveUp, { once: true });
    try {
      await startLimit.race(() => this.#askToRegister(instance, controller), "the registration");
    } catch (error) {
      controller.abort(error);
      if (!stopSignal.aborted) throw error;
    } finally {
      stopSignal.removeEventListener("abort", giveUp);
    }
  }

  async #move(instance: Instance): Promise<void> {
    if (!this.#isRegistered) return;
    this.#instance = instance;
    try {
      await this.#askToRegister(instance, new AbortController());
    } catch (error) {
      this.#options.logger.error("cannot register where the app is now", { error });
    }
  }

  /** Registering an instance again replaces it. */
  async #askToRegister(instance: Instance, controller: AbortController): Promise<void> {
    const { registrar, logger } = this.#options;
    await this.#ask("the registration", controller, (signal) => registrar.register(instance, signal));
    this.#isRegistered = true;
    logger.info("registered", { id: instance.id, endpoints: instance.endpoints });
  }

  /** What the registrar does, within its time; then `controller` tells it to give up. */
  async #ask(what: string, controller: AbortController, ask: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const limit = new TimeLimit("registrarTimeoutMs", this.#options.timeoutMs);
    // Also when whoever asked has given up before: the timer would keep the process alive.
    controller.signal.addEventListener("abort", () => limit.end(), { once: true });
    try {
      await limit.race(() => ask(controller.signal), what);
    } catch (error) {
      controller.abort(error);
      throw error;
    } finally {
      limit.end();
    }
  }
}
