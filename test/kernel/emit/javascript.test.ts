/**
 * The JavaScript of long kernels: loops over the lanes, and functions that engines can optimise.
 */
import * as k from '@mambagrad/kernel';
import { describe, expect, it } from 'vitest';
import { runTwins } from '../language/twins.ts';

const always = { lanes: 1, functions: 1 };
const [x, y] = ['x', 'y'].map((name) => k.buffer(name, 'f32', 32));
const numbers = Array.from({ length: 32 }, (_, i) => Math.fround(Math.sin(i)));
const first = k.ramp(k.constant('i32', 0));

/** The JavaScript of a kernel of x and y, which is right. */
function scriptOf(statements: k.Statements, sizes?: k.ScriptSizes): string {
  const kernel = k.kernel('some', [x, y], statements);
  runTwins(kernel, new Map([[x, numbers], [y, numbers.toReversed()]]));
  return k.printJavaScript(kernel, sizes);
}

/** How many loops over the lanes there are. */
function laneLoops(statements: k.Statements, sizes = always): number {
  return scriptOf(statements, sizes).split('let $lane').length - 1;
}

/** A copy of y in y, some elements further. */
function moved(by: number): k.Statements {
  return k.store(y, k.add(first, by), k.add(k.load(y, first), 1));
}

describe('a loop over the lanes', () => {
  it('writes long runs of vectors once, and short ones four times', () => {
    const long = (terms: number) => k.vectorized('i', 32, (i) => {
      const all = Array.from({ length: terms }, (_, n) => k.mul(k.load(x, i), n));
      return k.store(y, i, all.reduce((a, b) => k.add(a, b)));
    });
    expect(scriptOf(long(20))).not.toContain('$lane');
    expect(scriptOf(long(40))).toContain('$lane');
    const [once, fourTimes] = [200, 50].map((terms) => scriptOf(long(terms), {
      lanes: terms === 200 ? 1 : Infinity, functions: Infinity,
    }));
    expect(once.length).toBeLessThan(1.2 * fourTimes.length);
  });

  it('is made where no lane touches an element that another one stores', () => {
    expect([0, 4, 8].map((by) => laneLoops(moved(by)))).toEqual([1, 1, 1]);
    expect([1, 2, 3].map((by) => laneLoops(moved(by)))).toEqual([0, 0, 0]);
    const withStep = (step: number, by: number) => k.store(
      y, k.add(k.mul(first, step), by), k.load(y, k.mul(first, step)),
    );
    expect(laneLoops(withStep(2, 1))).toBe(1);
    expect(laneLoops(withStep(2, 2))).toBe(0);
    const loaded = k.vectorized('i', 16, (i) =>
      k.store(y, i, k.load(y, k.min(k.max(k.toInteger(k.load(x, i)), 0), 15))),
    );
    expect(laneLoops(loaded)).toBe(0);
    // One element for all lanes, which the first of them changes.
    expect(laneLoops(k.store(y, first, k.mul(k.load(x, first), k.load(y, 0))))).toBe(0);
    const other = k.loop('i', 4, (i) => k.store(
      y, k.ramp(k.mul(i, 4)), k.load(y, k.ramp(k.mul(i, 2))),
    ));
    expect(laneLoops(other)).toBe(0);
  });

  it('ends where values move between lanes, and carries variables on', () => {
    const [a, b] = ['a', 'b'].map((name) => k.variable(name, 'f32x4'));
    const text = scriptOf([
      k.set(a, k.mul(k.load(x, first), 3)),
      k.set(b, k.shuffle(a, a, [3, 2, 1, 0])),
      k.store(y, first, k.mul(k.add(a, b), 2)),
    ], { lanes: 1, functions: Infinity });
    expect(text.split('let $lane')).toHaveLength(3);
    expect(text).toContain('$floats[0 + $lane] = a;');
    expect(text).toContain('let a = $floats[0 + $lane];');
    expect(text).toMatch(/= \$floats\[3\], .*= \$floats\[2\]/);
  });

  it('leaves single values outside if they are used elsewhere, or set again', () => {
    const [one, sum] = ['one', 'sum'].map((name) => k.variable(name, 'f32'));
    const statements = [
      k.set(sum, 0),
      k.store(y, first, k.load(x, first)),
      k.set(sum, k.add(sum, 1)),
      k.set(one, k.load(x, 9)),
      k.store(y, k.add(first, 4), k.mul(k.load(x, first), one)),
      k.store(y, 8, sum),
    ];
    expect(laneLoops(statements)).toBe(2);
  });
});

describe('an index', () => {
  it('has the value that its variable has at that time', () => {
    const at = k.variable('at', 'i32');
    const text = scriptOf([
      k.set(at, 3),
      k.loop('i', 3, (i) => [
        k.store(y, at, k.load(x, at)),
        k.store(y, k.add(at, 1), k.load(x, k.add(at, 1))),
        k.when(k.equal(i, 1), k.set(at, k.add(at, 7))),
        k.store(y, k.add(at, 2), k.mul(k.load(x, at), 5)),
        k.store(y, k.add(at, 3), k.mul(k.load(x, k.add(at, 1)), 5)),
      ]),
    ]);
    expect(text).not.toContain('$at');
  });

  it('shares with others of the block all but a constant', () => {
    const text = scriptOf(k.loop('row', 4, (row) => [
      k.store(y, k.mul(row, 8), k.load(x, k.mul(row, 8))),
      k.store(y, k.add(k.mul(row, 8), 1), k.load(x, k.add(k.mul(row, 8), 5))),
    ]));
    expect(text.match(/8 \* row/g)).toHaveLength(2);
    expect(text).toContain('f32[$at1 + 1] = f32[$at0 + 5];');
  });
});

describe('a function of its own', () => {
  it('is made of each long loop, with the values from outside as arguments', () => {
    const factor = k.variable('factor', 'f32');
    const rows = k.loop('row', 4, (row) => [
      k.set(factor, k.load(x, row)),
      k.vectorized('i', 7, (i) => {
        const at = k.add(k.mul(row, 8), i);
        return k.store(y, at, k.mul(k.exp(k.load(x, at)), factor));
      }),
    ]);
    const text = scriptOf(rows, { lanes: Infinity, functions: 20 });
    expect(text).toMatch(/function some\$1\(\w+(, \w+)*\) \{/);
    expect(text).toMatch(/factor = fround\(factor\);/);
    expect(text).toMatch(/^ +some\$1\(/m);
    expect(scriptOf(rows, { lanes: Infinity, functions: 1e4 })).not.toContain('$1(');
  });

  it('computes the bounds of its loop itself', () => {
    const [starts, ends] = [k.buffer('starts', 'i32', 8), k.buffer('ends', 'i32', 8)];
    const rows = k.kernel('rows', [starts, ends, y], k.loop('row', 4, (row) => [
      k.store(ends, row, k.add(k.load(starts, row), k.load(starts, k.add(row, 1)))),
      k.loop('i', { from: k.load(starts, k.add(row, 2)), to: 9 }, (i) => (
        k.store(y, i, k.add(k.load(y, i), 1))
      )),
    ]));
    runTwins(rows, new Map([[starts, [3, 1, 4, 1, 5, 9, 2, 6]]]));
    expect(k.printJavaScript(rows, always)).toMatch(/rows\$1\(/);
  });

  it('is not made where a loop sets a variable from outside', () => {
    const total = k.variable('total', 'f32');
    const text = scriptOf([
      k.set(total, 0),
      k.loop('i', 32, (i) => k.set(total, k.add(total, k.load(x, i)))),
      k.store(y, 0, total),
    ], always);
    expect(text).not.toContain('function some$');
  });

  it('keeps the functions of large products below what engines optimise', () => {
    const size = 75;
    const [a, b, c] = ['a', 'b', 'c'].map((name) => k.buffer(name, 'f32', size * size));
    const matrix = (of: k.Buffer): k.Matrix => (i, j) => k.load(of, k.rowMajor([i, j], [size]));
    const product = k.kernel('product', [a, b, c], k.multiply({
      a: matrix(a), b: matrix(b), y: c, indexOf: (i, j) => k.rowMajor([i, j], [size]),
      rows: size, columns: size, depth: size,
    }));
    const functions = k.printJavaScript(product).split(/^function /m).slice(1);
    expect(functions.length).toBeGreaterThan(2);
    expect(Math.max(...functions.map(({ length }) => length))).toBeLessThan(10_000);
  });
});
