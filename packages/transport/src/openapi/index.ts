export { createOpenApi, type OpenApiOptions } from "./create-open-api.ts";
export type {
  OpenApiContact,
  OpenApiDocument,
  OpenApiExtensions,
  OpenApiInfo,
  OpenApiLicense,
  OpenApiResponse,
  OpenApiServer,
  OpenApiServerVariable,
  Operation,
  Parameter,
  PathItem,
  Schema,
} from "./document.ts";
export type { ErrorEnums } from "./error-responses.ts";
export { type OpenApiRouteOptions, openApiRoutes } from "./routes.ts";
