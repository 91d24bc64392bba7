import type { Logger } from "@clew/log";
import type { Instance, Registrar } from "@clew/registry";
import { TimeLimit } from "./time-limit.ts";

export interface RegistrationOptions {
  readonly registrar: Registrar;
  /** How long each call of the registrar may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly logger: Logger;
}

/**
 * The entry of one app in a registry.
 *
 *     register ─▶ move, each time its endpoints change ─▶ deregister
 *
 * The calls run one after the other: a move waits for the registration, and the deregistration waits for both, because it
 * must be the last call.
 */
export class Registration {
  readonly #options: RegistrationOptions;
  /**
   * The instance that the registrar was asked to register. It counts even if the call failed: the registrar may have
   * registered it nevertheless.
   */
  #instance: Instance | undefined;
  #isRegistered = false;
  /** The previous call of the registrar. Never rejects. */
  #previous: Promise<void> = Promise.resolve();

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /**
   * Rejects when the registrar rejects, and when it takes longer than its own limit or than the start may take. Gives up
   * when `stopSignal` aborts; that is not a failure.
   */
  async register(instance: Instance, startLimit: TimeLimit, stopSignal: AbortSignal): Promise<void> {
    const registering = this.#register(instance, startLimit, stopSignal);
    this.#previous = registering.catch(() => {});
    await registering;
  }

  /**
   * Registers an instance that replaces the current one, if one is registered. A failure is only logged: the next move may
   * succeed.
   */
  move(instance: Instance): void {
    this.#previous = this.#previous.then(() => this.#move(instance));
  }

  /**
   * Deregisters the instance that was registered, or that may have been. Rejects when that fails and it was registered.
   */
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
      // If the registration failed, the deregistration fails for the same reason, which was reported already.
      logger.warn("cannot deregister the app, which may or may not have been registered", { error });
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
      this.#options.logger.error("cannot register the new endpoints of the app", { error });
    }
  }

  /** Registering an instance again replaces it. */
  async #askToRegister(instance: Instance, controller: AbortController): Promise<void> {
    const { registrar, logger } = this.#options;
    await this.#ask("the registration", controller, (signal) => registrar.register(instance, signal));
    this.#isRegistered = true;
    logger.info("registered", { id: instance.id, endpoints: instance.endpoints });
  }

  /** Runs one call of the registrar within its time limit. After that, `controller` tells the registrar to give up. */
  async #ask(what: string, controller: AbortController, ask: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const limit = new TimeLimit("registrarTimeoutMs", this.#options.timeoutMs);
    // Also when the caller gave up before: otherwise the timer would keep the process alive.
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
