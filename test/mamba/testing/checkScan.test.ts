/** How checkScan reports, fails, and repeats itself. */
import {
  checkScan, type Float64Scan, PropertyError, type ScanCandidate, type ScanProperty, scanProperties,
  type ScanReference,
} from '@mambagrad/mamba/testing';
import { tensor } from '@mambagrad/tensor';
import { describe, expect, it } from 'vitest';
import { linearScan, scanWithGradients, withStep } from '../../support/wrongScans.ts';

const few = { numRuns: 5, maxLength: 20 };

/** The error of a check that fails. */
async function errorOf(check: Promise<unknown>): Promise<PropertyError> {
  const error = await check.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(PropertyError);
  return error as PropertyError;
}

describe('a report', () => {
  it('names the properties that were checked, and those left out with the reason', async () => {
    const { checked, leftOut, seed, name } = await checkScan(
      { ...withStep(), name: 'mine' }, { ...few, seed: 3, except: ['batch'] },
    );
    expect([name, seed]).toEqual(['checkScan: mine', 3]);
    const names = [...checked, ...leftOut].map(({ property }) => property);
    expect([...names].sort()).toEqual([...scanProperties].sort());
    expect(leftOut).toEqual([
      { property: 'batch', why: 'the option except names it' },
      { property: 'gradients', why: "the scan does not say that it supports 'gradients'" },
      {
        property: 'gradientsOfLastState',
        why: "the scan does not say that it supports 'gradients'",
      },
    ]);
    expect(checked[0]).toEqual({
      property: 'recurrence', runs: 24,
      says: 'from zero, each y is that of the recurrence, at every length',
    });
  });

  it('is text where it is printed', async () => {
    const report = await checkScan(linearScan(), { ...few, seed: 3, only: ['mask', 'step'] });
    expect(String(report).split('\n').slice(0, 3)).toEqual([
      'checkScan: run (seed 3)',
      '  holds     mask (5): padding, wherever it is, leaves the state and all other steps as ' +
        'they are',
      '  left out  recurrence: the option only does not name it',
    ]);
    expect(String(report)).toContain('  left out  step: the scan has no function step');
  });
});

describe('a failure', () => {
  const forgetful = linearScan({ start: () => 0 });

  it('shows the property, the smallest input, and both results', async () => {
    const { message } = await errorOf(checkScan(forgetful, { seed: 5 }));
    expect(message.replaceAll(/input \d+, made smaller \d+ times/g, '…')).toBe([
      'checkScan: run: initialState: it begins from the initial state, which decays in the first ' +
        'step. This does not hold: lastState[0, 0] is 0, expected 1, give or take 1.1e-13',
      'The smallest input that was found (seed 5, …):',
      '  sizes         batch 1, length 0, channels 1',
      '  a             [[]]',
      '  b             [[]]',
      '  initialState  [[1]]',
      '  lastState, found     [[0]]',
      '  lastState, expected  [[1]]',
    ].join('\n'));
  });

  it('is the same with the same seed', async () => {
    const first = await errorOf(checkScan(forgetful));
    const second = await errorOf(checkScan(forgetful, { seed: first.seed }));
    expect(second.message).toBe(first.message);
    expect(second.property).toBe('initialState');
  });

  it.each<[ScanProperty, string, (given: { b: Float64Array }) => unknown]>([
    ['recurrence', 'run gave undefined, expected an object of results', () => undefined],
    ['recurrence', 'y is undefined, expected an array of 0: [1, 0,', () => ({})],
    ['recurrence', 'y has 1 numbers, expected an array of 0', () => ({ y: [1] })],
    ['lastState', 'lastState is undefined, expected an array of 1', ({ b }) => ({ y: b })],
    ['recurrence', 'it threw RangeError: too long', () => {
      throw new RangeError('too long');
    }],
  ])('of %s says: %s', async (property, text, run) => {
    const check = checkScan(
      { dtype: 'f64', supports: ['lastState'], run: run as never }, { ...few, only: [property] },
    );
    const error = await errorOf(check);
    expect(error.property).toBe(property);
    expect(error.message).toContain(text);
  });

  it('is seen beside results that are infinite, and at them', async () => {
    // The logarithm of the sum before each step: −∞ at the first.
    const reference: ScanReference<'b'> = {
      name: 'the logarithm of the past',
      inputs: { b: { axes: ['batch', 'length'], range: [1, 2] } }, y: ['batch', 'length'],
      state: ['batch', 'one'],
      step: (h, { b }) => {
        const before = Math.log(h[0]);
        h[0] += b[0];
        return [before];
      },
    };
    const scan = (first: number, times: number): ScanCandidate<'b'> => ({
      dtype: 'f64',
      run: ({ b }) => {
        let sum = 0;
        return {
          y: b.map((x, t) => {
            sum += x;
            return t === 0 ? first : times * Math.log(sum - x);
          }),
        };
      },
    });
    const options = { ...few, reference, only: ['recurrence'] as const };
    await checkScan(scan(-Infinity, 1), options);
    const later = await errorOf(checkScan(scan(-Infinity, 2), options));
    expect(later.message).toMatch(/y\[0, \d+\] is .*, expected/);
    const first = await errorOf(checkScan(scan(5, 1), options));
    expect(first.message).toContain('y[0, 0] is 5, expected -Infinity');
  });

  it('names the gradient that is not a number', async () => {
    const right = scanWithGradients();
    const broken: Float64Scan<'a' | 'b'> = {
      ...right,
      gradients: async (given, cotangents) => {
        const { a = [], ...others } = await right.gradients?.(given, cotangents) ?? {};
        // The first element stays right, and is not the one to be named.
        const last = Math.max(1, a.length - 1);
        return { ...others, a: Float64Array.from(a, (g, i) => (i === last ? NaN : g)) };
      },
    };
    const check = checkScan(broken, { ...few, only: ['gradients'], seed: 4 });
    expect((await errorOf(check)).message).toMatch(/the gradient of a\[[\d, ]+\] is NaN, finite/);
  });

  it('of tensors names the tensor', async () => {
    const check = checkScan({ tensors: true, run: () => ({ y: tensor([[1]]) }) }, few);
    expect((await errorOf(check)).message).toContain('y is f32[1, 1], expected f32[1, 0, ');
    const constant = checkScan({
      tensors: true, supports: ['gradients'], run: ({ b }) => ({ y: b.detach() }),
    }, { ...few, only: ['gradients'] });
    expect((await errorOf(constant)).message).toContain('results do not require gradients');
  });
});

describe('a candidate', () => {
  it('may be asynchronous, and need a step at least', async () => {
    const scan = linearScan();
    const lengths = new Set<number>();
    await checkScan({
      dtype: 'f64', minLength: 1, supports: ['initialState', 'lastState'],
      run: async (given) => {
        lengths.add(given.sizes['length']);
        await new Promise((resolve) => setTimeout(resolve, 0));
        return scan.run(given);
      },
    }, { ...few, only: ['recurrence', 'split', 'gradients'] });
    expect(Math.min(...lengths)).toBe(1);
    expect(Math.max(...lengths)).toBe(20);
  });

  it('is refused where it cannot be one', async () => {
    await expect(checkScan({} as never)).rejects.toThrow('checkScan: run is missing, expected a');
    await expect(checkScan({ run: () => ({ y: [] }), supports: ['masks' as never] }))
      .rejects.toThrow("checkScan: supports is ['masks'], expected an array, each element 'ini");
    await expect(checkScan(linearScan(), { only: ['speed' as never] })).rejects.toThrow(
      "checkScan: only is ['speed'], expected an array, each element 'recurrence' or",
    );
    await expect(checkScan({ ...linearScan(), supports: ['gradients'] })).rejects.toThrow(
      "checkScan: supports names 'gradients', so the function gradients has to be there",
    );
  });
});
