import { readdir, readFile } from "node:fs/promises";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { ServiceError } from "@clew/rpc";
import type { RawHandler, Route } from "@clew/transport/http";

/** Where the build of the UI puts its files: beside `src` and `dist`. */
const builtFolder: URL = new URL("../ui/", import.meta.url);

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

// Scripts and styles from here alone and nothing inline: text of a span can never run.
const SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

interface UiFile {
  readonly headers: Readonly<Record<string, string | number>>;
  readonly bytes: Buffer;
}

/**
 * Reads the built UI, a few hundred kilobytes, once. Only what was read is served, so no path can lead out of the folder.
 * Its routes are the page, which finds its way by the URL, and the files it names, whose names change with their content.
 */
export async function uiFileRoutes(folder: URL = builtFolder): Promise<Route[]> {
  const files = await readFiles(folder);
  const page = serve(() => files.get("index.html"));
  return [
    { verb: "GET", path: "/", handle: page },
    { verb: "GET", path: "/trace/{traceId}", handle: page },
    { verb: "GET", path: "/assets/{path=**}", handle: serve(({ path }) => files.get(`assets/${path}`)) },
  ];
}

function serve(find: (variables: Readonly<Record<string, string>>) => UiFile | undefined): RawHandler {
  return (request, response, variables) => {
    const file = find(variables);
    if (file === undefined) {
      throw new ServiceError(404, "NOT_FOUND", "no such file; if there is no UI at all, build it: npm run build");
    }
    response.writeHead(200, file.headers);
    response.end(request.method === "HEAD" ? undefined : file.bytes);
  };
}

async function readFiles(folder: URL): Promise<Map<string, UiFile>> {
  const root = fileURLToPath(folder);
  // Without a build the API still works, and the page says what is missing.
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = new Map<string, UiFile>();
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = `${entry.parentPath}/${entry.name}`;
    const name = path.slice(root.length).replaceAll("\\", "/").replace(/^\/+/, "");
    const bytes = await readFile(path);
    files.set(name, { bytes, headers: headersOf(name, bytes) });
  }
  return files;
}

function headersOf(name: string, bytes: Buffer): UiFile["headers"] {
  return {
    "content-type": contentTypes[extname(name)] ?? "application/octet-stream",
    "content-length": bytes.length,
    "cache-control": name.startsWith("assets/") ? "public, max-age=31536000, immutable" : "no-cache",
    "content-security-policy": SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
  };
}
