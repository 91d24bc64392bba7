import { existsSync } from "node:fs";
import { ServiceError } from "@clew/rpc";
import { type Route, staticFiles } from "@clew/transport/http";

/** The folder of the built UI: beside `src` and `dist`. */
const builtFolder: URL = new URL("../ui/", import.meta.url);

// Scripts and styles only from this server and none inline: text of a span can never run as code.
const securityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Serves the built UI: the page, which selects its view by the URL, and its files, whose names change with their content. */
export function uiFileRoutes(folder: URL = builtFolder): Route[] {
  // Without a build the API still works, and the page says what is missing.
  if (!existsSync(new URL("index.html", folder))) return [{ verb: "GET", path: "/", handle: tellMissing }];
  const files = staticFiles({
    root: folder,
    cacheControl: (path) => (path.startsWith("assets/") ? "public, max-age=31536000, immutable" : "no-cache"),
    headers: { "content-security-policy": securityPolicy, "referrer-policy": "no-referrer" },
  });
  const pages = ["/services", "/trace/{traceId}"].map(
    (path): Route => ({
      verb: "GET",
      path,
      handle: (request, response) => files.handle(request, response, { path: "index.html" }),
    }),
  );
  return [files, ...pages];
}

function tellMissing(): never {
  throw new ServiceError(404, "NOT_FOUND", "there is no UI yet; build it: npm run build");
}
