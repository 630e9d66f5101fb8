/** The harness of the benchmarks: statistics, tables, and what is left out. No time is asserted. */
import { compile, tensor, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inAllWays, threadCounts, ways } from '../../bench/support/ways.ts';
import { fill, measure, type Plan, summarize } from '../../bench/support/suite.ts';
import {
  align, digits, formatTable, markdown, type Measurement, ratioText, spreadText, type Table,
  valueText, withPrefix,
} from '../../bench/support/table.ts';

const positive = fc.double({ min: 1e-9, max: 9e14, noNaN: true });

/** A measurement of so many milliseconds, ± 10 %. */
const took = (median: number): Measurement => (
  { median, lower: 0.9 * median, upper: 1.1 * median, samples: 5 }
);

describe('summarize', () => {
  const time = fc.double({ min: 0, max: 1e6, noNaN: true });
  const lists = fc.array(time, { minLength: 1, size: '+1' });

  test('has a quarter of the samples below, half, and three quarters', () => {
    fc.assert(fc.property(lists, (samples) => {
      const { lower, median, upper, samples: count } = summarize(samples);
      expect(count).toBe(samples.length);
      const quartiles = [[0.25, lower], [0.5, median], [0.75, upper]] as const;
      for (const [part, quartile] of quartiles) {
        // It lies at this place of the sorted samples, or between two.
        const place = part * (samples.length - 1);
        const below = samples.filter((sample) => sample <= quartile).length;
        const above = samples.filter((sample) => sample >= quartile).length;
        expect(below).toBeGreaterThanOrEqual(Math.floor(place) + 1);
        expect(above).toBeGreaterThanOrEqual(samples.length - Math.ceil(place));
        expect(quartile).toBeGreaterThanOrEqual(Math.min(...samples));
        expect(quartile).toBeLessThanOrEqual(Math.max(...samples));
      }
      expect(lower).toBeLessThanOrEqual(median);
      expect(median).toBeLessThanOrEqual(upper);
    }));
  });

  test('does not depend on the order, and leaves the samples as they are', () => {
    fc.assert(fc.property(lists, (samples) => {
      const before = [...samples];
      expect(summarize(samples.toReversed())).toEqual(summarize(samples));
      expect(samples).toEqual(before);
    }));
  });

  test('interpolates between samples', () => {
    const quartilesOf = (...samples: number[]): number[] => {
      const { lower, median, upper } = summarize(samples);
      return [lower, median, upper];
    };
    expect(quartilesOf(40, 10, 30, 20)).toEqual([17.5, 25, 32.5]);
    expect(quartilesOf(3, 1, 2, 5, 4)).toEqual([2, 3, 4]);
    expect(quartilesOf(7)).toEqual([7, 7, 7]);
  });
});

describe('numbers', () => {
  const factors: Record<string, number> = {
    n: 1e-9, µ: 1e-6, m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12,
  };

  test('with a prefix are the number in three digits, from 1 to 999', () => {
    fc.assert(fc.property(positive, (value) => {
      const [, number, prefix] = /^([\d.]+) (.?)s$/.exec(withPrefix(value, 's')) ?? [];
      expect(number.replace('.', '')).toHaveLength(3);
      expect(Number(number)).toBeGreaterThanOrEqual(1);
      const error = Math.abs(Number(number) * factors[prefix] - value);
      expect(error).toBeLessThanOrEqual(0.00501 * value);
    }));
  });

  test.each([
    [1.234e-9, '1.23 ns'], [0.05e-9, '0.0500 ns'], [999.4e-9, '999 ns'], [999.6e-9, '1.00 µs'],
    [54.87e-3, '54.9 ms'], [0.9996, '1.00 s'], [1, '1.00 s'], [0, '0.00 ns'],
  ])('%f s is %s', (value, text) => expect(withPrefix(value, 's')).toBe(text));

  test.each([
    [1, '1.00'], [0.01234, '0.0123'], [12.34, '12.3'], [99.96, '100'], [999.6, '1000'],
    [12345.6, '12346'],
  ])('%f has the digits %s', (value, text) => expect(digits(value)).toBe(text));

  test('ratios are at least 1, with a sign for more or less', () => {
    expect([1, 3, 1 / 3, 0.001].map(ratioText)).toEqual(['×1.00', '×3.00', '÷3.00', '÷1000']);
    fc.assert(fc.property(positive, (ratio) => {
      const [sign, size] = [ratioText(ratio)[0], Number(ratioText(ratio).slice(1))];
      const read = sign === '×' ? size : 1 / size;
      expect(size).toBeGreaterThanOrEqual(1);
      expect(Math.abs(read - ratio)).toBeLessThanOrEqual(0.00501 * ratio);
    }));
  });

  test('of a measurement are the time, the time of each, or the rate', () => {
    const row = { name: 'x', count: 200, cells: [] };
    expect(valueText(took(50), row, 'time')).toBe('50.0 ms');
    expect(valueText(took(50), row, 'time of each')).toBe('250 µs');
    expect(valueText(took(50), row, 'rate')).toBe('4.00 k/s');
    expect(valueText(undefined, row, 'rate')).toBe('–');
    expect(spreadText({ median: 50, lower: 45, upper: 59, samples: 9 })).toBe('±14%');
  });
});

describe('tables', () => {
  const table: Table = {
    title: 'Work, time of a call',
    quantity: 'time',
    columns: ['slow', 'fast', 'other'],
    rows: [
      { name: 'a', count: 1, cells: [took(1), took(0.05), undefined] },
      { name: 'longer', count: 9, cells: [took(100), took(2.5), took(1000)] },
      { name: 'none', count: 1, cells: [undefined, took(3), undefined] },
    ],
  };

  test('show medians, spreads and ratios below each other', () => {
    expect(formatTable(table).split('\n')).toEqual([
      'Work, time of a call',
      '                 slow                  fast                other',
      'a       1.00 ms  ±10%  50.0 µs  ±10%  ÷20.0       –',
      'longer   100 ms  ±10%  2.50 ms  ±10%  ÷40.0  1.00 s  ±10%  ×10.0',
      'none          –        3.00 ms  ±10%              –',
    ]);
  });

  test('compare rates, not times, where they show rates', () => {
    const text = formatTable({ ...table, quantity: 'rate' });
    expect(text).toContain('1.00 k/s  ±10%  20.0 k/s  ±10%  ×20.0');
  });

  test('have columns of one width, names to the left and all else to the right', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'µ', '×', '–', ' '), minLength: 1 })
      .map((text) => `${text}.`);
    const words = fc.integer({ min: 1, max: 4 }).chain((columns) =>
      fc.array(fc.array(word, { minLength: columns, maxLength: columns }), { minLength: 1 }),
    );
    fc.assert(fc.property(words, (rows) => {
      const lines = align(rows);
      const ends = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
      rows.forEach((row, r) => {
        let end = 0;
        row.forEach((text, i) => {
          const start = end;
          end += ends[i];
          const place = lines[r].slice(start, end).padEnd(ends[i]);
          expect(i === 0 ? place.startsWith(text) : place.endsWith(text)).toBe(true);
          expect(lines[r].slice(end, end + 2).trim()).toBe('');
          end += 2;
        });
      });
    }));
  });

  test('can be Markdown', () => {
    expect(markdown([['', 'one', 'two'], ['a', '1', '2']])).toBe(
      '|  | one | two |\n| --- | --: | --: |\n| a | 1 | 2 |',
    );
  });
});

describe('suites', () => {
  test('end a column that grows before a call is too slow', async () => {
    const called: string[] = [];
    const rows = [1, 10, 100, 1000].map((count) => ({
      name: `${count}`,
      count,
      // The first takes as many milliseconds as the count says, the second a hundredth.
      calls: [() => called.push(`slow ${count}`), () => called.push(`fast ${count}`), undefined],
    }));
    const columns = ['slow', 'fast', 'none'];
    const plan: Plan = { title: 'growth', columns, rows, isGrowing: true };
    const timed = async (call: () => unknown): Promise<Measurement> => {
      call();
      const [way, count] = called[called.length - 1].split(' ');
      return took(Number(count) / (way === 'slow' ? 1 : 100));
    };
    const shown = async (changed: Partial<Plan>) => {
      const table = await fill({ ...plan, ...changed }, { time: 1, limit: 100 }, timed);
      return table.rows.map(({ cells }) => cells.map((cell) => cell?.median));
    };
    const none = undefined;
    expect(await shown({})).toEqual([
      [1, 0.01, none], [10, 0.1, none], [100, 1, none], [none, 10, none],
    ]);
    expect(called).not.toContain('slow 1000');
    expect((await shown({ limit: 9 })).map(([slow]) => slow)).toEqual([1, none, none, none]);
    expect((await shown({ isGrowing: false })).map(([slow]) => slow)).toEqual([1, 10, 100, 1000]);
  });

  test('time calls that were called before', async () => {
    let calls = 0;
    const { samples, lower, upper } = await measure(() => calls++, { time: 1, limit: 1 });
    expect(samples).toBeGreaterThanOrEqual(3);
    expect(calls).toBeGreaterThanOrEqual(samples + 2);
    expect(lower).toBeLessThanOrEqual(upper);
  });

  test('do not hide errors', async () => {
    let calls = 0;
    const call = (): void => {
      if (++calls > 3) throw new Error('broken');
    };
    await expect(measure(call, { time: 1, limit: 1 })).rejects.toThrow('broken');
  });

  test('run a function in all ways, with one result', () => {
    const calls = inAllWays((x: Tensor) => x.mul(3).add(1), tensor([1, -2]));
    expect(calls).toHaveLength(ways.length);
    expect(threadCounts[0]).toBe(1);
    for (const call of calls) expect([...(call() as Tensor).data]).toEqual([4, -5]);
    const negative = compile((x: Tensor) => x.neg(), { threads: 1 });
    expect([...negative(tensor([2])).data]).toEqual([-2]);
  });
});
