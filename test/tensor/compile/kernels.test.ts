/**
 * Kernels at sizes around those at which their loops are cut: tiles and blocks of matrix products,
 * vectors and what is left of a row, rows that are gone through several times, long scans.
 */
import { crossEntropy, layerNorm, rmsNorm } from '@mambagrad/nn';
import { linearScan, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, leaf } from '../../support/compare.ts';
import { twins, withGradients } from '../../support/compiled.ts';
import { type Draw, drawIndices, drawTensor } from '../../support/draw.ts';
import { runs } from '../../support/soak.ts';

interface Call {
  readonly inputs: readonly Tensor[];
  readonly run: (...args: Tensor[]) => Tensor;
}

/** Expects a call's result and gradients to be the same bits by either backend, near to float64. */
function expectKernel({ inputs, run }: Call): void {
  const body = withGradients((...args) => [run(...args)]);
  const leaves = inputs.map((input) => leaf(input, 'f32'));
  const expected = body(...leaves.map((input) => leaf(input)));
  twins(body)(...leaves).forEach((found, i) => {
    const exact = expected[i];
    if (found && exact) expectClose(found, exact, 1e-5, 1e-5);
    else expect(found).toBe(exact);
  });
}

const sizes = (...list: number[]) => fc.constantFrom(...list);

type Forms<Sizes extends number[]> = Record<string, (g: Draw, ...sizes: Sizes) => Call>;

const products: Forms<[m: number, k: number, n: number]> = {
  plain: (g, m, k, n) => ({
    inputs: [drawTensor(g, [m, k]), drawTensor(g, [k, n])],
    run: (a, b) => a.matmul(b),
  }),
  transposed: (g, m, k, n) => ({
    inputs: [drawTensor(g, [k, m]), drawTensor(g, [n, k])],
    run: (a, b) => a.transpose(0, 1).matmul(b.transpose(0, 1)),
  }),
  'in a batch': (g, m, k, n) => ({
    inputs: [drawTensor(g, [2, m, k]), drawTensor(g, [k, n])],
    run: (a, b) => a.matmul(b),
  }),
  'of what is computed': (g, m, k, n) => ({
    inputs: [drawTensor(g, [m, k]), drawTensor(g, [k, n]), drawTensor(g, [k])],
    run: (a, b, scale) => a.sigmoid().mul(scale).matmul(b.square()),
  }),
  'before more': (g, m, k, n) => ({
    inputs: [drawTensor(g, [m, k]), drawTensor(g, [k, n]), drawTensor(g, [n])],
    run: (a, b, bias) => a.matmul(b).mul(0.1).add(bias).silu(),
  }),
};

describe('a matrix product', () => {
  const rows = sizes(0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 37, 65);
  const columns = sizes(0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 16, 17, 33);
  const depths = sizes(0, 1, 2, 3, 5, 8, 17, 255, 256, 257, 512, 513, 600);

  it.each(Object.entries(products))('%s is right at the borders of its tiles', (_name, draw) => {
    fc.assert(
      fc.property(fc.gen(), rows, depths, columns, (g, m, k, n) => expectKernel(draw(g, m, k, n))),
      { numRuns: runs(12) },
    );
  });
});

/** Products with b contiguous along k, as weights are, and in layouts that differ from that. */
const fewRows: Forms<[m: number, k: number, n: number]> = {
  weights: (g, m, k, n) => ({
    inputs: [drawTensor(g, [m, k]), drawTensor(g, [n, k])],
    run: (a, b) => a.matmul(b.transpose(0, 1)),
  }),
  'weights that all of a batch share': (g, m, k, n) => ({
    inputs: [drawTensor(g, [2, m, k]), drawTensor(g, [1, n, k])],
    run: (a, b) => a.matmul(b.transpose(1, 2)),
  }),
  'a part of the weights': (g, m, k, n) => ({
    inputs: [drawTensor(g, [m, k]), drawTensor(g, [n + 2, k + 3])],
    run: (a, b) => a.matmul(b.narrow(0, 1, n).narrow(1, 2, k).transpose(0, 1)),
  }),
  'every second weight': (g, m, k, n) => ({
    inputs: [drawTensor(g, [m, k]), drawTensor(g, [n, k, 2])],
    run: (a, b) => a.matmul(b.narrow(2, 1, 1).squeeze(2).transpose(0, 1)),
  }),
  'one vector as all columns': (g, m, k, n) => ({
    inputs: [drawTensor(g, [m, k]), drawTensor(g, [k, 1])],
    run: (a, b) => a.matmul(b.broadcastTo([k, n])),
  }),
  'columns from the left': (g, m, k, n) => ({
    inputs: [drawTensor(g, [k, m]), drawTensor(g, [n, k])],
    run: (a, b) => a.transpose(0, 1).matmul(b.transpose(0, 1)),
  }),
};

describe('a product of few rows', () => {
  const rows = sizes(0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17);
  const columns = sizes(0, 1, 1, 2, 4, 7, 8, 9, 15, 16, 17, 31, 70);
  const depths = sizes(0, 1, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 31, 33, 67);

  it.each(Object.entries(fewRows))('with %s is right at any size', (_name, draw) => {
    fc.assert(
      fc.property(fc.gen(), rows, depths, columns, (g, m, k, n) => expectKernel(draw(g, m, k, n))),
      { numRuns: runs(25) },
    );
  });

  it('is right in several blocks of columns, and in what they leave', () => {
    // So deep that a block has few columns: up to 8 stretches of 9, 3 or 1.
    const deep = sizes(257, 1023, 3001);
    fc.assert(
      fc.property(fc.gen(), sizes(1, 2, 5, 8), deep, sizes(63, 72, 150), (g, m, k, n) => {
        const [a, b] = [drawTensor(g, [m, k]), drawTensor(g, [n, k])];
        const product = twins((x: Tensor, weight: Tensor) => [x.matmul(weight.transpose(0, 1))]);
        const [found] = product(leaf(a, 'f32'), leaf(b, 'f32'));
        if (found) expectClose(found, a.matmul(b.transpose(0, 1)), 1e-5);
      }),
      { numRuns: runs(6) },
    );
  });
});

const inRows: Forms<[height: number, width: number]> = {
  softmax: (g, ...shape) => ({ inputs: [drawTensor(g, shape)], run: (x) => x.softmax() }),
  logsumexp: (g, ...shape) => ({ inputs: [drawTensor(g, shape)], run: (x) => x.logsumexp(-1) }),
  'layer norm': (g, ...shape) => {
    const [x, weight, bias] = [shape, [shape[1]], [shape[1]]].map((each) => drawTensor(g, each));
    // Numbers that hardly differ leave their differences few digits, in any arithmetic.
    const apart = tensor(Array.from({ length: shape[1] }, (_, i) => (i % 2 === 0 ? -4 : 4)));
    return {
      inputs: [x.add(apart.cast(x.dtype)), weight, bias],
      run: (rows, ...others) => layerNorm(rows, others[0], others[1]),
    };
  },
  'norm after a residual sum': (g, ...shape) => ({
    inputs: [shape, shape, [shape[1]]].map((each) => drawTensor(g, each)),
    run: (x, y, weight) => rmsNorm(x.add(y), weight).add(x),
  }),
  'cross-entropy': (g, ...shape) => ({
    inputs: [drawTensor(g, shape), drawIndices(g, [shape[0]], shape[1])],
    run: (x, targets) => crossEntropy(x, targets),
  }),
  'sums in both directions': (g, ...shape) => ({
    inputs: [drawTensor(g, shape), drawTensor(g, [shape[1]])],
    run: (x, y) => x.mul(y).sum(0).add(y.sum()).div(x.square().sum().add(1)).tanh(),
  }),
  'elements, each by itself': (g, ...shape) => ({
    inputs: [shape, [shape[1]], [shape[0], 1]].map((each) => drawTensor(g, each)),
    run: (x, y, z) => x.mul(y).add(z).silu().sub(x.flip(1).mul(0.5)),
  }),
};

describe('rows', () => {
  const heights = sizes(1, 2, 3, 5);
  const widths = sizes(1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 15, 16, 17, 19, 31, 32, 33, 35, 63, 66);

  it.each(Object.entries(inRows))('of %s are right at any width', (_name, draw) => {
    fc.assert(
      fc.property(fc.gen(), heights, widths, (g, ...shape) => expectKernel(draw(g, ...shape))),
      { numRuns: runs(12) },
    );
  });
});

describe('a linear scan', () => {
  it('is right at any length and width, along any axis, from either end', () => {
    const lengths = sizes(0, 1, 2, 3, 4, 5, 31, 33, 64, 70);
    const widths = sizes(0, 1, 2, 3, 4, 5, 7, 8, 9, 17);
    fc.assert(
      fc.property(
        fc.gen(), lengths, widths, fc.nat(2), fc.boolean(), fc.boolean(),
        (g, length, width, axis, reverse, hasState) => {
          const beside = [2, width];
          const shape = beside.toSpliced(axis, 0, length);
          const inputs = [drawTensor(g, shape, -1, 1), drawTensor(g, shape)];
          if (hasState) inputs.push(drawTensor(g, beside));
          const run = (a: Tensor, b: Tensor, initialState?: Tensor) =>
            linearScan(a, b, { axis, reverse, initialState });
          expectKernel({ inputs, run });
        },
      ),
      { numRuns: runs(25) },
    );
  });
});
