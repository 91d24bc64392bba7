import type { DescService } from "@bufbuild/protobuf";
import {
  aBoolean,
  anObject,
  anything,
  aText,
  checkOptions,
  kind,
  listOf,
  type OptionChecks,
  recordOf,
} from "@clew/options";
import { createJsonCodec, createMethod, type JsonCodecOptions, type Method, type Service } from "@clew/rpc";
import { optionError, optionInvalid } from "../errors.ts";
import type { HttpMethodOptions } from "../http/method-options.ts";
import { anyVerb } from "../http/router.ts";
import { hasRule, readRules } from "../http/rule.ts";
import { checkMethodEntries, type MethodEntries } from "../method-entries.ts";
import { Comments } from "./comments.ts";
import type { OpenApiDocument, OpenApiInfo, OpenApiServer } from "./document.ts";
import { someInfo, someServers } from "./document-checks.ts";
import { type ErrorEnums, ErrorResponses } from "./error-responses.ts";
import { Paths } from "./operations.ts";
import { Schemas } from "./schemas.ts";

export interface OpenApiOptions {
  /** The services to describe, as given to a server, or their descriptors. */
  services: readonly (Service | DescService)[];
  /** The name of the API and further information about it. Default: the first service's package, and version "0.0.1". */
  info?: Partial<OpenApiInfo>;
  /** The URLs of the servers: `[{ url: "https://api.example.com" }]`. Default: the server that the document comes from. */
  servers?: readonly OpenApiServer[];
  /**
   * The ways in which callers authenticate, by name; any one of them is enough: `{ token: { type: "http", scheme: "bearer" } }`.
   * Default: none.
   */
  securitySchemes?: Readonly<Record<string, object>>;
  /**
   * The enums with `errors.code` that list the possible errors: `[ErrorReasonSchema]` for all services, or `{ "shop.Orders":
   * [ErrorReasonSchema] }` by service. Default: none.
   */
  errors?: ErrorEnums;
  /** The prefix of every path, the same as the server's option. Default: none. */
  prefix?: string;
  /** Describe methods without a google.api.http rule as `POST /package.Service/Method`, as the server serves them. Default: true. */
  defaultRoutes?: boolean;
  /** Options for JSON, the same as the server's. Default: those of the codec `json`. */
  json?: JsonCodecOptions;
  /** Options of single methods, the same as the server's; only their `json` matters here. Default: none. */
  methods?: MethodEntries<HttpMethodOptions>;
  /**
   * The comments of the .proto files, which generated code does not contain: the output of `buf build -o api.binpb`. Default: none.
   */
  source?: Uint8Array;
}

type ResolvedOpenApiOptions = Required<Omit<OpenApiOptions, "services" | "info" | "source">> & {
  readonly services: readonly DescService[];
  readonly info: OpenApiInfo;
  readonly source: Uint8Array | undefined;
};

export const openApiChecks: OptionChecks<OpenApiOptions> = {
  services: listOf("a list of services", anObject),
  info: someInfo,
  servers: someServers,
  securitySchemes: recordOf("schemes by name", anObject),
  errors: anything,
  prefix: aText,
  defaultRoutes: aBoolean,
  json: anObject,
  methods: recordOf("options by operation", anObject),
  source: kind("bytes, as readFileSync() gives them", (given) => given instanceof Uint8Array),
};

/** @throws CLEW_TRANSPORT_OPTION, CLEW_TRANSPORT_METHOD_OPTION, CLEW_RPC_JSON_OPTION */
function resolveOpenApiOptions(options: OpenApiOptions): ResolvedOpenApiOptions {
  checkOptions("createOpenApi", options, openApiChecks, optionError);
  const services = (options.services ?? []).map((service) => ("desc" in service ? service.desc : service));
  const [first] = services;
  if (first === undefined) throw optionInvalid("services", "empty", "at least one service");
  const { title = first.file.proto.package || first.name, version = "0.0.1", ...info } = options.info ?? {};
  const methods = options.methods ?? {};
  // They may be a server's, which has services that are not described.
  checkMethodEntries(methods, services, { isAll: false });
  const entries = [options, ...Object.values(methods)];
  // Who would write JSON by these options says what is wrong with them.
  for (const { json } of entries) createJsonCodec(json);
  return {
    services,
    info: { title, version, ...info },
    servers: options.servers ?? [],
    securitySchemes: options.securitySchemes ?? {},
    errors: options.errors ?? [],
    prefix: options.prefix ?? "",
    defaultRoutes: options.defaultRoutes ?? true,
    json: options.json ?? {},
    methods,
    source: options.source,
  };
}

/**
 * Describes services as OpenAPI 3.1: their google.api.http rules, their messages with the rules of buf.validate, and their errors. The
 * same options give exactly the same document.
 *
 * @throws CLEW_TRANSPORT_OPTION, CLEW_TRANSPORT_METHOD_OPTION, CLEW_RPC_JSON_OPTION, and the errors of a server for an invalid rule
 */
export function createOpenApi(options: OpenApiOptions): OpenApiDocument {
  const { services, info, servers, securitySchemes, prefix, ...rest } = resolveOpenApiOptions(options);
  const comments = new Comments(rest.source);
  const schemas = new Schemas(comments, rest.json);
  const errors = new ErrorResponses(rest.errors, services, comments, schemas);
  const jsonOf = ({ operation, desc }: Method): JsonCodecOptions | undefined =>
    rest.methods[operation]?.json ?? rest.methods[`/${desc.parent.typeName}/*`]?.json;
  const schemasOf = (method: Method): Schemas => schemas.writtenAs(jsonOf(method) ?? rest.json);
  const paths = new Paths({ schemasOf, comments, errors });
  const methods = services.flatMap(methodsOf).filter((method) => rest.defaultRoutes || hasRule(method));
  const rules = methods.flatMap((method) => readRules(method, prefix).map((rule) => ({ method, rule })));
  // Rules for any verb come last: they are told by a verb that no other has.
  for (const { method, rule } of rules) if (rule.verb !== anyVerb) paths.add(method, rule);
  for (const { method, rule } of rules) if (rule.verb === anyVerb) paths.add(method, rule);
  const schemeNames = Object.keys(securitySchemes);
  return {
    openapi: "3.1.1",
    info,
    ...(servers.length > 0 && { servers }),
    tags: services.map((service) => {
      const description = comments.of(service);
      return { name: service.typeName, ...(description !== undefined && { description }) };
    }),
    paths: paths.items(),
    components: {
      schemas: schemas.components(),
      responses: errors.components(),
      ...(schemeNames.length > 0 && { securitySchemes }),
    },
    ...(schemeNames.length > 0 && { security: schemeNames.map((name) => ({ [name]: [] })) }),
  };
}

function methodsOf({ methods }: DescService): Method[] {
  return methods.map(createMethod);
}
