/** Charts as text: at the right place, in the width that was asked for, of whatever numbers. */
import { plot } from '@mambagrad/nn';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const line = (step: number, loss: number | null, more = {}) =>
  JSON.stringify(
    { step, lr: 0.1 * step, gradientNorm: 1, metrics: { loss }, seconds: step, ...more },
  );

/** The places of the dots of a chart without title, from 0 at the left and bottom to 1. */
function dotsOf(text: string): [x: number, y: number][] {
  const lines = text.split('\n');
  const height = lines.findIndex((each) => each.includes('└'));
  const left = lines[height].indexOf('└') + 1;
  const width = 2 * (lines[height].length - left);
  const places = [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2], [0, 3], [1, 3]];
  return lines.slice(0, height).flatMap((row, i) => [...row.slice(left)].flatMap((character, j) =>
    places.flatMap(([x, y], bit): [number, number][] => {
      const isSet = character !== ' ' && ((character.codePointAt(0) ?? 0) & (1 << bit)) !== 0;
      return isSet ? [[(2 * j + x) / (width - 1), 1 - (4 * i + y) / (4 * height - 1)]] : [];
    })));
}

test('dots lie where the values are, and nowhere else', () => {
  // A line through values has its dots between neighbours; the axis leaves 1/27 free at both ends.
  const values =
    fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 2, maxLength: 30 });
  fc.assert(
    fc.property(values, fc.integer({ min: 40, max: 200 }), fc.integer({ min: 4, max: 30 }), (
      y, width, height,
    ) => {
      const [least, greatest] = [Math.min(...y), Math.max(...y)];
      if (greatest - least < 0.1 || least === 0) return;
      const first = least > 0 ? Math.max(0, least - (greatest - least) / 25)
        : least - (greatest - least) / 25;
      const last = greatest + (greatest - least) / 25;
      const dots = dotsOf(plot(y, { width, height, log: false }));
      const near = 1.01 / (4 * height - 1);
      y.forEach((value, i) => {
        const [x, place] = [i / (y.length - 1), (value - first) / (last - first)];
        const found =
          dots.some(([dx, dy]) => Math.abs(dx - x) < 1.01 / 70 && Math.abs(dy - place) <= near);
        expect(found, `${i}: ${value}`).toBe(true);
      });
      for (const [, dy] of dots) {
        expect(first + dy * (last - first)).toBeGreaterThanOrEqual(least - near * (last - first));
        expect(first + dy * (last - first)).toBeLessThanOrEqual(greatest + near * (last - first));
      }
    }),
  );
});

test('no line is longer than the width, of whatever numbers and names', () => {
  const numbers = fc.array(fc.oneof(fc.double(), fc.integer()), { maxLength: 20 });
  const names = fc.string({ unit: 'grapheme-ascii', maxLength: 60 });
  const [widths, heights] = [fc.integer({ min: 20, max: 200 }), fc.integer({ min: 2, max: 20 })];
  fc.assert(
    fc.property(fc.dictionary(names, numbers), widths, heights, (curves, width, height) => {
      const lines = plot(curves, { width, height }).split('\n');
      for (const each of lines) expect(each.length).toBeLessThanOrEqual(Math.max(width, 36));
      const isEmpty = Object.values(curves).flat().every((value) => !Number.isFinite(value));
      if (isEmpty) expect(lines).toEqual(['There is no finite value to draw.']);
      else expect(lines.length).toBeGreaterThanOrEqual(height + 2);
    }),
  );
});

test('a chart has its axes, curve, signs and legend', () => {
  const run = [1, 2, 3, 4, 5].map((step) =>
    line(step, step, step % 2 === 1 ? { validation: { loss: 6 - step } } : {}),
  );
  expect(plot(run, { width: 40, height: 5, log: false })).toBe([
    'loss',
    '  │o                              ⣀⣀⡠⠤⠔⠒',
    '4 ┤                       ⢀⣀⠤⠤⠒⠒⠉⠉',
    '  │               ⣀⣀⡠o⠔⠒⠊⠉⠁',
    '2 ┤      ⣀⣀⠤⠤⠔⠒⠒⠉⠉',
    '  │⠤⠔⠒⠊⠉⠉                              o',
    '  └─────────┬─────────────────┬─────────',
    '            2                 4',
    '⠤⠒ training   o validation',
  ].join('\n'));
});

test('values that are not finite are gaps; nothing finite is said', () => {
  const dots = (values: number[]) => dotsOf(plot(values, { width: 40, height: 4 }));
  const whole = dots([1, 2, 3, 4, 5]);
  const broken = dots([1, 2, NaN, 4, 5]);
  expect(broken.length).toBeLessThan(whole.length);
  expect(broken.filter(([x]) => Math.abs(x - 0.5) < 0.2)).toEqual([]);
  for (const values of [[], [NaN], [Infinity, -Infinity]]) {
    expect(plot(values)).toBe('There is no finite value to draw.');
  }
  expect(plot('')).toBe('loss\nThere is no finite value to draw.');
  expect(plot([line(1, null)])).toBe('loss\nThere is no finite value to draw.');
  expect(dots([7])).toHaveLength(1);
});

test('the charts of a run are chosen by title, those of metrics by default', () => {
  const log = [line(1, 1, { validation: { loss: 2, accuracy: 0.5 } }), line(2, 0.5)].join('\n');
  const titles = (text: string) => text.split('\n\n').map((chart) => chart.split('\n')[0]);
  expect(titles(plot(log))).toEqual(['loss', 'accuracy']);
  expect(titles(plot(log, { charts: ['gradient norm', 'learning rate'] }))).toEqual(
    ['learning rate', 'gradient norm'],
  );
  expect(() => plot(log, { charts: ['f1'] })).toThrow(
    "plot: charts: the run has no 'f1'; it has 'loss', 'accuracy', 'learning rate', " +
    "'gradient norm'",
  );
});

test('names cannot command the terminal', () => {
  const text = plot({ '\u001b[2Jname\n\u202e': [1, 2], b: [2, 1] });
  expect(text).toContain('\ufffd[2Jname\ufffd\ufffd');
  // eslint-disable-next-line no-control-regex
  expect(text).not.toMatch(/\u001b|\u202e/);
});

test('refuses what is neither numbers nor a log', () => {
  expect(() => plot(3 as never)).toThrow(
    'plot: log is 3, expected a run, the text of a log, or its lines',
  );
  expect(() => plot({ a: 3 } as never)).toThrow('plot: data.a is 3, expected an array of numbers');
  expect(() => plot([1], { width: 10 })).toThrow(
    'plot: width is 10, expected a whole number from 20',
  );
});
