/**
 * Describes a given value for a message. The description is short, tells a string from a number, and never shows the content of
 * an object, which may hold a secret.
 */
export function tell(given: unknown): string {
  if (typeof given === "string") return JSON.stringify(given.length > 100 ? `${given.slice(0, 100)}...` : given);
  if (typeof given === "function") return "a function";
  if (Array.isArray(given)) return "a list";
  return typeof given === "object" && given !== null ? "an object" : String(given);
}
