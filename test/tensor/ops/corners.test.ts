/**
 * Ops at the corners of float32: zeros, infinities, NaN, the largest, smallest and denormal
 * numbers. Values are PyTorch's; a gradient is NaN only where PyTorch's is; and compiled programs
 * have what eager ops have, in both backends.
 */
import { grad, ops, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { leaf } from '../../support/compare.ts';
import { twins } from '../../support/compiled.ts';
import { rows } from './rows.ts';

/** JSON has no infinities, no NaN and no −0: they are words. */
type Word = number | 'inf' | '-inf' | 'nan' | '-0';

interface Golden {
  readonly corners: readonly Word[];
  readonly ops: Readonly<Record<string, {
    readonly out: readonly Word[];
    readonly gradients: readonly (readonly Word[])[];
  }>>;
}

const file = new URL('../../golden/corners.json', import.meta.url);
const golden = JSON.parse(readFileSync(file, 'utf8')) as Golden;

function numbers(words: readonly Word[]): number[] {
  const special = { inf: Infinity, '-inf': -Infinity, nan: NaN, '-0': -0 };
  return words.map((word) => (typeof word === 'number' ? word : special[word]));
}

const corners = numbers(golden.corners);
const pairs = corners.flatMap((a) => corners.map((b) => [a, b]));

/** What an op is given: all corners, all pairs of them side by side, or as rows. */
function inputsOf(name: string): Tensor[] {
  const binary = ['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'minimum'];
  const rows = ['sum', 'mean', 'max', 'min', 'prod', 'var', 'std', 'norm', 'logsumexp', 'softmax',
    'logSoftmax'];
  const leaf = (data: number[] | number[][]) => tensor(data, { requiresGrad: true });
  if (binary.includes(name)) return [0, 1].map((i) => leaf(pairs.map((pair) => pair[i])));
  return rows.includes(name) ? [leaf(pairs)] : [leaf(corners)];
}

function bodyOf(name: string) {
  const op = ops[name as 'add'] as (x: Tensor, ...rest: unknown[]) => Tensor;
  return (...inputs: Tensor[]): Tensor[] => {
    const [x, y] = inputs;
    const result = y === undefined && x.ndim === 2 ? op(x, 1) : op(x, y);
    return result.requiresGrad ? [result, ...grad(result.sum(), inputs)] : [result];
  };
}

/**
 * Where this library's gradient is the better one: PyTorch gives all of it to each of two equal
 * large numbers, and none where the square of a deviation overflows.
 */
const isBetter = new Set(['logsumexp', 'std']);

/** PyTorch's sign of NaN is 0; here it is NaN, as in NumPy. */
const signs = (name: string, value: number, at: number): number =>
  name === 'sign' && Number.isNaN(at) ? NaN : value;

/** The same special value or zero, or numbers that are close; a denormal has few digits. */
function isClose(found: number, expected: number): boolean {
  if (Object.is(found, expected)) return true;
  if (found === 0 && expected === 0) return false;
  return Math.abs(found - expected) <= 1e-5 * Math.abs(expected) + 2e-44;
}

/** The same, but for the signs of zeros, on which libraries differ. */
function isNear(found: number, expected: number): boolean {
  return isClose(found + 0, expected + 0);
}

/** Throws, with all that is wrong, unless `isRight` holds everywhere. */
function expectAll(
  found: Tensor, expected: readonly number[],
  isRight: (found: number, expected: number, at: number) => boolean,
): void {
  const wrong = Array.from(found.data).flatMap((value, i) =>
    isRight(value, expected[i], i) ? [] : [`${i}: ${value}, not ${expected[i]}`],
  );
  expect(found.numel).toBe(expected.length);
  expect(wrong).toEqual([]);
}

describe.each(Object.entries(golden.ops))('%s', (name, { out, gradients }) => {
  const inputs = inputsOf(name);
  const [value, ...slopes] = bodyOf(name)(...inputs);

  it('gives what PyTorch gives', () => {
    const expected = numbers(out);
    if (name === 'var' || name === 'std') {
      // The mean of two largest numbers is too large for float32; PyTorch has it in float64.
      for (const i of pairs.keys()) if (value.data[i] === Infinity) expected[i] = Infinity;
    }
    expectAll(value, expected.map((each, i) => signs(name, each, corners[i])), isNear);
  });

  it('has no gradient that is NaN but where PyTorch’s is', () => {
    expect(slopes.length).toBe(gradients.length);
    slopes.forEach((slope, input) => {
      const expected = numbers(gradients[input]);
      expectAll(slope, expected, (found, wanted, i) => {
        // Of the variance of what is infinite, or has an infinite mean, there is none.
        if (['var', 'std'].includes(name) && !Number.isFinite(value.data[i >> 1])) return true;
        if (Number.isNaN(wanted) || Number.isNaN(found)) return Number.isNaN(wanted);
        return isBetter.has(name) || isNear(found, wanted) || Math.abs(found - wanted) < 1e-7;
      });
    });
  });

  it('is compiled to the same, in both backends', () => {
    const results = twins(bodyOf(name))(...inputs);
    [value, ...slopes].forEach((expected, r) => {
      const found = results[r] ?? expect.fail('a result is missing');
      expectAll(found, Array.from(expected.data), (a, b) =>
        isClose(a, b) || Math.abs(a - b) < 1e-7,
      );
    });
  });
});

describe('any op of the table', () => {
  // Without the largest numbers, whose sums depend on how they are added.
  const some = corners.filter((value) => !(Math.abs(value) > 3 && Math.abs(value) < Infinity));

  // A product of tiny numbers is 0 or not by the order of its factors, and 0 · ∞ is NaN: so a
  // product has either tiny factors or infinite ones.
  const isTiny = (value: number) => value !== 0 && Math.abs(value) < 1e-30;
  const ofProducts = [
    some.filter((value) => !isTiny(value)), some.filter((value) => Math.abs(value) !== Infinity),
  ];
  const products = new Set(['prod', 'cumprod']);

  it.each(Object.entries(rows))('%s is compiled to what it is at corners', (name, row) => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { inputs, apply } = row.draw(g);
        const values = products.has(name) ? g(() => fc.constantFrom(...ofProducts)) : some;
        const given = inputs.map((x) =>
          x.dtype === 'i32' ? x : leaf(x.mul(0).add(tensor(
            Float64Array.from(x.data, () => g(() => fc.constantFrom(...values))),
            { shape: x.shape },
          )), 'f32'),
        );
        const body = (...args: Tensor[]): Tensor[] => {
          const y = apply(...args);
          const wanted = args.filter(({ requiresGrad }) => requiresGrad);
          const hasGradient = y.requiresGrad && y.dtype === 'f32';
          return hasGradient ? [y, ...grad(y.sum(), wanted, { allowUnused: true })] : [y];
        };
        const found = twins(body)(...given);
        body(...given).forEach((expected, i) => {
          const result = found[i] ?? expect.fail('a result is missing');
          expectAll(result, Array.from(expected.data), (a, b) =>
            isClose(a, b) || Math.abs(a - b) < 1e-6,
          );
        });
      }),
      { numRuns: 3 },
    );
  });
});
