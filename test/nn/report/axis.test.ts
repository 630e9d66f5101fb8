/** Axes and numbers: round ticks that are told apart, at the places of their values. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createAxis } from '../../../packages/nn/src/report/axis.ts';
import { formatNumber, formatSeconds } from '../../../packages/nn/src/report/numbers.ts';

const anyNumber = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: -2000, max: 2000 }),
  fc.double({ min: 1e-6, max: 10, noNaN: true }),
);

test('a linear axis has its values between 0 and 1, in order, and ticks that differ', () => {
  fc.assert(
    fc.property(anyNumber, anyNumber, fc.integer({ min: 2, max: 8 }), (a, b, count) => {
      const [min, max] = [Math.min(a, b), Math.max(a, b)];
      const { ticks, place } = createAxis(min, max, count);
      for (const value of [min, max, ...ticks.map((tick) => tick.value)]) {
        expect(place(value)).toBeGreaterThan(-1e-6);
        expect(place(value)).toBeLessThan(1 + 1e-6);
      }
      // Neighbours in the last digits have no round numbers between them that are not the same.
      const size = Math.max(Math.abs(min), Math.abs(max));
      if ((max - min) / size < 1e-6 || size < 1e-290 || size > 1e290) return;
      expect(ticks.length).toBeGreaterThanOrEqual(1);
      expect(ticks.length).toBeLessThanOrEqual(count + 1);
      if (max - min > size / 1000) {
        expect(new Set(ticks.map(({ label }) => label)).size).toBe(ticks.length);
      }
    }),
    { numRuns: 500 },
  );
});

test('a logarithmic axis has the place of a value by its logarithm', () => {
  const positive = fc.double({ min: 1e-30, max: 1e30, noNaN: true });
  fc.assert(
    fc.property(positive, positive, (a, b) => {
      const [min, max] = [Math.min(a, b), Math.max(a, b)];
      const { ticks, place } = createAxis(min, max, 5, { isLog: true });
      expect(place(Math.sqrt(min) * Math.sqrt(max))).toBeCloseTo((place(min) + place(max)) / 2, 6);
      for (const { value } of ticks) {
        expect(place(value)).toBeGreaterThan(-1e-6);
        expect(place(value)).toBeLessThan(1 + 1e-6);
      }
      if (max > 10 * min) expect(ticks.length).toBeGreaterThanOrEqual(2);
      expect(ticks.length).toBeLessThanOrEqual(9);
    }),
  );
});

test.each([
  [0, 1, '0 0.2 0.4 0.6 0.8 1.0'], [0.11, 0.14, '0.11 0.12 0.13 0.14'],
  [1, 2000, '0 500 1000 1500 2000'],
  [1, 100_000, '0 20k 40k 60k 80k 100k'], [-3, 3, '−2 0 2'], [2, 2, '1.0 1.5 2.0 2.5 3.0'],
  [0, 0, '0 0.1 0.2 0.3 0.4 0.5'],
  [1e-5, 4e-5, '1e−5 2e−5 3e−5 4e−5'], [3e6, 9e6, '4000k 6000k 8000k'],
  [0, 4.2e7, '0 10M 20M 30M 40M'],
])('ticks from %d to %d', (min, max, expected) => {
  expect(createAxis(min, max, 5).ticks.map(({ label }) => label).join(' ')).toBe(expected);
});

test.each([
  [0.01, 10, '0.01 0.1 1 10'], [1e-7, 1, '1e−6 1e−4 0.01 1'], [2, 7, '2 3 4 5 6 7'],
  [0.5, 0.6, '0.50 0.52 0.54 0.56 0.58 0.60'], [1, 1e6, '1 100 10k 1e6'],
])('logarithmic ticks from %d to %d', (min, max, expected) => {
  const { ticks } = createAxis(min, max, 5, { isLog: true });
  expect(ticks.map(({ label }) => label).join(' ')).toBe(expected);
});

test('numbers and times are short', () => {
  const numbers =
    [0, 1, -2, 12345, 123456.7, 0.03125, 0.0123456, 2.5e-7, -1e15, NaN, Infinity, 99999.5];
  expect(numbers.map(formatNumber)).toEqual([
    '0', '1', '−2', '12,345', '123,457', '0.03125', '0.01235', '2.5e−7', '−1e15', '–', '∞',
    '100,000',
  ]);
  expect([0.5234, 59.4, 59.6, 65, 3599.6, 7400, 200_000, NaN].map(formatSeconds)).toEqual([
    '0.52 s', '59 s', '1:00 min', '1:05 min', '1:00 h', '2:03 h', '2.3 days', '–',
  ]);
});
