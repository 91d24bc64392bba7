/** Whether code may be made from strings here: not under --disallow-code-generation-from-strings. */
export const canGenerate: boolean = (() => {
  try {
    return new Function("return true")() as boolean;
  } catch {
    return false;
  }
})();

/** The source of one generated function, and what it refers to. Names out of a descriptor enter it only through {@link quote}. */
export class Source {
  readonly #constants = new Map<unknown, string>();
  readonly #lines: string[] = [];

  /** The name by which the code knows `value`. */
  constant(value: unknown): string {
    let name = this.#constants.get(value);
    if (name === undefined) {
      name = `c${this.#constants.size}`;
      this.#constants.set(value, name);
    }
    return name;
  }

  add(...lines: string[]): void {
    this.#lines.push(...lines);
  }

  /** The function, from the expression that was added. */
  build<T>(): T {
    // Constants and not parameters: V8 puts a const of a function that ran once into the machine code itself.
    const names = [...this.#constants.values()];
    const head = names.length === 0 ? "" : `const [${names.join(", ")}] = constants;\n`;
    const make = new Function("constants", `"use strict";\n${head}return ${this.#lines.join("\n")}`);
    return make([...this.#constants.keys()]) as T;
  }
}

/** A string as a literal of the source. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
