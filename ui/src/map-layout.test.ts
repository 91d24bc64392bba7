import assert from "node:assert/strict";
import { test } from "node:test";
import { boxHeight, boxWidth, type Call, layoutMap, type MapBox, type MapLayout, spread } from "./map-layout.ts";

/** "a>b", or "a>b:5" for five calls. */
const callsOf = (...texts: string[]): Call[] =>
  texts.map((text) => {
    const [parent, child, count = "1"] = text.split(/[>:]/);
    return { parent: parent!, child: child!, callCount: Number(count) };
  });
const boxOf = ({ boxes }: MapLayout, name: string): MapBox => boxes.find((box) => box.name === name)!;

/** Services and calls that look like a company's: each calls up to three with higher numbers, now and then one with a lower. */
function company(size: number): { names: string[]; calls: Call[] } {
  const names = Array.from({ length: size }, (_, index) => `s${String(index).padStart(3, "0")}`);
  const calls = new Map<string, Call>();
  let state = 7;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let from = 0; from < size; from++) {
    for (let call = random(4); call > 0; call--) {
      const to = random(10) === 0 ? random(size) : from + 1 + random(size / 3);
      if (to < size && to !== from)
        calls.set(`${from} ${to}`, { parent: names[from]!, child: names[to]!, callCount: random(1000) });
    }
  }
  return { names, calls: [...calls.values()] };
}

/** Holds for every map: nothing overlaps, all is inside, each line leads from its caller to the one it calls. */
function check(layout: MapLayout): void {
  const { boxes, lines, width, height } = layout;
  for (const [index, a] of boxes.entries()) {
    assert.ok(a.x >= 0 && a.y >= -0.001 && a.x + boxWidth <= width && a.y + boxHeight <= height + 0.001, a.name);
    for (const b of boxes.slice(index + 1)) {
      const isApart = Math.abs(a.x - b.x) >= boxWidth || Math.abs(a.y - b.y) >= boxHeight - 0.001;
      assert.ok(isApart, `${a.name} on ${b.name}`);
    }
  }
  for (const { parent, child, path, tip } of lines) {
    assert.doesNotMatch(path, /NaN|Infinity|undefined/);
    // Curves lie between the heights of their ends, so that no line leaves the drawing.
    for (const [, y] of path.matchAll(/ (-?[\d.]+)(?=[HC]|$)/g))
      assert.ok(Number(y) >= 0 && Number(y) <= height, `${parent}>${child} is inside: ${path}, ${height}`);
    const [startX, startY] = /^M(\S+) ([\d.-]+)/.exec(path)!.slice(1).map(Number) as [number, number];
    const [from, to] = [boxOf(layout, parent), boxOf(layout, child)];
    assert.equal(startX, tip.isLeftward ? from.x : from.x + boxWidth, `${parent}>${child} starts at its caller`);
    assert.equal(tip.x, tip.isLeftward ? to.x + boxWidth : to.x, `${parent}>${child} ends at the one it calls`);
    for (const [y, box] of [[startY, from] as const, [tip.y, to] as const])
      assert.ok(y > box.y && y < box.y + boxHeight, `${parent}>${child} ends at the sides of the boxes`);
    if (!tip.isLeftward) assert.ok(from.x < to.x, `${parent}>${child} leads to the right`);
  }
}

test("nothing has no size; one service stands alone", () => {
  assert.deepEqual(layoutMap([], []), { width: 0, height: 0, boxes: [], lines: [], hasLabels: true });
  const { width, height, boxes } = layoutMap(["user"], []);
  assert.deepEqual([width, height, boxes], [boxWidth, boxHeight, [{ name: "user", x: 0, y: 0 }]]);
});

test("callers stand left of those they call, and a chain is level", () => {
  const layout = layoutMap(["a", "b", "c"], callsOf("b>a", "a>c"));
  check(layout);
  assert.deepEqual(
    ["b", "a", "c"].map((name) => boxOf(layout, name).y),
    [0, 0, 0],
  );
  assert.ok(boxOf(layout, "b").x < boxOf(layout, "a").x && boxOf(layout, "a").x < boxOf(layout, "c").x);
  assert.match(layout.lines[0]!.path, /^M\d+ 25H\d+$/);
});

test("a service stands to the right of the farthest that calls it, and a line goes past those between", () => {
  const layout = layoutMap(["a", "b", "c"], callsOf("a>b", "b>c", "a>c"));
  check(layout);
  const passing = layout.lines[2]!;
  const between = boxOf(layout, "b");
  // Level over the whole column of b, above or below its box.
  const level = [...passing.path.matchAll(/([\d.]+)H([\d.]+)/g)].map(([, y, x]) => [Number(y), Number(x)]);
  const [y, x] = level.find(([, x]) => x === between.x + boxWidth)!;
  assert.equal(x, between.x + boxWidth);
  assert.ok(y! < between.y || y! > between.y + boxHeight);
});

test("of calls that go round in a circle the rarest is drawn leftward", () => {
  const leftward = (...texts: string[]): boolean[] => {
    const layout = layoutMap(["a", "b", "c"], callsOf(...texts));
    check(layout);
    return layout.lines.map(({ tip }) => tip.isLeftward);
  };
  assert.deepEqual(leftward("a>b:9", "b>c:5", "c>a:2"), [false, false, true]);
  assert.deepEqual(leftward("a>b:1", "b>c:5", "c>a:2"), [true, false, false]);
  assert.deepEqual(leftward("a>b:3", "b>a:3"), [false, true]);
});

test("two services that call each other have two lines, beside each other", () => {
  const { lines } = layoutMap(["a", "b"], callsOf("a>b", "b>a"));
  const levels = lines.map(({ path }) => /^M\d+ ([\d.]+)H/.exec(path)![1]);
  assert.notEqual(levels[0], levels[1]);
});

test("columns are ordered so that lines do not cross where they need not", () => {
  const layout = layoutMap(["a", "b", "x", "y", "z"], callsOf("a>z", "b>x", "a>y"));
  check(layout);
  const yOf = (name: string): number => boxOf(layout, name).y;
  const isAAbove = yOf("a") < yOf("b");
  for (const name of ["z", "y"]) assert.equal(yOf(name) < yOf("x"), isAAbove);
});

test("services without calls stand in rows below the others", () => {
  const names = ["a", "b", "c", "d", "e", "f", "g"];
  const alone = layoutMap(names, []);
  check(alone);
  assert.deepEqual(new Set(alone.boxes.map(({ y }) => y)).size, 2);
  const mixed = layoutMap(names, callsOf("a>b"));
  check(mixed);
  for (const name of names.slice(2)) assert.ok(boxOf(mixed, name).y > boxOf(mixed, "a").y + boxHeight);
});

test("labels stand apart, and are left out where there are many columns", () => {
  const fan = layoutMap(["a", ..."bcdefgh"], callsOf(...[..."bcdefgh"].map((name) => `a>${name}`)));
  const ys = fan.lines.map(({ label }) => label.y).sort((a, b) => a - b);
  ys.slice(1).forEach((y, index) => {
    assert.ok(y - ys[index]! >= 33.999);
  });
  assert.equal(fan.hasLabels, true);
  assert.equal(layoutMap([..."abcde"], callsOf("a>b", "b>c", "c>d", "d>e")).hasLabels, false);
});

test("30 and 100 services: nothing overlaps, and the same input gives the same picture", () => {
  for (const size of [30, 100]) {
    const { names, calls } = company(size);
    assert.ok(calls.length > size);
    const layout = layoutMap(names, calls);
    check(layout);
    assert.deepEqual(layoutMap(names, calls), layout);
  }
});

test("every service calls every other", () => {
  const names = [..."abcdefghijkl"];
  const calls = names.flatMap((parent) =>
    names.filter((child) => child !== parent).map((child) => ({ parent, child, callCount: 1 })),
  );
  const layout = layoutMap(names, calls);
  check(layout);
  assert.equal(layout.lines.length, 132);
});

test("things are spread as near as can be to where they are wanted", () => {
  assert.deepEqual(spread([0, 50, 100], [10, 10, 10]), [0, 50, 100]);
  assert.deepEqual(spread([0, 0], [10, 10]), [-5, 5]);
  assert.deepEqual(spread([0, 0, 0, 40], [10, 10, 10, 10]), [-10, 0, 10, 40]);
  assert.deepEqual(spread([10, 0], [4, 4]), [3, 7]);
  assert.deepEqual(spread([], []), []);
});
