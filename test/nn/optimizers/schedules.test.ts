/** Schedules against their formulas. */
import {
  cosineDecay,
  joinSchedules,
  linearDecay,
  multiplySchedules,
  stepDecay,
  warmUp,
} from '@mambagrad/nn';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const anyLength = fc.integer({ min: 1, max: 50 });
const anyStep = fc.integer({ min: 0, max: 120 });
const anyFinal = fc.double({ min: 0, max: 1, noNaN: true });

describe('a schedule', () => {
  it('warms up in even parts, ending at 1', () => {
    expect([0, 1, 2, 3, 4, 99].map(warmUp(4))).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
  });

  it('decays along a line and a cosine from 1 to its end, where it stays', () => {
    fc.assert(
      fc.property(anyLength, anyStep, anyFinal, (steps, step, final) => {
        const t = Math.min(step, steps) / steps;
        expect(linearDecay(steps, final)(step)).toBeCloseTo((1 - t) + t * final, 12);
        const cosine = Math.cos((Math.PI * t) / 2) ** 2;
        expect(cosineDecay(steps, final)(step)).toBeCloseTo(final + (1 - final) * cosine, 12);
      }),
    );
    expect([0, 2, 4, 5].map(linearDecay(4))).toEqual([1, 0.5, 0, 0]);
    expect([0, 4, 9].map(cosineDecay(4, 0.25))).toEqual([1, 0.25, 0.25]);
  });

  it('has a length above 0 and ends at a factor from 0', () => {
    for (const steps of [0, -1, NaN, null as unknown as number]) {
      for (const make of [warmUp, linearDecay, cosineDecay, stepDecay]) {
        expect(() => make(steps)).toThrow(`${make.name}: steps is`);
      }
    }
    for (const make of [warmUp, stepDecay]) {
      expect(() => make(undefined as unknown as number)).toThrow(`${make.name}: steps is missing`);
    }
    expect(() => linearDecay(3, NaN)).toThrow('linearDecay: final is NaN');
    expect(() => cosineDecay(3, -1)).toThrow('cosineDecay: final is -1');
    expect(() => stepDecay(3, -0.1)).toThrow('stepDecay: factor is -0.1');
    const [one] = [warmUp(1)];
    expect(() => joinSchedules(one, [5, one], [4, one])).toThrow(
      'joinSchedules: others[1][0] is 4, expected a whole number from 5',
    );
    expect(() => joinSchedules(one, one as never)).toThrow(
      'joinSchedules: others[0] is a function, expected a pair [from, schedule]',
    );
    expect(() => multiplySchedules(one, 2 as never)).toThrow('multiplySchedules: schedules is [');
    expect([linearDecay, cosineDecay].map((make) => make(3)(3))).toEqual([0, 0]);
    expect(stepDecay(1)(1)).toBe(0.1);
  });

  it('decays in steps', () => {
    expect([0, 9, 10, 19, 20].map(stepDecay(10, 0.5))).toEqual([1, 1, 0.5, 0.5, 0.25]);
    expect(stepDecay(3)(3)).toBe(0.1);
  });

  it('is the product of others, or one after the other', () => {
    fc.assert(
      fc.property(anyLength, anyLength, anyStep, (first, second, step) => {
        const [up, down] = [warmUp(first), cosineDecay(second)];
        expect(multiplySchedules(up, down)(step)).toBe(up(step) * down(step));
        const last = stepDecay(7);
        const joined = joinSchedules(up, [first, down], [first + second, last]);
        const expected =
          step < first
            ? up(step)
            : step < first + second
              ? down(step - first)
              : last(step - first - second);
        expect(joined(step)).toBe(expected);
      }),
    );
    expect(joinSchedules(warmUp(2))(0)).toBe(0.5);
    const joined = joinSchedules(linearDecay(4), [2, warmUp(4)], [4, linearDecay(2)]);
    expect([0, 1, 2, 3, 4, 5].map(joined)).toEqual([1, 0.75, 0.25, 0.5, 1, 0.5]);
    expect(multiplySchedules()(3)).toBe(1);
  });
  it('without steps is as long as the run, or as its part of it', () => {
    fc.assert(
      fc.property(anyLength, anyStep, anyFinal, fc.integer({ min: 1, max: 40 }), (
        total, step, final, from,
      ) => {
        for (const make of [linearDecay, cosineDecay]) {
          const [free, fixed] = [make(undefined, final), make(total, final)];
          expect(free(step, total)).toBe(fixed(step));
          // A length of its own comes first.
          expect(fixed(step, 3)).toBe(fixed(step));
          expect(multiplySchedules(warmUp(5), free)(step, total)).toBe(
            warmUp(5)(step) * fixed(step),
          );
          const joined = joinSchedules(warmUp(5), [5, free], [5 + from, free]);
          const ends = [5 + from, 5 + from + total];
          const parts =
            joinSchedules(warmUp(5), [5, make(from, final)], [ends[0], make(total, final)]);
          expect(joined(step, ends[1])).toBe(parts(step));
        }
      }),
    );
    for (const total of [undefined, Infinity]) {
      expect(() => cosineDecay()(3, total)).toThrow(
        'cosineDecay: steps is missing, and the run has no length: give steps, ' +
          'or train to a number',
      );
    }
  });
});
