import { longestTimerMs } from "@clew/options";
import { type Level, parseLevel } from "./level.ts";

interface Named {
  readonly level: Level;
}

/** What is known of a logger, without keeping it alive. */
interface Entry {
  readonly reference: WeakRef<Named>;
  /** Whether it was made by itself, and is no other's child. */
  readonly isRoot: boolean;
}

/** Names kept for the list; an app that makes a logger for each user must not fill memory with them. */
const maxNames = 1000;

/**
 * The levels of loggers by name, for operators: what is set here wins over what the code says, until it is cleared. A name with
 * dots is below those before them: `user` is also for `user.db`. `*` is for all.
 */
export class LogLevels {
  readonly #set = new Map<string, Level>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #loggers = new Map<string, Entry>();
  #version = 0;

  /** Grows with every change, so that loggers need to look only then. */
  get version(): number {
    return this.#version;
  }

  /**
   * Sets the level of the loggers with this name and of those below, for a time or for good.
   *
   * @throws CLEW_LOG_LEVEL when it is none.
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

  /** Takes back what was set for this name. */
  clear(name: string): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
    if (this.#set.delete(name)) this.changed();
  }

  /** What was set for this name, for one above it or for all; undefined when the code decides. */
  find(name: string): Level | undefined {
    if (this.#set.size === 0) return undefined;
    for (let end = name.length; end > 0; end = name.lastIndexOf(".", end - 1)) {
      const level = this.#set.get(name.slice(0, end));
      if (level !== undefined) return level;
    }
    return this.#set.get("*");
  }

  /** The loggers that there are, with the level each has; loggers without a name are `*`. And what was set here. */
  list(): { loggers: Record<string, Level>; set: Record<string, Level> } {
    const loggers: Record<string, Level> = {};
    for (const [name, { reference }] of [...this.#loggers].sort(([one], [other]) => (one < other ? -1 : 1))) {
      const logger = reference.deref();
      if (logger === undefined) this.#loggers.delete(name);
      else loggers[name] = logger.level;
    }
    return { loggers, set: Object.fromEntries(this.#set) };
  }

  /** For loggers: one is there under this name. */
  add(name: string, logger: Named, isRoot: boolean): void {
    const key = name || "*";
    const known = this.#loggers.get(key);
    // The first one stays: what comes later under its name is mostly its children.
    if (known?.reference.deref() !== undefined) return;
    if (known === undefined && this.#loggers.size >= maxNames && !(isRoot && this.#forgetChild())) return;
    this.#loggers.set(key, { reference: new WeakRef(logger), isRoot });
  }

  /** Makes space in the list. Whoever makes children under ever new names must not push the app's own loggers out. */
  #forgetChild(): boolean {
    for (const [name, { isRoot }] of this.#loggers) if (!isRoot) return this.#loggers.delete(name);
    return false;
  }

  /** For loggers: a level has changed. */
  changed(): void {
    this.#version++;
  }
}

/** The levels of this process. */
export const logLevels: LogLevels = new LogLevels();
