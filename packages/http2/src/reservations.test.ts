import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it, mock } from "node:test";
import { Reservations } from "./reservations.ts";
import { Stream, type StreamOwner } from "./stream.ts";

const timeoutMs = 1000;
let granted: [number, number][];
let stalled: number[];
let isHeldBack: boolean;
let reservations: Reservations;

beforeEach(() => {
  mock.timers.enable({ apis: ["setInterval"] });
  granted = [];
  stalled = [];
  isHeldBack = false;
  reservations = new Reservations({
    maxBytes: 1000,
    timeoutMs,
    onGranted: (stream, bytes) => granted.push([stream.id, bytes]),
    onStalled: (stream) => {
      stalled.push(stream.id);
      reservations.release(stream);
    },
    isHeldBack: () => isHeldBack,
  });
});

afterEach(() => {
  reservations.stop();
  mock.timers.reset();
});

function reserve(id: number, bytes: number): Stream {
  const stream = new Stream(id, {} as StreamOwner, 0);
  reservations.reserve(stream, bytes);
  return stream;
}

const isGranted = (stream: Stream): boolean | undefined => stream.reservation?.isGranted;

describe("room", () => {
  it("is given first come, first served, and nobody overtakes who waits", () => {
    const first = reserve(1, 600);
    const large = reserve(3, 900);
    const small = reserve(5, 100);
    assert.deepEqual([first, large, small].map(isGranted), [true, false, false]);
    large.reservation!.withheldBytes = 7;
    reservations.release(first);
    assert.deepEqual(granted, [
      [3, 7],
      [5, 0],
    ]);
    assert.deepEqual([first, large, small].map(isGranted), [undefined, true, true]);
  });

  it("is there for one that is larger than all of it, when it is alone", () => {
    const first = reserve(1, 10);
    const larger = reserve(3, 5000);
    const last = reserve(5, 10);
    reservations.release(first);
    assert.deepEqual([larger, last].map(isGranted), [true, false]);
    reservations.release(larger);
    assert.equal(isGranted(last), true);
  });

  it("who gives up its turn gets back what was withheld, and lets the next one go", () => {
    const first = reserve(1, 600);
    const large = reserve(3, 900);
    const small = reserve(5, 400);
    large.reservation!.withheldBytes = 7;
    reservations.release(large);
    reservations.release(large);
    assert.deepEqual(granted, [
      [3, 7],
      [5, 0],
    ]);
    assert.deepEqual([first, large, small].map(isGranted), [true, undefined, true]);
  });
});

describe("those that have room and do not use it", () => {
  it("are ended once others waited for as long as it takes to see it", () => {
    const still = reserve(1, 500);
    const moving = reserve(3, 500);
    mock.timers.tick(10 * timeoutMs);
    assert.deepEqual(stalled, [], "nobody waits for them");
    const waiting = reserve(5, 500);
    mock.timers.tick(timeoutMs);
    assert.deepEqual(stalled, []);
    moving.receivedBytes += 64 * 1024;
    // Byte by byte is not enough.
    still.receivedBytes += 1000;
    mock.timers.tick(timeoutMs);
    assert.deepEqual(stalled, [1]);
    assert.equal(isGranted(waiting), true);
    mock.timers.tick(10 * timeoutMs);
    assert.deepEqual(stalled, [1], "nobody waits any more");
  });

  it("are spared while this end holds all streams back", () => {
    reserve(1, 1000);
    reserve(3, 1000);
    isHeldBack = true;
    mock.timers.tick(5 * timeoutMs);
    assert.deepEqual(stalled, []);
    isHeldBack = false;
    mock.timers.tick(timeoutMs);
    assert.deepEqual(stalled, []);
    mock.timers.tick(timeoutMs);
    assert.deepEqual(stalled, [1]);
  });
});
