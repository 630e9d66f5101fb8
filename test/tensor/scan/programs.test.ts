/**
 * Scans among other ops: state that they replace, results that others read, what is kept for
 * gradients, long ones, and a training step.
 */
import { Linear, SGD } from '@mambagrad/nn';
import { compile, Generator, grad, scan, type Tensor, tensor } from '@mambagrad/tensor';
import { describe, expect, it } from 'vitest';
import { dtype, expectAlike, inBoth, none, some, variable } from '../../support/alike.ts';
import { expectClose } from '../../support/compare.ts';

describe('a scan in a program', () => {
  const rows = () => some(6, 3);
  const step = (h: Tensor, row: Tensor) => {
    const next = h.mul(0.6).add(row).sin();
    return { state: next, output: next.mul(h) };
  };

  it('may begin with state that it replaces, read before and after', inBoth(() => {
    const x = rows();
    expectAlike((through) => {
      const memory = some(3).add(0);
      const other = some(3).add(1);
      return () => {
        const old = memory.mul(2);
        const { state, outputs } = through(step, memory, x);
        memory.assign(state);
        const second = through(step, other, outputs, { reverse: true });
        other.assign(second.state.add(old));
        return [outputs, second.outputs, memory.mul(3), { memory, other }];
      };
    });
  }));

  it('may replace its inputs by its outputs, which stand in the same places', inBoth(() => {
    for (const reverse of [false, true]) {
      expectAlike((through) => {
        const rows = some(6, 3).add(0);
        return () => {
          const { state, outputs } = through(step, none(3), rows, { reverse });
          rows.assign(outputs);
          return [state, { rows }];
        };
      });
      expectAlike((through) => {
        const rows = some(6, 3).add(0);
        return () => {
          const { outputs } = through(step, rows.narrow(0, 2, 1).squeeze(0), rows, { reverse });
          rows.assign(outputs.add(rows.flip(0)));
          return [rows.sum(0), { rows }];
        };
      });
    }
  }));

  it('may be there twice, with results that the other reads', inBoth(() => {
    const x = rows();
    const w = variable(some(3));
    expectAlike((through) => () => {
      const scaled = (h: Tensor, row: Tensor) => step(h.mul(w), row);
      const first = through(scaled, none(3), x);
      const same = through(scaled, none(3), x);
      const next = through(scaled, first.state, first.outputs.add(same.outputs), { reverse: true });
      const last = through(scaled, next.state, next.outputs.transpose(0, 1), { axis: -1 });
      return [last, same, grad(last.outputs.sum().add(last.state.sum()), [w])];
    });
  }));

  it('may be kept whole or in part while gradients are computed', inBoth(() => {
    const x = rows();
    const w = variable(some(3, 3));
    const dense = (h: Tensor, row: Tensor) => {
      const next = h.unsqueeze(0).matmul(w).squeeze(0).add(row).tanh();
      return { state: next, output: next.square() };
    };
    for (const checkpointEvery of [2, 4, 9]) {
      expectAlike((through) => () => {
        const { state, outputs } = through(dense, x.sum(0), x, { checkpointEvery });
        const [first] = grad(state.sum().add(outputs.square().sum()), [w], { createGraph: true });
        return [state, outputs, first, grad(first.square().sum(), [w])];
      }, 1e-11);
    }
  }));

  it('carries gradients through three hundred dense steps that keep their size', inBoth(() => {
    const angle = 0.3;
    const turn = variable(tensor(
      [[Math.cos(angle), -Math.sin(angle)], [Math.sin(angle), Math.cos(angle)]],
    ));
    const other = variable(tensor([[0.999, 0.02], [-0.03, 0.998]]));
    const start = variable(some(1, 2));
    const rows = some(300, 1, 2).mul(0.1);
    expectAlike((through) => () => {
      const { state } = through(
        (h: Tensor, row: Tensor) => ({ state: h.matmul(turn).add(row.sin()).matmul(other) }),
        start, rows,
      );
      return [state, grad(state.square().sum(), [turn, other, start])];
    });
  }));

  it('changes nothing if it fails', inBoth(() => {
    const table = some(4, 3);
    const total = none(3);
    const f = compile((indices: Tensor) => scan((h: Tensor, index: Tensor) => {
      total.assign(total.add(1));
      return { state: h.add(table.indexSelect(0, index)) };
    }, none(3), indices).state);
    const indices = (...numbers: number[]) => tensor(numbers, { dtype: 'i32' });
    expect(() => f(indices(0, 1, 4))).toThrow('index 4');
    expect(total.toArray()).toEqual([0, 0, 0]);
    expectClose(f(indices(0, 1, 3)), table.indexSelect(0, indices(0, 1, 3)).sum(0), 1e-6);
    expect(total.toArray()).toEqual([3, 3, 3]);
  }));
});

describe('a training step with a scan', () => {
  it('trains the same parameters eagerly and compiled', inBoth(() => {
    const train = (through: (step: () => Tensor) => () => Tensor) => {
      const generator = new Generator(4);
      const cell = new Linear(5, 3, { generator }).to(dtype);
      const optimizer = new SGD(cell.parameters(), { lr: 0.1 });
      const x = some(6, 2, 2);
      const step = through(() => {
        const { state } = scan(
          (h: Tensor, row: Tensor) => ({ state: cell.forward(row.concat([h], -1)).tanh() }),
          none(2, 3), x,
        );
        const loss = state.sub(0.3).square().sum();
        optimizer.minimize(loss);
        return loss;
      });
      return [...Array.from({ length: 5 }, step), ...cell.parameters()];
    };
    const expected = train((step) => step);
    const found = train((step) => compile(step));
    found.forEach((x, i) => expectClose(x, expected[i], dtype === 'f64' ? 1e-12 : 2e-5));
    expect(expected[4].item()).toBeLessThan(expected[0].item());
  }));
});
