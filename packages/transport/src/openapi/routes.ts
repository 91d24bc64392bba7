import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { aBoolean, anything, checkOptions, type OptionChecks } from "@clew/options";
import { optionError, optionInvalid } from "../errors.ts";
import type { Route } from "../http/route.ts";
import { createOpenApi, type OpenApiOptions, openApiChecks } from "./create-open-api.ts";
import { readPage } from "./page.ts";

export interface OpenApiRouteOptions extends OpenApiOptions {
  /** The path of the page; the document is at this path with `.json` and `.yaml` appended. Default: `/openapi`. */
  path?: string;
  /** Serve the page. Default: true. */
  page?: boolean;
  /** As in a route: `false` for no call, and therefore no authentication. Default: the server's. */
  middleware?: Route["middleware"];
}

const optionChecks: OptionChecks<OpenApiRouteOptions> = {
  ...openApiChecks,
  path: anything,
  page: aBoolean,
  middleware: anything,
};

/**
 * Creates routes that serve the OpenAPI document of services, and a page to read it and to try it: `routes: openApiRoutes({
 * services })`.
 *
 * @throws CLEW_TRANSPORT_OPTION, and as {@link createOpenApi}
 */
export function openApiRoutes(options: OpenApiRouteOptions): Route[] {
  checkOptions("openApiRoutes", options, optionChecks, optionError);
  const { path = "/openapi", page = true, middleware, ...rest } = options;
  if (!/^\/.*[^/]$/.test(path))
    throw optionInvalid("path", `"${path}"`, 'a path without a slash at its end, like "/openapi"');
  const document = createOpenApi(rest);
  const json = Buffer.from(JSON.stringify(document));
  let yaml: Promise<Buffer> | undefined;
  const around = middleware === undefined ? {} : { middleware };
  const routes: Route[] = [
    {
      verb: "GET",
      path: `${path}.json`,
      handle: (request, response) => send(request, response, "application/json", json),
      ...around,
    },
    {
      verb: "GET",
      path: `${path}.yaml`,
      handle: async (request, response) => {
        // Loaded at the first request for it: few ask for YAML.
        yaml ??= import("yaml").then(({ stringify }) =>
          Buffer.from(stringify(document, { aliasDuplicateObjects: false })),
        );
        send(request, response, "application/yaml", await yaml);
      },
      ...around,
    },
  ];
  if (page) {
    const { html, policy } = readPage((rest.servers ?? []).map(({ url }) => url));
    routes.push({
      verb: "GET",
      path: `${path}/`,
      handle: (request, response) => {
        response.setHeader("content-security-policy", policy);
        response.setHeader("referrer-policy", "no-referrer");
        send(request, response, "text/html; charset=utf-8", html);
      },
      ...around,
    });
  }
  return routes;
}

function send(request: IncomingMessage, response: ServerResponse, contentType: string, body: Buffer): void {
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  response.setHeader("etag", etag);
  response.setHeader("cache-control", "no-cache");
  response.setHeader("x-content-type-options", "nosniff");
  if (request.headers["if-none-match"]?.includes(etag)) {
    response.writeHead(304).end();
    return;
  }
  response.writeHead(200, { "content-type": contentType, "content-length": body.length }).end(body);
}
