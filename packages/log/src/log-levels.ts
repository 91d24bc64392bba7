import { longestTimerMs } from "@clew/options";
import { type Level, parseLevel } from "./level.ts";

interface Named {
  readonly level: Level;
}

/** What is recorded about a logger, without keeping it alive. */
interface Entry {
  readonly reference: WeakRef<Named>;
  /** Whether the logger was created directly, not as a child of another. */
  readonly isRoot: boolean;
}

/** The number of names kept for the list: an app that makes a logger for each user must not fill the memory. */
const maxNames = 1000;

/**
 * The levels of loggers by name, for operators. A level that is set here overrides the level in the code until it is cleared. A
 * name includes the names below it: `user` also applies to `user.db`. `*` applies to all loggers.
 */
export class LogLevels {
  readonly #set = new Map<string, Level>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #loggers = new Map<string, Entry>();
  #version = 0;

  /** Increases with every change: loggers look up their level again only when it has changed. */
  get version(): number {
    return this.#version;
  }

  /**
   * Sets the level of the loggers with this name and below it, permanently or for `forMs` milliseconds.
   *
   * @throws CLEW_LOG_LEVEL when `level` is not a level.
   */
  set(name: string, level: Level, forMs?: number): void {
    const known = parseLevel(level);
    this.clear(name);
    this.#set.set(name, known);
    this.changed();
    if (forMs !== undefined) {
      const timer = setTimeout(() => this.clear(name), Math.min(forMs, longestTimerMs));
      timer.unref();
      this.#timers.set(name, timer);
    }
  }

  /** Clears the level that was set for this name. */
  clear(name: string): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
    if (this.#set.delete(name)) this.changed();
  }

  /**
   * Returns the level set for this name, for a name above it or for all; undefined when none is set and the code
   * decides.
   */
  find(name: string): Level | undefined {
    if (this.#set.size === 0) return undefined;
    for (let end = name.length; end > 0; end = name.lastIndexOf(".", end - 1)) {
      const level = this.#set.get(name.slice(0, end));
      if (level !== undefined) return level;
    }
    return this.#set.get("*");
  }

  /**
   * Lists the loggers that exist, each with its level, and the levels that were set here. Loggers without a name are
   * listed as `*`.
   */
  list(): { loggers: Record<string, Level>; set: Record<string, Level> } {
    const loggers: Record<string, Level> = {};
    for (const [name, { reference }] of [...this.#loggers].sort(([one], [other]) => (one < other ? -1 : 1))) {
      const logger = reference.deref();
      if (logger === undefined) this.#loggers.delete(name);
      else loggers[name] = logger.level;
    }
    return { loggers, set: Object.fromEntries(this.#set) };
  }

  /** Called by a logger when it is created. */
  add(name: string, logger: Named, isRoot: boolean): void {
    const key = name || "*";
    const known = this.#loggers.get(key);
    // The first logger of a name stays in the list: later ones are mostly its children.
    if (known?.reference.deref() !== undefined) return;
    if (known === undefined && this.#loggers.size >= maxNames && !(isRoot && this.#forgetChild())) return;
    this.#loggers.set(key, { reference: new WeakRef(logger), isRoot });
  }

  /**
   * Makes room in the list by removing a child. Code that creates children under ever new names must not push out the
   * app's own loggers.
   */
  #forgetChild(): boolean {
    for (const [name, { isRoot }] of this.#loggers) if (!isRoot) return this.#loggers.delete(name);
    return false;
  }

  /** Called by a logger when its level has changed. */
  changed(): void {
    this.#version++;
  }
}

/** The levels of this process. */
export const logLevels: LogLevels = new LogLevels();
