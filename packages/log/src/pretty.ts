import type { Destination, LineWriter, PlainFields } from "./line.ts";
import type { Plain } from "./plain.ts";

/** The column where fields start when the message is short, so that they line up. */
const messageWidth = 36;

const styles = { debug: "90", info: "32", warn: "33", error: "31", dim: "2", bold: "1" } as const;
type Style = keyof typeof styles;

/** Whether a stream should get colours: it is a terminal, and NO_COLOR does not forbid it (no-color.org). */
export function isColored(stream: { isTTY?: boolean }, env: Readonly<Record<string, string | undefined>>): boolean {
  return stream.isTTY === true && (env.NO_COLOR ?? "") === "" && env.TERM !== "dumb";
}

/**
 * Writes lines for people:
 *
 *     12:34:56.789 INFO  user  server listening           endpoint=http://127.0.0.1:8000
 *     12:34:57.001 ERROR user  call failed                operation=/user.v1.User/Get trace_id=4bf9...
 *         ServiceError 404 USER_NOT_FOUND: no user 7
 *             at ...
 *         caused by Error: connection lost
 *
 * The time is local. Control characters are shown, not sent: a logged header cannot move the cursor.
 */
export function createPrettyWriter(destination: Destination, color: boolean): LineWriter {
  const paint = (style: Style, text: string): string => (color ? `\x1b[${styles[style]}m${text}\x1b[0m` : text);
  return (level, message, fields) => {
    const { name, ...rest } = fields;
    const head = [paint("dim", clock(new Date())), paint(level, level.toUpperCase().padEnd(5))];
    if (name !== undefined) head.push(`${paint("bold", showControls(textOf(name)))} `);
    const words: string[] = [];
    const blocks: string[] = [];
    for (const [key, value] of Object.entries(rest)) {
      // The trace id is enough to find the trace; the span id would only widen the line.
      if (key === "span_id") continue;
      if (isError(value)) blocks.push(...errorLines(value, key));
      else words.push(`${paint("dim", `${showControls(key)}=`)}${fieldText(value)}`);
    }
    const text = showControls(message);
    let line = `${head.join(" ")} ${words.length > 0 ? text.padEnd(messageWidth) : text}`;
    if (words.length > 0) line += ` ${words.join(" ")}`;
    for (const block of blocks) line += `\n    ${block}`;
    destination.write(`${line}\n`);
  };
}

function clock(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const seconds = `${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, "0")}`;
  return `${two(time.getHours())}:${two(time.getMinutes())}:${seconds}`;
}

function textOf(value: Plain): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function fieldText(value: Plain): string {
  const text = textOf(value);
  // Quotes are added only where the end of the value would be unclear.
  return typeof value === "string" && /^$|[\s"=]/.test(text) ? JSON.stringify(text) : showControls(text);
}

// Recognizes an error as toPlain writes it: its stack distinguishes it from other objects with a message.
function isError(value: Plain): value is PlainFields & { message?: string; stack?: string } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && typeof value.stack === "string";
}

function errorLines(error: PlainFields, label: string): string[] {
  const { name, code, reason, message, stack, cause, errors, ...rest } = error;
  const title = [name, code, reason].filter((part) => part !== undefined).map(textOf);
  const lines = [`${label}: ${showControls(`${title.join(" ")}: ${textOf(message ?? "")}`)}`];
  if (Object.keys(rest).length > 0) lines.push(`    ${showControls(JSON.stringify(rest))}`);
  const frames = textOf(stack ?? "")
    .split("\n")
    .filter((line) => /^\s+at /.test(line));
  lines.push(...frames.map((frame) => `    ${showControls(frame.trim())}`));
  if (Array.isArray(errors)) {
    for (const one of errors) lines.push(...nestedLines(one, "one of").map((line) => `  ${line}`));
  }
  if (cause !== undefined) lines.push(...nestedLines(cause, "caused by"));
  return lines;
}

function nestedLines(value: Plain, label: string): string[] {
  return isError(value) ? errorLines(value, label) : [`${label}: ${showControls(textOf(value))}`];
}

function showControls(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are the ones that a terminal obeys
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) =>
    JSON.stringify(character)
      .slice(1, -1)
      .replace(/^[\u007f-\u009f]$/, escapeHigh),
  );
}

function escapeHigh(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
