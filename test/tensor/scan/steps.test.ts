/**
 * What a step may do besides arithmetic: read and assign to state from outside, draw random
 * numbers, differentiate, leave things out. In a compiled function it means what it means eagerly.
 */
import { Dropout, GRU } from '@mambagrad/nn';
import {
  compile, Generator, grad, noGrad, scan, type Tensor, tensor, uniform, zeros,
} from '@mambagrad/tensor';
import { describe, it } from 'vitest';
import { dtype, expectAlike, inBoth, none, some, variable } from '../../support/alike.ts';
import { expectClose } from '../../support/compare.ts';
import { loop } from '../../support/recurrence.ts';

describe('a step', () => {
  const rows = () => some(5, 3);

  it('may take trees and give them, in any structure', inBoth(() => {
    const x = rows();
    expectAlike((through) => () => through(
      ({ pair: [a, b], count }, { x: row, more: { flags } }) => ({
        state: { pair: [b, a.add(row)] as [Tensor, Tensor], count: count.add(flags) },
        output: { sum: a.add(b), nothing: [], of: [{ count }] },
      }),
      { pair: [none(3), none(3).add(1)] as [Tensor, Tensor], count: zeros([], { dtype: 'i32' }) },
      { x, more: { flags: tensor([1, 0, 1, 1, 0], { dtype: 'i32' }) } },
      { reverse: true },
    ));
  }));

  it('may do without inputs, without outputs, and give its state back as it is', inBoth(() => {
    const x = rows();
    expectAlike((through) => () => through((h) => ({ state: h.mul(2) }), x, [], { length: 4 }));
    expectAlike((through) => () => through((h, row) => ({ state: h, output: row }), x, x));
    expectAlike((through) => () => through((h, row) => ({ state: row, output: h }), x.sum(0), x));
    const sum = x.sum(0);
    expectAlike((through) => () => through((h, row) => ({ state: h, output: h.add(row) }), sum, x));
    expectAlike((through) => () => through(([a, b]) => ({ state: [b, a] }), [x, x.add(1)], x));
    expectAlike((through) => () => through((h) => ({ state: sum, output: [h, h] }), sum, x));
  }));

  it('may use a tensor as state, input, and from outside at once', inBoth(() => {
    const matrix = variable(some(3, 3));
    expectAlike((through) => () => {
      const { state, outputs } = through(
        (h, row) => ({ state: h.matmul(matrix).add(row).tanh(), output: h.mul(matrix) }),
        matrix, matrix,
      );
      return [state, outputs, grad(state.sum().add(outputs.square().sum()), [matrix])];
    });
  }));

  it('may draw random numbers, the same as eagerly', inBoth(() => {
    const x = rows();
    expectAlike((through) => {
      const generator = new Generator(3);
      const dropout = new Dropout(0.5, { generator });
      const w = variable(some(3));
      return () => {
        const { state, outputs } = through(
          (h: Tensor, row: Tensor) => {
            const noise = uniform([3], -1, 1, { generator, dtype });
            const next = dropout.forward(h.add(row).mul(w)).add(noise.mul(0.1));
            return { state: next, output: next.tanh() };
          },
          none(3), x,
        );
        return [state, outputs, grad(outputs.sum(), [w]), uniform([2], 0, 1, { generator })];
      };
    });
  }));

  it('may assign to state from outside, which later steps and later code read', inBoth(() => {
    const x = rows();
    expectAlike((through) => {
      const total = none(3);
      const count = zeros([], { dtype: 'i32' });
      return () => {
        const { state } = through(
          (h: Tensor, row: Tensor) => {
            const seen = total.mul(1);
            total.assign(total.add(row));
            count.assign(count.add(1));
            return { state: h.mul(0.5).add(total).add(seen) };
          },
          none(3), x,
        );
        return [state, total.mul(2), count.add(0), { total, count }];
      };
    });
  }));

  it('may differentiate', inBoth(() => {
    const x = rows();
    const w = variable(some(3));
    expectAlike((through) => () => {
      const start = variable(some(3));
      const { state } = through(
        (h: Tensor, row: Tensor) => {
          const energy = h.mul(w).tanh().sub(row).square().sum();
          const [slope] = grad(energy, [h], { createGraph: true });
          return { state: h.sub(slope.mul(0.1)) };
        },
        start, x,
      );
      return [state, grad(state.sum(), [w])];
    });
  }));

  it('may leave gradients out', inBoth(() => {
    const x = rows();
    const w = variable(some(3));
    expectAlike((through) => () => {
      const start = variable(some(3));
      const { state } = through(
        (h: Tensor, row: Tensor) => {
          const energy = h.mul(w).tanh().sub(row).square().sum();
          const [slope] = grad(energy, [h]);
          const still = noGrad(() => h.mul(w).tanh());
          return { state: h.add(slope.mul(0.2)).add(still.mul(h)) };
        },
        start, x,
      );
      return [state, grad(state.sum(), [w], { allowUnused: true })];
    });
  }));

  it('may not be differentiated where its tensors are detached', inBoth(() => {
    const x = rows();
    const w = variable(some(3));
    expectAlike((through) => () => {
      const { state, outputs } = through(
        (h: Tensor, row: Tensor) => ({
          state: h.detach().mul(w).add(row), output: h.mul(row.mul(w).detach()),
        }),
        w, x,
      );
      return [state, grad(state.sum().add(outputs.sum()), [w])];
    });
  }));

  it('may be in a function without gradients, and one called at other lengths', inBoth(() => {
    const x = rows();
    const layer = new GRU(3, 4).to(dtype);
    expectAlike((through) => () => noGrad(() => through(
      (h: Tensor, row: Tensor) => ({ state: layer.step(row.unsqueeze(0), { h }).state.h }),
      none(1, 1, 4), x,
    )));
    const f = compile((given: Tensor) => scan(
      (h: Tensor, row: Tensor) => ({ state: h.mul(0.9).add(row), output: h }), none(3), given,
    ));
    for (const length of [5, 1, 2, 5, 7]) {
      const rows = some(length, 3);
      const { state, outputs } = f(rows);
      const wanted = loop(
        (h: Tensor, row: Tensor) => ({ state: h.mul(0.9).add(row), output: h }), none(3), rows,
      );
      expectClose(state, wanted.state, 1e-6);
      expectClose(outputs, wanted.outputs, 1e-6);
    }
  }));
});
