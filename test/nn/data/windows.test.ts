/** Series: regular ones from times with gaps, and the windows that they are cut into. */
import { DataLoader, regularSeries, windows } from '@mambagrad/nn';
import { type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectSame } from '../../support/compare.ts';
import { upTo } from '../../support/numbers.ts';

describe('windows', () => {
  const options = fc.record({
    length: fc.integer({ min: 1, max: 5 }), horizon: fc.nat(3),
    stride: fc.integer({ min: 1, max: 4 }), skip: fc.nat(2),
  });
  const value = fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constant(NaN));

  test('tile the series: each starts a stride after the last, none is left out, gaps are masked', () => {
    const series = fc.array(fc.array(value, { maxLength: 20 }), { minLength: 1, maxLength: 3 });
    fc.assert(fc.property(series, options, fc.integer({ min: 1, max: 2 }), (
      all, given, channels,
    ) => {
      const { length, horizon, stride, skip } = given;
      const rows = all.map((one) => one.map((x) => upTo(channels).map((c) => x + c)));
      const made = windows(
        channels === 1 ? all
          : rows.map((one) => tensor(one.flat(), { shape: [one.length, channels] })),
        given,
      );
      const expected = rows.flatMap((one, i) => {
        const starts: [number, number][] = [];
        for (let s = 0; s + length + skip + horizon <= one.length; s += stride) starts.push([i, s]);
        return starts;
      });
      expect(made).toHaveLength(expected.length);
      for (const [index, [i, start]] of expected.entries()) {
        expect(made.positionOf(index)).toEqual({ series: i, start });
        const { input, inputMask, target, targetMask } = made.at(index);
        const cuts = [
          [input, inputMask, start, length], [target, targetMask, start + length + skip, horizon],
        ] as const;
        for (const [values, mask, from, count] of cuts) {
          const wanted = rows[i].slice(from, from + count);
          expectSame(
            values, tensor(wanted.flat().map((x) => x || 0), { shape: [count, channels] }),
          );
          const isThere = wanted.flat().map((x) => (Number.isNaN(x) ? 0 : 1));
          expectSame(mask, tensor(isThere, { shape: [count, channels], dtype: 'i32' }));
        }
      }
    }));
  });

  test('can leave out those with gaps', () => {
    fc.assert(fc.property(fc.array(value, { maxLength: 30 }), options, (series, given) => {
      const isWhole = (mask: Tensor) => mask.data.every((x: number) => x === 1);
      const all = [...windows(series, given)];
      const kept = (test: (w: (typeof all)[0]) => boolean) =>
        all.filter(test).map(({ input, target }) => `${input}${target}`);
      const found = (gaps: 'drop' | 'dropTargets') =>
        [...windows(series, { ...given, gaps })].map(({ input, target }) => `${input}${target}`);
      expect(found('drop')).toEqual(kept((w) => isWhole(w.inputMask) && isWhole(w.targetMask)));
      expect(found('dropTargets')).toEqual(kept((w) => isWhole(w.targetMask)));
    }));
  });

  test('come in batches, and refuse what is no series', () => {
    const [batch] = new DataLoader(windows(upTo(9), { length: 4, horizon: 2 }), { batchSize: 3 });
    expect(batch.input.shape).toEqual([3, 4, 1]);
    expect(batch.target.squeeze(-1).toArray()).toEqual([[4, 5], [5, 6], [6, 7]]);
    expect(() => windows('x' as never, { length: 1 })).toThrow(
      "windows: series is 'x', expected numbers in an array",
    );
    expect(() => windows([tensor([[1, 2]]), [1]], { length: 1 })).toThrow(
      'windows: series[1] has 1 channels, series[0] has 2',
    );
    expect(() => windows(tensor(1), { length: 1 })).toThrow(
      'windows: series[0] is f32[], expected f32[steps]',
    );
    expect(() => windows([1], { length: 1, horizon: 0 }).positionOf(1)).toThrow(
      'Windows.positionOf: index is 1',
    );
  });
});

describe('regularSeries', () => {
  const month = (m: number) => Date.UTC(1970, m, 15, 12);

  test('has a step for each month or day, NaN where there is no value, whatever the order', () => {
    const units = ['month', 'day', 'year', 1000] as const;
    const steps = fc.uniqueArray(fc.nat(60), { minLength: 1, maxLength: 20 });
    fc.assert(fc.property(steps, fc.constantFrom(...units), (at, every) => {
      const timeOf = (step: number) =>
        every === 'month' ? month(step)
          : every === 'year' ? month(12 * step) : step * (every === 'day' ? 86_400_000 : 1000);
      const { times, values } = regularSeries(at.map(timeOf), at, { every });
      const [from, to] = [Math.min(...at), Math.max(...at)];
      const all = upTo(to - from + 1).map((i) => i + from);
      expect([...times]).toEqual(all.map(timeOf));
      expect([...values]).toEqual(all.map((step) => (at.includes(step) ? step : NaN)));
    }));
  });

  test('refuses times between steps, twice the same time, and too many steps', () => {
    expect(() => regularSeries([0, 1.5], [1, 2], { every: 1 })).toThrow(
      'regularSeries: times[1] is 1970-01-01T00:00:00.001Z, which is not a whole number of steps',
    );
    expect(() => regularSeries([0, 86_400_000], [1, 2], { every: 'month' })).toThrow(
      '(every: month) after the first',
    );
    expect(() => regularSeries([0, 0], [1, 2], { every: 'day' })).toThrow(
      'two values have the time 1970-01-01T00',
    );
    expect(() => regularSeries([0, 1e12], [1, 2], { every: 1 })).toThrow(
      'there are 1000000000001 steps, too many',
    );
    expect(() => regularSeries([0], [], { every: 'day' })).toThrow(
      'there are 1 times and 0 values',
    );
    expect(() => regularSeries([NaN], [1], { every: 'day' })).toThrow('times[0] is NaN');
  });
});
