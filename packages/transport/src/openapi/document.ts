// An OpenAPI document as far as it is written here (https://spec.openapis.org/oas/v3.1.1.html).

/** A JSON Schema of draft 2020-12. */
export interface Schema {
  readonly [keyword: string]: unknown;
}

export interface OpenApiDocument {
  readonly openapi: "3.1.1";
  readonly info: OpenApiInfo;
  readonly servers?: readonly OpenApiServer[];
  readonly tags: readonly { readonly name: string; readonly description?: string }[];
  readonly paths: { readonly [path: string]: PathItem };
  readonly components: {
    readonly schemas: { readonly [name: string]: Schema };
    readonly responses: { readonly [name: string]: OpenApiResponse };
    readonly securitySchemes?: { readonly [name: string]: object };
  };
  readonly security?: readonly { readonly [name: string]: readonly string[] }[];
}

/** Extensions that OpenAPI does not define but some tools read: `x-logo`. */
export interface OpenApiExtensions {
  readonly [name: `x-${string}`]: unknown;
}

export interface OpenApiInfo extends OpenApiExtensions {
  readonly title: string;
  readonly version: string;
  readonly summary?: string;
  /** Markdown. */
  readonly description?: string;
  readonly termsOfService?: string;
  readonly contact?: OpenApiContact;
  readonly license?: OpenApiLicense;
}

export interface OpenApiContact extends OpenApiExtensions {
  readonly name?: string;
  readonly url?: string;
  readonly email?: string;
}

export interface OpenApiLicense extends OpenApiExtensions {
  readonly name: string;
  readonly identifier?: string;
  readonly url?: string;
}

export interface OpenApiServer extends OpenApiExtensions {
  /** May contain `{names}` of `variables`. */
  readonly url: string;
  readonly description?: string;
  readonly variables?: { readonly [name: string]: OpenApiServerVariable };
}

export interface OpenApiServerVariable extends OpenApiExtensions {
  readonly default: string;
  readonly enum?: readonly string[];
  readonly description?: string;
}

/** The operations of one path, by verb in lower case. Verbs that OpenAPI 3.1 cannot express are placed where 3.2 puts them. */
export interface PathItem {
  readonly [verb: string]: Operation | { readonly [verb: string]: Operation };
}

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly description?: string;
  readonly deprecated?: true;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required?: true; readonly content: Content };
  readonly responses: { readonly [status: string]: OpenApiResponse | { readonly $ref: string } };
  /** `/package.Service/Method` */
  readonly "x-operation": string;
  /** Any verb is accepted. */
  readonly "x-any-verb"?: true;
  /** The messages that are sent over a WebSocket; this operation is its handshake. */
  readonly "x-websocket"?: {
    readonly send: { readonly many: boolean; readonly schema: Schema };
    readonly receive: { readonly many: boolean; readonly schema: Schema };
  };
}

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query";
  readonly required?: true;
  readonly deprecated?: true;
  readonly description?: string;
  readonly style?: "form" | "deepObject";
  readonly explode?: true;
  readonly schema: Schema;
  /** A slash in its value is a slash in the path, which OpenAPI 3.1 cannot express. */
  readonly "x-spans"?: true;
}

export interface OpenApiResponse {
  readonly description: string;
  readonly content?: Content;
}

export interface Content {
  readonly [contentType: string]: {
    readonly schema?: Schema;
    readonly examples?: { readonly [name: string]: { readonly summary?: string; readonly value: unknown } };
    readonly encoding?: { readonly [field: string]: { readonly contentType: string } };
    /** The schema of each event's data, by the name that it has for OpenAPI 3.1 (3.2: `itemSchema`). */
    readonly "x-oai-itemSchema"?: Schema;
  };
}
