import assert from "node:assert/strict";
import { test } from "node:test";
import { forSeeds } from "../test/random.ts";
import { Stream, type StreamOwner } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

test("it holds what a Map would, whatever is added and taken away", async () => {
  await forSeeds(100, (random) => {
    const table = new StreamTable();
    const map = new Map<number, Stream>();
    let nextId = 1;
    for (let i = 0; i < 400; i++) {
      if (random.below(2) === 0) {
        nextId += 2 * (random.below(5) === 0 ? 1 + random.below(200) : 1);
        const stream = new Stream(nextId, {} as StreamOwner, 0);
        table.add(stream);
        map.set(stream.id, stream);
      } else {
        const ids = [...map.keys()];
        const id = random.below(10) === 0 || ids.length === 0 ? random.below(1000) : random.pick(ids);
        table.delete(id);
        map.delete(id);
      }
      assert.equal(table.size, map.size);
      const probe = random.below(nextId + 10);
      assert.equal(table.get(probe), map.get(probe));
    }
    const ids = (streams: Iterable<Stream>): number[] => [...streams].map((stream) => stream.id).sort((a, b) => a - b);
    assert.deepEqual(ids(table.list()), ids(map.values()));
    for (const id of map.keys()) assert.equal(table.get(id), map.get(id));
  });
});
