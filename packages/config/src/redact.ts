import { type Shape, shapeAt } from "./shape.ts";
import type { Path, Tree } from "./tree.ts";

const secretPattern =
  /pass(word|wd|phrase)|passw?d?$|secret|token|api[-_]?key|private[-_]?key|credential|authorization|cookie|(^|[-_.])dsn$/i;

/** Whether the name of a key or variable says that its value is secret. */
export function isSecretName(name: string | number): boolean {
  return secretPattern.test(String(name));
}

/** The texts that must not be shown. */
export class Secrets {
  readonly #shape: Shape | undefined;
  readonly #texts: Set<string> = new Set();

  /** `shape` says which values are secret besides those with a secret name. */
  constructor(shape: Shape | undefined) {
    this.#shape = shape;
  }

  add(value: unknown): void {
    if (typeof value === "string" || typeof value === "number") {
      if (String(value) !== "") this.#texts.add(String(value));
    } else if (Array.isArray(value)) {
      for (const item of value) this.add(item);
    }
  }

  /** Adds every value below a key that is secret by its name or by the schema. */
  addFrom(tree: Tree): void {
    const visit = (value: unknown, known: Shape | undefined, isSecret: boolean): void => {
      if (typeof value !== "object" || value === null) {
        if (isSecret) this.add(value);
        return;
      }
      for (const [key, inner] of Object.entries(value)) {
        const below = shapeAt(known, Array.isArray(value) ? Number(key) : key);
        visit(inner, below, isSecret || below?.isSecret === true || (!Array.isArray(value) && isSecretName(key)));
      }
    };
    visit(tree, this.#shape, false);
  }

  /**
   * Returns the text with *** in place of secrets and of passwords in URLs. `path` is the path that the text is about.
   */
  redact(text: string, path: Path = []): string {
    let safe = text.replace(/\b([a-z][a-z\d+.-]*:\/\/)[^/\s@"']+@/gi, "$1***@");
    const isAboutSecret = this.#isSecret(path);
    // Longest first: one secret may be part of another.
    for (const secret of [...this.#texts].sort((a, b) => b.length - a.length)) {
      // A short secret occurs inside many words. It is replaced only where it stands as a value, or where the text is
      // about it.
      if (secret.length >= 6 || isAboutSecret) safe = safe.replaceAll(secret, "***");
      else safe = safe.replaceAll(JSON.stringify(secret), '"***"');
    }
    return safe;
  }

  #isSecret(path: Path): boolean {
    let shape = this.#shape;
    return path.some((key) => {
      shape = shapeAt(shape, key);
      return isSecretName(key) || shape?.isSecret === true;
    });
  }
}
