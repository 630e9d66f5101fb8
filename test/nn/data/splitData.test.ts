/** Cutting data sets into parts: at random, by class, by time. */
import { mapDataset, parseCsv, splitData } from '@mambagrad/nn';
import fc from 'fast-check';
import { describe, expect, expectTypeOf, test, vi } from 'vitest';
import { upTo } from '../../support/numbers.ts';

describe('splitData', () => {
  /** Sizes of parts that add up to the number of samples. */
  const sizes = fc.array(fc.nat(12), { minLength: 1, maxLength: 4 });
  const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
  const classes = ['a', 'b', 'c'] as const;

  test('puts each sample into one part, the same for the same seed', () => {
    vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    fc.assert(fc.property(sizes, fc.nat(), fc.boolean(), fc.boolean(), (
      counts, seed, shuffle, isStratified,
    ) => {
      const samples = upTo(sum(counts));
      const options = {
        counts, seed, shuffle,
        ...(isStratified && { stratifyBy: (i: number) => classes[(i * i) % 3] }),
      };
      const parts = splitData(samples, options);
      expect(parts.map((part) => part.length)).toEqual(counts);
      expect(parts.flat().toSorted((a, b) => a - b)).toEqual(samples);
      for (const part of parts) expect(part).toEqual(part.toSorted((a, b) => a - b));
      expect(splitData(samples, options)).toEqual(parts);
      expect(splitData(mapDataset(samples, (x) => x), options).map((part) => [...part]))
        .toEqual(parts);
      const total = Math.max(1, samples.length);
      if (samples.length > 0) {
        expect(splitData(
          samples, { ...options, counts: undefined, fractions: counts.map((n) => n / total) },
        )).toEqual(parts);
      }
      if (!shuffle && !isStratified) expect(parts.flat()).toEqual(samples);
      if (!isStratified) return;
      for (const name of classes) {
        const has = (part: readonly number[]) =>
          part.filter((i) => classes[(i * i) % 3] === name).length;
        for (const part of parts) {
          expect(Math.abs(has(part) - (has(samples) * part.length) / total)).toBeLessThan(
            parts.length + 1,
          );
        }
      }
    }));
  });

  test('depends on the seed', () => {
    const parts =
      upTo(20).map((seed) => String(splitData(upTo(30), { fractions: [0.5, 0.5], seed })[0]));
    expect(new Set(parts).size).toBe(20);
  });

  test('in two parts has of each class its share, rounded', () => {
    const samples = upTo(100).map((i) => (i % 10 === 0 ? 'rare' : 'common'));
    const [train, rest] = splitData(samples, { fractions: [0.75, 0.25], stratifyBy: (s) => s });
    const rare = (part: readonly string[]) => part.filter((s) => s === 'rare').length;
    expect([7, 8]).toContain(rare(train));
    expect(rare(train) + rare(rest)).toBe(10);
  });

  test('goes by time where that is asked for, and gives tables for tables', () => {
    const table = parseCsv('t,x\n3,c\n1,a\n2,b\n');
    const [past, future] = splitData(table, { counts: [2, 1], orderBy: ({ t }) => Number(t) });
    expect(past.strings('x')).toEqual(['a', 'b']);
    expect(future.strings('x')).toEqual(['c']);
  });

  test('refuses parts that are not all, and warns of those that are empty', () => {
    const warn = vi.spyOn(console, 'warn').mockReset().mockImplementation(() => undefined);
    expect(() => splitData([1, 2], { fractions: [0.5, 0.4] })).toThrow(
      'splitData: fractions [0.5, 0.4] add up to 0.9, expected 1',
    );
    expect(() => splitData([1, 2], { counts: [1] })).toThrow(
      'splitData: counts [1] add up to 1, expected 2',
    );
    expect(() => splitData([1, 2], {})).toThrow('splitData: expected either fractions or counts');
    expect(() => splitData([1, 2], { fractions: [1], counts: [2] })).toThrow(
      'splitData: expected either',
    );
    expect(() => splitData([1], { counts: [1], orderBy: () => NaN })).toThrow(
      'the result of orderBy for sample 0 is NaN',
    );
    expect(warn).not.toHaveBeenCalled();
    expect(splitData([1, 2], { fractions: [0.9, 0.1] }).map((part) => part.length)).toEqual([2, 0]);
    expect(warn.mock.calls.flat()).toEqual(
      ['splitData: part 1 has no samples, as there are only 2 in all'],
    );
  });
});

test('splitData gives as many parts as sizes, and TypeScript knows it', () => {
  const [left, right] = splitData([1, 2, 3], { counts: [1, 2] });
  expectTypeOf(left).toEqualTypeOf<number[]>();
  expectTypeOf(splitData([1, 2, 3], { counts: [1, 2] })).toEqualTypeOf<[number[], number[]]>();
  const sizes: readonly number[] = [1, 2];
  expectTypeOf(splitData([1, 2, 3], { counts: sizes })).toEqualTypeOf<number[][]>();
  const table = parseCsv('a\n1\n2\n');
  expectTypeOf(splitData(table, { fractions: [0.5, 0.5] })[1]).toEqualTypeOf<typeof table>();
  expect([left.length, right.length]).toEqual([1, 2]);
});
