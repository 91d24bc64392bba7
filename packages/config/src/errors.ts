import type { OptionError } from "@clew/options";

/**
 * An error in a configuration, or in the options with which it is loaded. `code` is stable; the message is one line and says what
 * would work.
 */
function configError(code: string, message: string, cause?: unknown): Error & { readonly code: string } {
  return Object.assign(new Error(message, cause === undefined ? undefined : { cause }), { code });
}

export function fileMissing(path: string, fullPath: string, cause: unknown): Error {
  const where = path === fullPath ? "" : ` (looked for ${fullPath})`;
  return configError(
    "CLEW_CONFIG_MISSING",
    `config ${path} does not exist${where}: create it or give another path`,
    cause,
  );
}

export function fileUnreadable(path: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return configError("CLEW_CONFIG_UNREADABLE", `config ${path} cannot be read: ${reason}`, cause);
}

export function directoryEmpty(path: string, extensions: readonly string[]): Error {
  return configError(
    "CLEW_CONFIG_MISSING",
    `config ${path} is a folder that contains no file ending in ${extensions.join(", ")}: add one or give another path`,
  );
}

export function formatUnknown(name: string, extensions: readonly string[]): Error {
  return configError(
    "CLEW_CONFIG_FORMAT",
    `config ${name} has an unknown format; its name must end in ${extensions.join(", ")}`,
  );
}

export function syntaxInvalid(place: string, format: string, reason: string, cause?: unknown): Error {
  return configError("CLEW_CONFIG_SYNTAX", `${place}: not valid ${format}: ${reason.replace(/\s+/g, " ")}`, cause);
}

export function rootNotMap(place: string, found: string): Error {
  return configError(
    "CLEW_CONFIG_SYNTAX",
    `${place}: a configuration must be a map of keys, such as "server:"; this is ${found}`,
  );
}

export function variableOverMap(place: string, path: string, keys: readonly string[]): Error {
  return configError(
    "CLEW_CONFIG_VARIABLE",
    `${place} would replace all of "${path}"; set one of its keys instead: ${keys.join(", ")}`,
  );
}

export function flagUnknown(name: string, nearest: readonly string[], known: readonly string[]): Error {
  const some = known.slice(0, 12).map((one) => `--${one}`);
  const all =
    known.length > some.length ? `${some.join(", ")} and ${known.length - some.length} more` : some.join(", ");
  const hint =
    nearest.length > 0
      ? `did you mean ${nearest.map((one) => `--${one}`).join(" or ")}?`
      : known.length > 0
        ? `known: ${all}`
        : "no key is known: give loadConfig a schema, or a file that has the key";
  return configError("CLEW_CONFIG_FLAG", `flag --${name} is unknown; ${hint}`);
}

export function flagOverMap(name: string, keys: readonly string[]): Error {
  const better = keys.map((key) => `--${name}.${key}`).join(", ");
  return configError(
    "CLEW_CONFIG_FLAG",
    `flag --${name} would replace a whole map; set one of its keys instead: ${better}`,
  );
}

export function flagWithoutValue(name: string): Error {
  return configError("CLEW_CONFIG_FLAG", `flag --${name} needs a value: --${name}=VALUE`);
}

export function sizeInvalid(given: unknown): Error {
  return configError(
    "CLEW_CONFIG_SIZE",
    `${JSON.stringify(given)} is not a size; write it as 512B, 64KiB, 10MB or 1.5GiB, or as a number of bytes`,
  );
}

export function keyMissing(key: string): Error {
  return configError(
    "CLEW_CONFIG_KEY",
    `the configuration has no key ${key}: set it, or give a fallback value where it is read`,
  );
}

export function valueInvalid(key: string, place: string, reason: string): Error {
  return configError("CLEW_CONFIG_TYPE", `${place}: ${key} ${reason}`);
}

export function placeholderUnknown(place: string, path: string, name: string): Error {
  return configError(
    "CLEW_CONFIG_PLACEHOLDER",
    `${place}: ${path} uses \${${name}}, which is neither a key of the configuration nor a variable of a source: set it, or give a default as in \${${name}:default}`,
  );
}

export function placeholderMalformed(place: string, path: string, text: string, reason: string): Error {
  return configError(
    "CLEW_CONFIG_PLACEHOLDER",
    `${place}: ${path} is ${JSON.stringify(text)}: ${reason}; the form is \${NAME:default}, and $\${ stands for a plain \${`,
  );
}

export function placeholderCircle(place: string, path: string, circle: readonly string[]): Error {
  return configError(
    "CLEW_CONFIG_PLACEHOLDER",
    `${place}: ${path}: placeholders refer to each other in a circle: ${circle.join(" -> ")}`,
  );
}

export function placeholderNotText(place: string, path: string, name: string): Error {
  return configError(
    "CLEW_CONFIG_PLACEHOLDER",
    `${place}: ${path} puts \${${name}} inside a string, but "${name}" is a map or a list; use a key that holds one value`,
  );
}

export function configInvalid(problems: readonly string[]): Error {
  return configError("CLEW_CONFIG_INVALID", problems.join("; "));
}

export function durationInvalid(given: unknown): Error {
  return configError(
    "CLEW_CONFIG_DURATION",
    `${JSON.stringify(given)} is not a duration; write it as 250ms, 1s, 1m30s, 1.5h or 2d, or as a number of milliseconds`,
  );
}

export const optionError: OptionError = (message) => configError("CLEW_CONFIG_OPTION", message);

export function configClosed(): Error {
  return configError(
    "CLEW_CONFIG_CLOSED",
    "the config is closed and can no longer be watched: call watch() before close()",
  );
}
