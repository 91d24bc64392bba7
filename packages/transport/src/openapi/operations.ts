import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { hasReplyStream, hasRequestStream, type Method } from "@clew/rpc";
import { anyVerb } from "../http/router.ts";
import type { Rule } from "../http/rule.ts";
import type { Comments } from "./comments.ts";
import type { Content, OpenApiResponse, Operation, Parameter, PathItem, Schema } from "./document.ts";
import type { ErrorResponses } from "./error-responses.ts";
import { createPathParameters, createQueryParameters } from "./parameters.ts";
import { type OpenApiPath, renameCaptures, toOpenApiPath } from "./path.ts";
import type { Schemas } from "./schemas.ts";

/** The verbs that a path item of OpenAPI 3.1 has a place for. */
const knownVerbs: ReadonlySet<string> = new Set(["get", "put", "post", "delete", "options", "head", "patch", "trace"]);

/** Where others go; 3.2 calls it `additionalOperations`. */
const otherVerbs = "x-oai-additionalOperations";

/** What makes operations of rules. */
export interface OperationContext {
  /** Those of a method, whose JSON may be written in a way of its own. */
  readonly schemasOf: (method: Method) => Schemas;
  readonly comments: Comments;
  readonly errors: ErrorResponses;
}

/** The paths of a document, as its operations come. */
export class Paths {
  readonly #context: OperationContext;
  readonly #items: Map<string, Map<string, Operation>> = new Map();
  /** The first path of each shape: two that differ only in the names of their parameters are one to OpenAPI. */
  readonly #byShape: Map<string, OpenApiPath> = new Map();
  readonly #ids: Set<string> = new Set();

  constructor(context: OperationContext) {
    this.#context = context;
  }

  /** Adds one rule of a method. */
  add(method: Method, rule: Rule): void {
    const isHandshake = hasRequestStream(method);
    const wanted = toOpenApiPath(rule.template);
    const verb = isHandshake ? "GET" : rule.verb === anyVerb ? this.#pickVerb(wanted, rule) : rule.verb;
    const path = this.#place(wanted, verb);
    const operation: Operation = {
      operationId: this.#createId(method),
      ...createOperation(method, rule, path, this.#context),
      ...(rule.verb === anyVerb && !isHandshake && { "x-any-verb": true }),
    };
    const item = this.#items.get(path.text) ?? new Map<string, Operation>();
    this.#items.set(path.text, item);
    item.set(verb, operation);
  }

  /** All of them, in the order they came. */
  items(): Record<string, PathItem> {
    return Object.fromEntries([...this.#items].map(([path, operations]) => [path, toItem(operations)]));
  }

  /** One verb to stand for all: of those that no other rule has here, the one that does most. */
  #pickVerb(path: OpenApiPath, { body }: Rule): string {
    const first = this.#byShape.get(shapeOf(path));
    const taken = first && this.#items.get(first.text);
    const verbs = body === undefined ? ["GET", "DELETE", "POST"] : ["POST", "PUT", "PATCH"];
    return verbs.find((verb) => !taken?.has(verb)) ?? anyVerb;
  }

  #place(path: OpenApiPath, verb: string): OpenApiPath {
    const first = this.#byShape.get(shapeOf(path));
    if (first === undefined) {
      this.#byShape.set(shapeOf(path), path);
      return path;
    }
    const isFree = !this.#items.get(first.text)?.has(verb);
    // Two rules of one literal path are none that a server takes.
    if (isFree || path.captures.length === 0) return renameCaptures(path, namesOf(first));
    // `*` and `**` at one place are two routes to the server; to OpenAPI they differ by nothing but their names.
    let names = namesOf(path);
    while (this.#items.get(renameCaptures(path, names).text)?.has(verb)) names = names.map((name) => `${name}_`);
    return renameCaptures(path, names);
  }

  /** `Greeter_SayHello`; a second one of that name has a number. */
  #createId({ desc }: Method): string {
    const wanted = `${desc.parent.name}_${desc.name}`;
    let id = wanted;
    for (let count = 2; this.#ids.has(id); count++) id = `${wanted}_${count}`;
    this.#ids.add(id);
    return id;
  }
}

function shapeOf({ text }: OpenApiPath): string {
  return text.replace(/\{[^{}]+\}/g, "{}");
}

function namesOf({ captures }: OpenApiPath): string[] {
  return captures.map(({ name }) => name);
}

function toItem(operations: ReadonlyMap<string, Operation>): PathItem {
  const item: Record<string, PathItem[string]> = {};
  const others: Record<string, Operation> = {};
  for (const [verb, operation] of operations) {
    if (knownVerbs.has(verb.toLowerCase())) item[verb.toLowerCase()] = operation;
    else others[verb] = operation;
  }
  if (Object.keys(others).length > 0) item[otherVerbs] = others;
  return item;
}

function createOperation(
  method: Method,
  rule: Rule,
  path: OpenApiPath,
  { schemasOf, comments, errors }: OperationContext,
): Omit<Operation, "operationId"> {
  const schemas = schemasOf(method);
  const { desc } = method;
  const isHandshake = hasRequestStream(method);
  const description = comments.of(desc);
  const parameters = [
    ...createPathParameters(path, rule, schemas),
    ...createQuery(desc.input, isHandshake ? { ...rule, body: undefined } : rule, schemas),
  ];
  const requestBody = isHandshake ? undefined : createBody(desc.input, rule, schemas);
  const reply = rule.replyBody === undefined ? schemas.message(desc.output) : schemas.field(rule.replyBody);
  return {
    tags: [desc.parent.typeName],
    ...(description !== undefined && { description }),
    ...((desc.deprecated || desc.parent.deprecated) && { deprecated: true }),
    ...(parameters.length > 0 && { parameters }),
    ...(requestBody !== undefined && { requestBody }),
    responses: { ...createReply(method, rule, reply), ...errors.of(desc.parent) },
    "x-operation": method.operation,
    ...(isHandshake && {
      "x-websocket": {
        send: { many: true, schema: sendSchema(desc.input, rule, schemas) },
        receive: { many: hasReplyStream(method), schema: reply },
      },
    }),
  };
}

function createQuery(input: DescMessage, { body, variables }: Rule, schemas: Schemas): Parameter[] {
  if (body === "*") return [];
  const elsewhere = variables.map(({ fields }) => fields.map(({ name }) => name).join("."));
  if (body !== undefined) elsewhere.push(body.name);
  return createQueryParameters(input, new Set(elsewhere), schemas);
}

/** What one message of a WebSocket is: all of the request, or the field that is the body. */
function sendSchema(input: DescMessage, { body }: Rule, schemas: Schemas): Schema {
  return typeof body === "object" ? schemas.field(body) : schemas.message(input);
}

function createBody(input: DescMessage, rule: Rule, schemas: Schemas): Operation["requestBody"] {
  const { body, variables } = rule;
  if (body === undefined) return undefined;
  const desc = body === "*" ? input : body.fieldKind === "message" ? body.message : undefined;
  if (desc?.typeName === httpBody) return { required: true, content: { "*/*": {} } };
  if (body !== "*") {
    const forms = desc === undefined ? {} : createForm(desc, new Set(), schemas);
    return { required: true, content: { "application/json": { schema: schemas.field(body) }, ...forms } };
  }
  // What the path holds is not asked for a second time.
  const inPath = variables.filter(({ fields }) => fields.length === 1).map(({ fields }) => fields[0]!);
  const schema = inPath.length === 0 ? schemas.message(input) : schemas.object(input, new Set(inPath));
  const hasFields = input.fields.length > inPath.length;
  return {
    ...(hasFields && { required: true }),
    content: { "application/json": { schema }, ...createForm(input, new Set(inPath), schemas) },
  };
}

const httpBody = "google.api.HttpBody";

/** A body that holds files, as a form. */
function createForm(desc: DescMessage, without: ReadonlySet<DescField>, schemas: Schemas): Content {
  const files = desc.fields.filter((field) => isFile(field) && !without.has(field));
  if (files.length === 0) return {};
  const elsewhere = new Set([...without, ...files].map(({ name }) => name));
  const properties: Record<string, Schema> = {};
  const encoding: Record<string, { contentType: string }> = {};
  const required: string[] = [];
  for (const field of files) {
    const name = schemas.nameOf(field);
    const { description, isRequired } = schemas.traits(field);
    const file = { type: "string", contentMediaType: "application/octet-stream" };
    properties[name] = {
      ...(field.fieldKind === "list" ? { type: "array", items: file } : file),
      ...(description !== undefined && { description }),
    };
    encoding[name] = { contentType: "application/octet-stream" };
    if (isRequired) required.push(name);
  }
  for (const { name, schema, required: isRequired } of createQueryParameters(desc, elsewhere, schemas)) {
    properties[name] = schema;
    if (isRequired) required.push(name);
  }
  const schema = { type: "object", properties, ...(required.length > 0 && { required }) };
  return { "multipart/form-data": { schema, encoding } };
}

function isFile(field: DescField): boolean {
  if (field.fieldKind === "map") return false;
  return field.message?.typeName === httpBody || field.scalar === ScalarType.BYTES;
}

function createReply(method: Method, rule: Rule, schema: Schema): Record<string, OpenApiResponse> {
  if (hasRequestStream(method)) return { "101": { description: "The connection is a WebSocket from here on." } };
  if (hasReplyStream(method)) {
    const description = "Server-sent events: `message` for each reply, `end` after the last, or `error` with an error.";
    return {
      "200": {
        description,
        content: { "text/event-stream": { schema: { type: "string" }, "x-oai-itemSchema": schema } },
      },
    };
  }
  const { output } = method.desc;
  const desc = rule.replyBody === undefined ? output : rule.replyBody.message;
  if (desc?.typeName === httpBody && rule.replyBody?.fieldKind !== "list") {
    return { "200": { description: "Bytes of any content type.", content: { "*/*": {} } } };
  }
  return { "200": { description: "The reply.", content: { "application/json": { schema } } } };
}
