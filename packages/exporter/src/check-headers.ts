import { optionError } from "./errors.ts";

/**
 * Checks that headers can be sent: a name is a token, a value has visible characters with spaces between (RFC 9110 section 5).
 *
 * @param given the name of the option or the variable that contains them
 * @throws CLEW_EXPORTER_OPTION
 */
export function checkHeaders(given: string, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (/^[\w!#$%&'*+.^`|~-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)) continue;
    throw optionError(
      `${given} has the header ${JSON.stringify(name)} with ${JSON.stringify(value)}; a name is one word, and a value is ` +
        "text in one line without characters beyond latin1",
    );
  }
}
