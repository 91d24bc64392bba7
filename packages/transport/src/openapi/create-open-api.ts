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
  /** What is described: services as a server has them, or as their .proto does. */
  services: readonly (Service | DescService)[];
  /** What the API is called, and more about it. Default: the first service's package, and version "0.0.1". */
  info?: Partial<OpenApiInfo>;
  /** Where it is served: `[{ url: "https://api.example.com" }]`. Default: where the document comes from. */
  servers?: readonly OpenApiServer[];
  /** How callers prove who they are, by name, any one of them: `{ token: { type: "http", scheme: "bearer" } }`. Default: not at all. */
  securitySchemes?: Readonly<Record<string, object>>;
  /**
   * The enums with `errors.code` that say which errors there are: `[ErrorReasonSchema]` for all services, or
   * `{ "shop.Orders": [ErrorReasonSchema] }` by service. Default: none.
   */
  errors?: ErrorEnums;
  /** What comes before every path, as the server has it. Default: nothing. */
  prefix?: string;
  /** Describe methods without a google.api.http rule at `POST /package.Service/Method`, as the server serves them. Default: true. */
  defaultRoutes?: boolean;
  /** How JSON is written, as the server has it. Default: as the codec `json` has it. */
  json?: JsonCodecOptions;
  /** Options of single methods, as the server has them; here their `json` counts. Default: none. */
  methods?: MethodEntries<HttpMethodOptions>;
  /** Where the comments of the .proto files are: what `buf build -o api.binpb` writes. Generated code has none. Default: nowhere. */
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
 * Describes services as OpenAPI 3.1: their google.api.http rules, messages with the rules of buf.validate, and errors. The same options
 * make the same document, to the letter.
 *
 * @throws CLEW_TRANSPORT_OPTION, CLEW_TRANSPORT_METHOD_OPTION, CLEW_RPC_JSON_OPTION, and what a server throws for a rule that does not work
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
