import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTemplate } from "../http/template.ts";
import { toOpenApiPath } from "./path.ts";

const cases: readonly (readonly [template: string, path: string])[] = [
  ["/", "/"],
  ["/v1/books", "/v1/books"],
  ["/v1/books/", "/v1/books/"],
  ["/v1/books:search", "/v1/books:search"],
  ["/v1/{id}", "/v1/{id}"],
  ["/v1/{book.id}:archive", "/v1/{book.id}:archive"],
  ["/v1/{name=shelves/*}", "/v1/shelves/{name}"],
  ["/v1/{name=shelves/*/books/*}:move", "/v1/shelves/{shelvesId}/books/{booksId}:move"],
  ["/v1/{name=shelves/*}/{other=shelves/*/shelves/*}", "/v1/shelves/{name}/shelves/{shelvesId}/shelves/{shelvesId2}"],
  ["/v1/{path=**}", "/v1/{path}"],
  ["/v1/{path=files/**}", "/v1/files/{path}"],
  ["/v1/*/books/**", "/v1/{v1Id}/books/{booksId}"],
  ["/{name=*/*}", "/{segment}/{segment2}"],
  ["/v1/{kind=fixed}/{id}", "/v1/fixed/{id}"],
];

for (const [template, path] of cases) {
  test(`${template} is ${path}`, () => assert.equal(toOpenApiPath(parseTemplate(template, "the test")).text, path));
}
