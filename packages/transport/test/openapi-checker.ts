// Values against the schemas of an OpenAPI document, by Ajv.
import assert from "node:assert/strict";
import type { OpenApiDocument, Schema } from "@clew/transport/openapi";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

/** What compiles a schema of a document. */
export function schemaCompiler(document: OpenApiDocument): (schema: Schema) => ValidateFunction {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  // A CommonJS module that is its own default.
  (addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
  for (const format of ["uint32", "uint64"]) ajv.addFormat(format, true);
  ajv.addSchema({ $id: "https://api.test/openapi.json", components: document.components });
  return (schema) =>
    ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"https://api.test/openapi.json#/')));
}

/** What says that a value is not of a schema. */
export function schemaChecker(document: OpenApiDocument): (schema: Schema, value: unknown) => void {
  const compile = schemaCompiler(document);
  return (schema, value) => {
    const check = compile(schema);
    check(value);
    const problems = (check.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
    assert.ok(problems.length === 0, `${JSON.stringify(value)} against ${JSON.stringify(schema)}: ${problems}`);
  };
}
