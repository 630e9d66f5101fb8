/**
 * What a step may do besides arithmetic: read and assign to state from outside, draw random numbers,
 * differentiate, leave things out. In a compiled function it means what it means eagerly.
 */
import { Dropout, GRU, Linear, SGD } from '@mambagrad/nn';
import {
  compile, Generator, grad, noGrad, ones, scan, type Tensor, tensor, uniform, zeros,
} from '@mambagrad/tensor';
import { describe, expect, it } from 'vitest';
import { expectClose, leaf } from '../../support/compare.ts';
import { leavesOf, loop, type Scan } from '../../support/recurrence.ts';

const f64 = { dtype: 'f64' } as const;

/** Numbers from −1 to 1 in no order. */
function some(...shape: number[]): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  const numbers = Float64Array.from({ length: count }, (_, i) => Math.sin(1 + 2.7 * i));
  return tensor(numbers, { shape });
}

/**
 * Runs a function with the loop, with `scan`, and with `scan` in a compiled function, and expects
 * the same tensors of all. It is made anew each time, as it may have state, and called twice.
 */
function expectAlike(make: (through: Scan) => () => unknown, tolerance = 1e-12): void {
  const [expected, ...others] = [make(loop), make(scan), compile(make(scan))];
  for (let call = 0; call < 2; call++) {
    const wanted = leavesOf(expected());
    for (const other of others) {
      const found = leavesOf(other());
      expect(found).toHaveLength(wanted.length);
      found.forEach((x, i) => expectClose(x, wanted[i], tolerance));
    }
  }
}

describe('a step', () => {
  const x = some(5, 3);

  it('may take trees and give them, in any structure', () => {
    expectAlike((through) => () => through(
      ({ pair: [a, b], count }, { x: row, more: { flags } }) => ({
        state: { pair: [b, a.add(row)] as [Tensor, Tensor], count: count.add(flags) },
        output: { sum: a.add(b), nothing: [], of: [{ count }] },
      }),
      { pair: [zeros([3], f64), ones([3], f64)] as [Tensor, Tensor], count: zeros([], { dtype: 'i32' }) },
      { x, more: { flags: tensor([1, 0, 1, 1, 0], { dtype: 'i32' }) } },
      { reverse: true },
    ));
  });

  it('may do without inputs, without outputs, and give its state back as it is', () => {
    expectAlike((through) => () => through((h) => ({ state: h.mul(2) }), x, [], { length: 4 }));
    expectAlike((through) => () => through((h, row) => ({ state: h, output: row }), x, x));
    expectAlike((through) => () => through((h, row) => ({ state: row, output: h }), x.sum(0), x));
    expectAlike((through) => () => through((h, row) => ({ state: h, output: h.add(row) }), x.sum(0), x));
    expectAlike((through) => () => through(([a, b]) => ({ state: [b, a] as const }), [x, x] as const, x));
    expectAlike((through) => () => through((h) => ({ state: x.sum(0), output: [h, h] }), x.sum(0), x));
  });

  it('may use a tensor as state, input, and from outside at once', () => {
    const matrix = leaf(some(3, 3));
    expectAlike((through) => () => {
      const { state, outputs } = through(
        (h, row) => ({ state: h.matmul(matrix).add(row).tanh(), output: h.mul(matrix) }),
        matrix, matrix,
      );
      return [state, outputs, grad(state.sum().add(outputs.square().sum()), [matrix])];
    });
  });

  it('may draw random numbers, the same as eagerly', () => {
    expectAlike((through) => {
      const generator = new Generator(3);
      const dropout = new Dropout(0.5, { generator });
      const w = leaf(some(3));
      return () => {
        const { state, outputs } = through(
          (h: Tensor, row: Tensor) => {
            const noise = uniform([3], -1, 1, { generator, dtype: 'f64' });
            const next = dropout.forward(h.add(row).mul(w)).add(noise.mul(0.1));
            return { state: next, output: next.tanh() };
          },
          zeros([3], f64), x,
        );
        return [state, outputs, grad(outputs.sum(), [w]), uniform([2], 0, 1, { generator })];
      };
    });
  });

  it('may assign to state from outside, which later steps and later code read', () => {
    expectAlike((through) => {
      const total = zeros([3], f64);
      const count = zeros([], { dtype: 'i32' });
      return () => {
        const { state } = through(
          (h: Tensor, row: Tensor) => {
            const seen = total.mul(1);
            total.assign(total.add(row));
            count.assign(count.add(1));
            return { state: h.mul(0.5).add(total).add(seen) };
          },
          zeros([3], f64), x,
        );
        return [state, total.mul(2), count.add(0), { total, count }];
      };
    });
  });

  it('may differentiate', () => {
    const w = leaf(some(3));
    expectAlike((through) => () => {
      const start = leaf(some(3));
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
  });

  it('may leave gradients out', () => {
    const w = leaf(some(3));
    expectAlike((through) => () => {
      const start = leaf(some(3));
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
  });

  it('may not be differentiated where its tensors are detached', () => {
    const w = leaf(some(3));
    expectAlike((through) => () => {
      const { state, outputs } = through(
        (h: Tensor, row: Tensor) => ({
          state: h.detach().mul(w).add(row), output: h.mul(row.mul(w).detach()),
        }),
        w, x,
      );
      return [state, grad(state.sum().add(outputs.sum()), [w])];
    });
  });

  it('may be in a function without gradients, and in one that is called at other lengths', () => {
    const layer = new GRU(3, 4).to('f64');
    expectAlike((through) => () => noGrad(() => through(
      (h: Tensor, row: Tensor) => ({ state: layer.step(row.unsqueeze(0), { h }).state.h }),
      zeros([1, 1, 4], f64), x,
    )));
    const f = compile((given: Tensor) => scan(
      (h: Tensor, row: Tensor) => ({ state: h.mul(0.9).add(row), output: h }), zeros([3], f64), given,
    ));
    for (const length of [5, 1, 2, 5, 7]) {
      const rows = some(length, 3);
      const { state, outputs } = f(rows);
      const wanted = loop(
        (h: Tensor, row: Tensor) => ({ state: h.mul(0.9).add(row), output: h }), zeros([3], f64), rows,
      );
      expectClose(state, wanted.state, 1e-14);
      expectClose(outputs, wanted.outputs, 1e-14);
    }
  });
});

describe('a training step with a scan', () => {
  it('trains the same parameters eagerly and compiled', () => {
    const train = (through: (step: () => Tensor) => () => Tensor) => {
      const generator = new Generator(4);
      const cell = new Linear(5, 3, { generator }).to('f64');
      const optimizer = new SGD(cell.parameters(), { lr: 0.1 });
      const x = some(6, 2, 2);
      const step = through(() => {
        const { state } = scan(
          (h: Tensor, row: Tensor) => ({ state: cell.forward(row.concat([h], -1)).tanh() }),
          zeros([2, 3], f64), x,
        );
        const loss = state.sub(0.3).square().sum();
        optimizer.minimize(loss);
        return loss;
      });
      return [...Array.from({ length: 5 }, step), ...cell.parameters()];
    };
    const expected = train((step) => step);
    train((step) => compile(step)).forEach((x, i) => expectClose(x, expected[i], 1e-12));
    expect(expected[4].item()).toBeLessThan(expected[0].item());
  });
});
