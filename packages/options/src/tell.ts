/** What was given, for a message: short, a text is not mistaken for a number, and nothing is written out that may be a secret. */
export function tell(given: unknown): string {
  if (typeof given === "string") return JSON.stringify(given.length > 100 ? `${given.slice(0, 100)}...` : given);
  if (typeof given === "function") return "a function";
  if (Array.isArray(given)) return "a list";
  return typeof given === "object" && given !== null ? "an object" : String(given);
}
