/** The elementary functions: within their bounds over the whole range of float32, and twins. */
import * as k from '@mambagrad/kernel';
import { describe, expect, it } from 'vitest';
import { erf, erfc } from '../../../packages/tensor/src/core/special.ts';
import { newMemory, runTwins } from '../language/twins.ts';

/** The distance between neighbouring float32 numbers at x. */
function ulpAt(x: number): number {
  const exponent = Math.floor(Math.log2(Math.abs(x)));
  return 2 ** (Math.min(Math.max(exponent, -126), 127) - 23);
}

/** How far a result is off, in ulp; infinite for a wrong special value or sign of zero. */
function errorOf(found: number, expected: number): number {
  const rounded = Math.fround(expected);
  if (Object.is(found, rounded)) return 0;
  if (rounded === 0 ? found === 0 : !Number.isFinite(expected)) return Infinity;
  // An overflow counts as the number that would come next.
  const value = Math.abs(found) === Infinity ? Math.sign(found) * 2 ** 128 : found;
  const error = Math.abs(value - expected) / ulpAt(expected);
  return Number.isNaN(error) ? Infinity : error;
}

const special = [
  0, 1, 0.5, 2, 3, 1.5, Infinity, NaN, 2 ** -149, 2 ** -126, 2 ** -127, 3.4028234663852886e38,
  2 ** 24, 2 ** 24 + 2, 2 ** 23 + 1, 2 ** 31, 2 ** 30, 88.72283, 88.72284, 103.97, 104, 8388609,
  // Where softplus is farthest off, of all numbers.
  2.757007598876953,
].flatMap((x) => [x, -x]);

/** Float32 numbers of both signs at even distances in their bits, in every octave equally many. */
function dense(count: number): Float32Array {
  const bits = Int32Array.from({ length: count }, (_, i) => Math.round((i * 2 ** 32) / count) | 0);
  return Float32Array.of(...special, ...new Float32Array(bits.buffer));
}

/** And evenly between −most and most. */
function even(count: number, most: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => most * ((2 * i + 1) / count - 1));
}

interface Claim {
  readonly compute: (x: k.Expr) => k.Expr;
  readonly exact: (x: number) => number;
  /** As its documentation states. */
  readonly ulp: number;
  /** And how much more for each x². Default 0. */
  readonly ulpForSquare?: number;
}

const functions: Record<string, Claim> = {
  exp: { compute: k.exp, exact: Math.exp, ulp: 1.1 },
  expm1: { compute: k.expm1, exact: Math.expm1, ulp: 2 },
  log: { compute: k.log, exact: Math.log, ulp: 1 },
  log1p: { compute: k.log1p, exact: Math.log1p, ulp: 2 },
  tanh: { compute: k.tanh, exact: Math.tanh, ulp: 3 },
  sigmoid: {
    compute: k.sigmoid,
    exact: (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x))),
    ulp: 3,
  },
  softplus: {
    compute: k.softplus,
    exact: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    ulp: 2.8,
  },
  sin: { compute: k.sin, exact: Math.sin, ulp: 2 },
  cos: { compute: k.cos, exact: Math.cos, ulp: 2 },
  erf: { compute: k.erf, exact: erf, ulp: 2 },
  erfc: { compute: k.erfc, exact: erfc, ulp: 8, ulpForSquare: 3 },
};

const samples = Float32Array.of(
  ...dense(60_000),
  ...even(20_000, 1),
  ...even(20_000, 10),
  ...even(20_000, 110),
);

describe.each(Object.entries(functions))('%s', (name, claim) => {
  const { compute, exact, ulp, ulpForSquare = 0 } = claim;
  const bound = ulpForSquare > 0 ? `${ulp} + ${ulpForSquare}x²` : ulp;
  it(`is within ${bound} ulp, and the same in both emitters`, () => {
    const [x, y] = [k.buffer('x', 'f32', samples.length), k.buffer('y', 'f32', samples.length)];
    const kernel = k.kernel(name, [x, y], [
      k.vectorized('i', samples.length, (i) => k.store(y, i, compute(k.load(x, i)))),
    ]);
    const results = runTwins(kernel, new Map([[x, samples]])).get(y) ?? [];
    const worst = { x: 0, found: 0, expected: 0, error: 0 };
    samples.forEach((at, i) => {
      const error = errorOf(results[i], exact(at)) - ulpForSquare * (Math.min(at * at, 121) || 0);
      if (error > worst.error) {
        Object.assign(worst, { x: at, found: results[i], expected: exact(at), error });
      }
    });
    expect(worst.error, JSON.stringify(worst)).toBeLessThanOrEqual(ulp);
  });
});

/**
 * As IEEE 754 has it: JavaScript's `**` gives NaN for 1 to the power of NaN, and ±1 to that of ∞.
 */
function power(base: number, exponent: number): number {
  const isOne = base === 1 || (base === -1 && Math.abs(exponent) === Infinity);
  return isOne ? 1 : base ** exponent;
}

describe('pow', () => {
  it('is within 2 ulp, and the same in both emitters', () => {
    const bases = Float32Array.of(...dense(500), ...even(200, 1.5), ...even(100, 10));
    const exponents = Float32Array.of(
      ...dense(100),
      ...even(100, 10),
      ...even(100, 200),
      ...even(9, 4),
    );
    const n = exponents.length;
    const [x, e] = [k.buffer('x', 'f32', bases.length), k.buffer('e', 'f32', n)];
    const y = k.buffer('y', 'f32', bases.length * n);
    const kernel = k.kernel('pow', [x, e, y], [
      k.loop('i', bases.length, (i) => k.vectorized('j', n, (j) => (
        k.store(y, k.add(k.mul(i, n), j), k.pow(k.load(x, i), k.load(e, j)))
      ))),
    ]);
    const results = runTwins(kernel, new Map([[x, bases], [e, exponents]])).get(y) ?? [];
    const worst = { base: 0, exponent: 0, found: 0, expected: 0, error: 0 };
    bases.forEach((base, i) => exponents.forEach((exponent, j) => {
      const [found, expected] = [results[i * n + j], power(base, exponent)];
      const error = errorOf(found, expected);
      if (error > worst.error) Object.assign(worst, { base, exponent, found, expected, error });
    }));
    expect(worst.error, JSON.stringify(worst)).toBeLessThanOrEqual(2);
  });
});

describe('mulAdd', () => {
  it('rounds twice, unless the emitter is told to fuse and the engine can', () => {
    const x = k.buffer('x', 'f32', 4);
    const kernel = k.kernel('fused', [x], k.vectorized('i', 4, (i) => {
      const value = k.load(x, i);
      return k.store(x, i, k.mulAdd(value, value, -1));
    }));
    const start = new Array<number>(4).fill(1 + 2 ** -12);
    expect(Array.from(runTwins(kernel, new Map([[x, start]])).get(x) ?? []))
      .toEqual(new Array(4).fill(2 ** -11));

    const memory = newMemory(16);
    const numbers = new Float32Array(memory.buffer, 0, 4);
    numbers.set(start);
    k.compileWebAssembly(kernel, memory, { fuse: true })(0);
    for (const result of numbers) expect([2 ** -11, 2 ** -11 + 2 ** -24]).toContain(result);
  });
});
