/**
 * Long sums, compiled. Where a sum lies in memory, in a row, a column or all over, in a product of
 * matrices or in what runs along an axis: it may be off by some roundings of the sum of its terms'
 * sizes, which are those of a few dozen terms, however many there are.
 */
import { compile, tensor, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectSame } from '../../support/compare.ts';
import { expectCompiled, twins, withGradients } from '../../support/compiled.ts';
import { runs } from '../../support/soak.ts';

/** Half of the distance from 1 to the next float32. */
const ROUNDING = 2 ** -24;

/** Numbers that sums have trouble with, in many ways. */
const numbers: Record<string, (i: number) => number> = {
  constant: () => 0.1,
  even: (i) => Math.abs(Math.sin(12.9898 * (i + 1))),
  alternating: (i) => (i % 2 === 0 ? 1 : -0.9999) * (1 + Math.abs(Math.sin(i))),
  heavy: (i) => Math.tan(3 * Math.sin(78.233 * (i + 1)) / 2),
  'growing and shrinking': (i) => 2 ** (10 * Math.sin(i / 1000)),
};

/** Tensors of such numbers. Each is made once, as every kind of sum takes the same. */
const drawnBefore = new Map<string, Tensor>();

function drawn(kind: string, shape: readonly number[]): Tensor {
  const key = `${kind} ${shape.join()}`;
  const count = shape.reduce((product, size) => product * size, 1);
  const x = drawnBefore.get(key) ??
    tensor(Float32Array.from({ length: count }, (_, i) => numbers[kind](i)), { shape });
  drawnBefore.set(key, x);
  return x;
}

/**
 * Sums of many terms, of a matrix [rows, columns]. With the sizes of its numbers instead of them
 * each gives the sum of its terms' sizes, or what is not below that.
 */
const sums: Record<string, (x: Tensor) => Tensor> = {
  all: (x) => x.sum(),
  rows: (x) => x.sum(1),
  columns: (x) => x.sum(0),
  'inner and outer axes': (x) => x.reshape([x.shape[0], 1, x.shape[1]]).mul(1).sum([0, 2]),
  mean: (x) => x.mean(),
  squares: (x) => x.square().sum(0),
  'rows and columns at once': (x) => x.sum(0).add(x.sum(1).sum()),
  cumsum: (x) => x.cumsum(1),
  'cumsum of columns': (x) => x.cumsum(0),
  'product of rows': (x) => x.matmul(x.transpose(0, 1)),
  'product of columns': (x) => x.transpose(0, 1).matmul(x),
  'product with one row': (x) => x.narrow(0, 0, 1).matmul(x.transpose(0, 1)),
};

/** How many roundings of the sum of sizes a result may be off. */
const LOOSEST = 6;
/** A chain of 256 equal terms loses more, in a product as in others' libraries. */
const LOOSEST_PRODUCT = 40;

function expectSum(
  name: string, sum: (x: Tensor) => Tensor, x: Tensor, found: Tensor, roundings: number,
): void {
  const [exact, sizes] = [x, x.abs()].map((one) => sum(one.cast('f64')));
  const errors = exact.sub(found.cast('f64')).abs().div(sizes.mul(ROUNDING));
  expect(errors.max().item(), `${name} of [${x.shape}]`).toBeLessThanOrEqual(roundings);
}

const roundingsOf = (name: string): number =>
  name.includes('product') ? LOOSEST_PRODUCT : LOOSEST;

describe('a long sum', () => {
  it.each(Object.keys(sums))('loses little: %s', (name) => {
    const compiled = compile(sums[name], { deterministic: true });
    for (const [rows, columns] of [[3, 20_001], [10_007, 6]]) {
      // The sums of a product are along its shorter side, or there are too many.
      if (name === (rows < columns ? 'product of columns' : 'product of rows')) continue;
      for (const kind of Object.keys(numbers)) {
        const x = drawn(kind, [rows, columns]);
        expectSum(`${name}, ${kind}`, sums[name], x, compiled(x), roundingsOf(name));
      }
    }
  });

  it('is the same in JavaScript, in blocks, too', () => {
    const x = drawn('constant', [2 ** 18 + 7]);
    const [total] = twins((one: Tensor) => [one.sum()])(x);
    expectSum('all', sums.all, x, total ?? x, LOOSEST);
  });

  it('takes in what is small beside it', () => {
    // All in one lane, and in another short sum than the first.
    const x = Float32Array.from({ length: 4096 }, (_, i) =>
      i === 0 ? 2 ** 24 : Number(i >= 64 && i % 4 === 0),
    );
    const totals =
      twins((one: Tensor) => [one.sum(), one.reshape([1024, 4]).sum(0).narrow(0, 0, 1)]);
    for (const total of totals(tensor(x))) expect(total?.item()).toBe(2 ** 24 + 1008);
  });

  it('is infinite or no number as in the order of its terms', () => {
    const total = twins((x: Tensor) => [x.sum(), x.cumsum(0), x.reshape([20, 50]).sum(0)]);
    for (const ends of [[Infinity, 1], [Infinity, -Infinity], [NaN, 1], [3e38, 3e38]]) {
      const x = tensor(Float32Array.from({ length: 1000 }, (_, i) => ends[i] ?? 1));
      const eager = [x.sum(), x.cumsum(0), x.reshape([20, 50]).sum(0)];
      total(x).forEach((found, i) => found && i !== 1 && expectSame(found, eager[i]));
    }
  });

  it('has the same bits on any number of threads', () => {
    const f = (x: Tensor) => [x.sum(0), x.sum(1), x.transpose(0, 1).matmul(x)];
    const x = drawn('heavy', [10_007, 6]);
    const [one, two] = [1, 2].map((threads) => compile(f, { threads })(x));
    one.forEach((result, i) => expectSame(result, two[i]));
  });
});

/** What is done to each number of a row before and after it is looked at as a whole. */
const maps: Record<string, (x: Tensor) => Tensor> = {
  sin: (x) => x.sin(),
  tanh: (x) => x.tanh(),
  square: (x) => x.square(),
  exp: (x) => x.tanh().exp(),
  'without its mean': (x) => x.sub(x.mean(-1, true)),
  softmax: (x) => x.softmax(-1).mul(x.shape[1]),
  'by its length': (x) => x.div(x.norm(-1, { keepDims: true }).add(1)).mul(100),
  'as a part of all': (x) => x.div(x.square().sum().add(1).sqrt()).mul(100),
};
const ends: Record<string, (x: Tensor) => Tensor> = {
  sum: (x) => x.sum(),
  mean: (x) => x.mean(-1),
  variance: (x) => x.var(-1),
  norm: (x) => x.norm(),
  logsumexp: (x) => x.tanh().logsumexp(-1),
  columns: (x) => x.sum(0),
  cumsum: (x) => x.cumsum(-1).div(x.shape[1]),
  product: (x) => x.matmul(x.transpose(0, 1)),
};

describe('a random program with long rows or columns', () => {
  const names = fc.array(fc.constantFrom(...Object.keys(maps)), { minLength: 1, maxLength: 3 });
  const end = fc.constantFrom(...Object.keys(ends));
  const shapes = fc.constantFrom([1, 100_003], [2, 120_000], [30_001, 4]);
  const kinds = fc.constantFrom('even', 'alternating', 'growing and shrinking');

  it('is near to float64, and so are its gradients', () => {
    fc.assert(
      fc.property(names, end, shapes, kinds, (own, last, shape, kind) => {
        const isLarge = last === 'product' && shape[0] > 100;
        const run = (x: Tensor): Tensor[] => {
          const made = own.reduce((all, name) => maps[name](all), x);
          return [ends[isLarge ? 'columns' : last](made)];
        };
        const body = withGradients(run);
        const compiled = compile(body, { deterministic: true });
        // A product adds up 256 terms at a time; terms that are much alike round to one side.
        const roundings = last === 'product' ? 24 : 4;
        expectCompiled(compiled, body, [drawn(kind, shape)], false, roundings);
      }),
      { numRuns: runs(8) },
    );
  });
});
