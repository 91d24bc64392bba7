import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** The page that shows a document, with its security policy. */
export interface Page {
  readonly html: Buffer;
  /** Content-Security-Policy: its own script and style by their hashes, requests and WebSockets to the servers of the document. */
  readonly policy: string;
}

/** @param servers the URLs of the document's servers */
export function readPage(servers: readonly string[]): Page {
  const html = readFileSync(new URL("../../pages/openapi.html", import.meta.url));
  const text = html.toString();
  const connect = ["'self'", ...new Set(servers.flatMap(originOf))].join(" ");
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(text, "script")}`,
    `style-src ${hashOf(text, "style")}`,
    `connect-src ${connect}`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  return { html, policy };
}

function hashOf(html: string, tag: string): string {
  const content = new RegExp(`<${tag}>(.*?)</${tag}>`, "s").exec(html)?.[1] ?? "";
  return `'sha256-${createHash("sha256").update(content).digest("base64")}'`;
}

function originOf(url: string): string[] {
  const origin = URL.parse(url)?.origin;
  // To a policy a WebSocket is of another origin, but for that of the page itself.
  return origin === undefined || origin === "null" ? [] : [origin, origin.replace(/^http/, "ws")];
}
