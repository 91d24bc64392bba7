import assert from "node:assert/strict";
import { test } from "node:test";
import { colourCount, colourOf } from "./service-colour.ts";

test("services have colours of their own while there are any, and keep them", () => {
  const names = Array.from({ length: colourCount }, (_, index) => `service-${index}`);
  const colours = names.map(colourOf);
  assert.equal(new Set(colours).size, colourCount);
  assert.deepEqual(names.map(colourOf), colours);
});

test("with more services than colours, every service still has one", () => {
  for (let index = 0; index < 100; index++) {
    const colour = colourOf(`further-${index}`);
    assert.ok(colour >= 0 && colour < colourCount);
  }
});
