/**
 * What follows from the elements of a matrix product is computed in its kernel: the same bits as
 * when the product is stored first, however it is cut, and whatever is read besides.
 */
import { withFinestChunks } from '@mambagrad/kernel';
import { closeThreads, compile, grad, tensor, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { link } from '../../../packages/tensor/src/compile/run/run.ts';
import { trace } from '../../../packages/tensor/src/compile/trace/trace.ts';
import { expectClose, leaf } from '../../support/compare.ts';
import { type Body, expectAllSame } from '../../support/compiled.ts';
import { type Draw, drawTensor } from '../../support/draw.ts';
import { asTwins } from '../../support/sharing.ts';
import { runs } from '../../support/soak.ts';

afterAll(closeThreads);

interface Case {
  readonly inputs: readonly Tensor[];
  readonly body: Body;
  /** How many kernels it is, if no axis has 0 or 1 elements. */
  readonly kernels: number;
}

/** Sizes of the product and its depth: [batch, rows, depth] · [depth, columns]. */
type Sizes = readonly [batch: number, rows: number, depth: number, columns: number];

const cases: Record<string, (g: Draw, ...sizes: Sizes) => Case> = {
  'a bias and an activation': (g, _, rows, depth, columns) => ({
    inputs: [[rows, depth], [columns, depth], [columns]].map((shape) => drawTensor(g, shape)),
    body: (x, weight, bias) => [x.matmul(weight.transpose(0, 1)).add(bias).silu()],
    kernels: 1,
  }),
  'the product itself kept, too': (g, _, rows, depth, columns) => ({
    inputs: [[rows, depth], [depth, columns]].map((shape) => drawTensor(g, shape)),
    body: (x, weight) => {
      const y = x.matmul(weight);
      return [y, y.sigmoid().mul(y)];
    },
    kernels: 2,
  }),
  'what is read along the batch and across it, under another shape': (g, ...sizes) => {
    const [batch, rows, depth, columns] = sizes;
    const shapes = [
      [batch, rows, depth], [columns, depth],
      [batch, 1, columns], [rows, columns], [batch, rows, 1], [batch, rows, columns],
    ];
    return {
      inputs: shapes.map((shape) => drawTensor(g, shape)),
      body: (x, weight, a, b, c, residual) => [
        x.matmul(weight.transpose(0, 1)).mul(a).add(b).mul(c).add(residual),
      ],
      kernels: 1,
    };
  },
  'a batch of products, and both factors transposed': (g, batch, rows, depth, columns) => ({
    inputs: [[batch, depth, rows], [batch, columns, depth], [rows, 1], [columns]].map((shape) =>
      drawTensor(g, shape),
    ),
    body: (a, b, scale, bias) => [
      a.transpose(1, 2).matmul(b.transpose(1, 2)).mul(scale).add(bias).tanh(),
    ],
    kernels: 1,
  }),
  'several results, one of another': (g, batch, rows, depth, columns) => ({
    inputs: [[batch, rows, depth], [depth, columns], [batch, rows, columns]].map((shape) =>
      drawTensor(g, shape),
    ),
    body: (x, weight, other) => {
      const a = x.matmul(weight).sub(other);
      const b = a.sigmoid();
      return [a, b, b.add(other)];
    },
    kernels: 1,
  }),
  'what was the factor, and is not needed any more': (g, _, rows, depth) => ({
    inputs: [[rows, depth], [depth, depth]].map((shape) => drawTensor(g, shape)),
    body: (x, weight) => {
      const factor = x.mul(0.5).sin();
      return [factor.matmul(weight).add(factor)];
    },
    kernels: 2,
  }),
  'the product kept, and what fence where it is read': (g, _, rows, depth, columns) => ({
    inputs: [[rows, depth], [depth, columns], [rows, columns]].map((shape) => drawTensor(g, shape)),
    body: (x, weight, other) => {
      const [ended, y] = [other.sin(), x.matmul(weight)];
      return [y, y.add(ended).mul(ended)];
    },
    kernels: 3,
  }),
  'a row of it, and a sum of that': (g, batch, rows, depth, columns) => ({
    inputs: [[batch, rows, depth], [depth, columns]].map((shape) => drawTensor(g, shape)),
    body: (x, weight) => {
      const y = x.matmul(weight).neg();
      return [y.sub(y.square().sum(-1, true)), y.sum(-1)];
    },
    kernels: 2,
  }),
};

const kernelsOf = (explained: string): number => Number(/^(\d+) kernels?/m.exec(explained)?.[1]);

describe('what follows a matrix product', () => {
  const batches = fc.constantFrom(1, 2, 3);
  const rows = fc.constantFrom(0, 1, 1, 2, 4, 5, 7, 16, 17, 37, 65, 145);
  const depths = fc.constantFrom(0, 1, 3, 4, 8, 33, 256, 513, 800, 1100);
  const columns = fc.constantFrom(0, 1, 2, 4, 5, 8, 9, 16, 35);

  it.each(Object.entries(cases))('is the same with %s', (_name, draw) => {
    fc.assert(
      fc.property(fc.gen(), batches, rows, depths, columns, fc.boolean(), (g, ...given) => {
        const isFine = given.pop() === true;
        const sizes = given as unknown as Sizes;
        const { inputs, body, kernels } = draw(g, ...sizes);
        const options = { deterministic: true, threads: isFine ? 3 : 1 };
        const together = compile(body, options);
        const all = [
          together,
          compile(body, { ...options, without: ['group'] }),
          compile(body, { ...options, without: ['inPlace'] }),
          compile(body, { ...options, backend: 'js' }),
        ];
        const leaves = inputs.map((input) => leaf(input, 'f32'));
        const run = () => asTwins(all.map((compiled) => () => compiled(...leaves)));
        const [found, ...others] = isFine ? withFinestChunks(run) : run();
        for (const other of others) expectAllSame(other, found);
        body(...leaves.map((input) => leaf(input))).forEach((exact, i) => {
          const output = found[i];
          if (output && exact) expectClose(output, exact, 1e-4, 1e-4);
        });
        if (Math.min(...sizes) > 1) expect(kernelsOf(together.explain())).toBe(kernels);
      }),
      { numRuns: runs(10) },
    );
  });

  it('may be new state, also where the old is read later, or a call fails later', () => {
    const [x, w, v] = [[3, 4], [4, 6], [6, 2]].map((shape) => drawShape(shape));
    const program = (index: Tensor) => {
      const [a, b] = [w, v].map((one) => leaf(one, 'f32'));
      const step = (rows: Tensor) => {
        const loss = x.matmul(a).silu().matmul(b).indexSelect(0, rows).square().sum();
        const gradients = grad(loss, [a, b]);
        const old = x.neg().matmul(a).sum();
        [a, b].forEach((one, i) => one.assign(one.sub(gradients[i].mul(0.1))));
        return [loss, old, a.sum(0).matmul(b)];
      };
      return { step, state: [a, b], index };
    };
    const index = tensor([2, 0, 2], { dtype: 'i32' });
    const [eager, compiled] = [program(index), program(index)];
    const run = compile(compiled.step, { deterministic: true });
    for (let i = 0; i < 3; i++) {
      const [expected, found] = [eager.step(index), run(index)];
      found.forEach((one, j) => expectClose(one, expected[j], 1e-5, 1e-6));
      compiled.state.forEach((one, j) => expectClose(one, eager.state[j], 1e-5, 1e-6));
    }
    // Either is made where the old one lies, when that is not needed any more.
    const { plan } =
      link(trace(() => void compiled.step(index), []), { backend: 'wasm', fuse: false });
    expect(plan.donated.size).toBe(2);
    const before = compiled.state.map((one) => one.data.slice());
    expect(() => run(tensor([0, 3, 1], { dtype: 'i32' }))).toThrow('index 3 ');
    expect(compiled.state.map((one) => one.data)).toEqual(before);
  });
});

/** Numbers that differ, for a shape. */
function drawShape(shape: readonly number[]): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return tensor(Array.from({ length: count }, (_, i) => Math.sin(7 * i + 1))).reshape(shape);
}
