/** Parallel loops: regions, whose scratch memory is whose, and work partitioned into chunks. */
import * as k from '@mambagrad/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runTwins } from '../language/twins.ts';

const x = k.buffer('x', 'i32', 12);
const y = k.buffer('y', 'i32', 12);

describe('a parallel loop', () => {
  it('is a region of its own, with scratch memory of its own and shared', () => {
    const [shared, own] = ['shared', 'own'].map((name) => k.scratch(name, 'i32', 20));
    const kernel = k.kernel('regions', [x, y], [
      k.loop('i', 12, (i) => k.store(shared, i, k.mul(k.load(x, i), 2))),
      k.parallel('round', 3, (round) => [
        k.loop('i', 4, (i) => (
          k.store(own, i, k.add(k.load(shared, k.add(k.mul(round, 4), i)), round))
        )),
        k.loop('i', 4, (i) => k.store(y, k.add(k.mul(round, 4), i), k.load(own, k.sub(3, i)))),
      ]),
      k.loop('i', 12, (i) => k.store(y, i, k.sub(k.load(y, i), k.load(shared, i)))),
    ]);
    expect(kernel.regions.map(({ iterations }) => iterations)).toEqual([undefined, 3, undefined]);
    // 80 bytes each, in whole lines of the cache.
    expect([kernel.scratchBytes, kernel.threadLocalBytes]).toEqual([256, 128]);
    expect(k.printKernel(kernel)).toContain('parallel for round in 0..3');
    const given = Array.from({ length: 12 }, (_, i) => 7 * i * i);
    const expected = given.map((number, i) => {
      const [round, from] = [Math.floor(i / 4), 4 * Math.floor(i / 4) + 3 - (i % 4)];
      return 2 * given[from] + round - 2 * number;
    });
    expect(Array.from(runTwins(kernel, new Map([[x, given]])).get(y) ?? [])).toEqual(expected);
  });

  it('of one round is no loop', () => {
    const kernel = k.kernel('one', [y], k.parallel('round', 1, (round) => k.store(y, round, 5)));
    expect(kernel.regions.map(({ iterations }) => iterations)).toEqual([undefined]);
  });

  it('stands outside, and no variable passes into it or out of it', () => {
    const round = k.parallel('round', 3, (i) => k.store(y, i, 1));
    const v = k.variable('v', 'i32');
    const used = k.store(y, 0, v);
    expect(() => k.kernel('inside', [y], k.loop('i', 2, () => round))).toThrow(
      'kernel inside: a parallel loop is inside another statement',
    );
    for (const statements of [
      [k.set(v, 1), k.parallel('round', 3, () => used)],
      [k.set(v, 1), round, used],
    ]) {
      expect(() => k.kernel('passing', [y], statements)).toThrow('v is used outside');
    }
  });
});

describe('work that is partitioned', () => {
  const extent = fc.oneof(fc.constantFrom(0, 1), fc.integer({ min: 1, max: 40 }));
  const works = fc.constantFrom(0, 1, 100, 5000, 20_000, 2 ** 15, 10 ** 6);

  it('is done once for each index of one axis or two, whatever the sizes', () => {
    fc.assert(
      fc.property(fc.tuple(extent, extent), works, fc.constantFrom(1, 4, 16), (
        sizes, work, multipleOf,
      ) => {
        for (const extents of [sizes, sizes.slice(1)]) {
          const pieces = k.partition(extents, work, { multipleOf });
          const count = extents.reduce((product, size) => product * size, 1);
          const times = k.buffer('times', 'i32', Math.max(count, 1));
          const body = k.parallel('round', pieces.chunks, (round) => {
            const [before, ...ranges] = pieces.rangesOf(round);
            const nest = (index: readonly k.Expr[]): k.Statements => {
              if (index.length < ranges.length) {
                return k.loop('i', ranges[index.length], (i) => nest([...index, i]));
              }
              const [i, j] = index;
              const place = j ? k.add(k.mul(i, extents[1]), j) : i;
              return k.store(times, place, k.add(k.load(times, place), 1));
            };
            return [before, nest([])];
          });
          const done = runTwins(k.kernel('count', [times], body), new Map()).get(times);
          if (count > 0) expect(Array.from(done ?? [])).toEqual(new Array(count).fill(1));
          if (work === 0) expect(pieces.chunks).toBe(1);
        }
      }),
    );
  });

  it('is added up in the order of the chunks', () => {
    const parts = k.buffer('parts', 'f32', 5 * 8);
    const totals = k.buffer('totals', 'f32', 10);
    const kernel = k.kernel('totals', [parts, totals], k.reducePartials(
      { buffer: parts, count: 5, length: 7, stride: 8 }, k.sum, totals, 2,
    ));
    const given = Array.from({ length: 40 }, (_, i) => Math.fround(Math.sin(i) * 10 ** (i % 7)));
    const found = runTwins(kernel, new Map([[parts, given]])).get(totals) ?? [];
    const expected = Array.from({ length: 7 }, (_, i) => (
      [0, 1, 2, 3, 4].reduce((sum, part) => Math.fround(sum + given[8 * part + i]), 0)
    ));
    expect(Array.from(found).slice(2, 9)).toEqual(expected);
  });
});
