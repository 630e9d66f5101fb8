/**
 * Properties of every op, generated from the table: gradients equal finite differences, float32
 * follows float64, the backward pass of constants stops, golden values are met.
 */
import {
  concat,
  grad,
  gradcheck,
  listOps,
  ops,
  primitiveNames,
  Tensor,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { expectClose, leaf, valueAndGradients } from '../../support/compare.ts';
import { drawTensor } from '../../support/draw.ts';
import { opCases } from '../../support/golden.ts';
import { expectGolden } from '../../support/goldenCase.ts';
import type { Row } from './families.ts';
import { callOf, rows } from './rows.ts';

const names = Object.keys({ ...ops, ...listOps });

describe('the table of ops', () => {
  it('has a test row for every op, and no other rows', () => {
    expect(Object.keys(rows).sort()).toEqual(names.toSorted());
  });

  it('leads to every primitive', () => {
    // Primitives that make tensors from a state or seed have no tensor to be called on.
    const made = ['uniform'];
    expect(primitiveNames().filter((name) => !names.includes(name))).toEqual(made);
  });

  it('meets all golden cases but those of layers and losses, which are tested with nn', () => {
    const called = new Set(Object.entries(rows).map(([name, row]) => row.golden ?? name));
    const left = opCases().filter(({ op }) => !called.has(op));
    expect([...new Set(left.map(({ op }) => op))].sort()).toEqual([
      'bce_with_logits',
      'conv1d_depthwise_causal',
      'cross_entropy',
      'embedding',
      'layer_norm',
      'linear',
      'mse_loss',
      'rms_norm',
    ]);
  });

  it('is the list in the documentation', () => {
    const page = readFileSync(new URL('../../../docs/05-ops.md', import.meta.url), 'utf8');
    const table = page.split('\n').filter((line) => line.startsWith('| '));
    const listed = table.join().matchAll(/`(\w+)`/g);
    expect([...new Set(Array.from(listed, ([, name]) => name))].sort()).toEqual(
      [...names, 'einsum'].sort(),
    );
  });

  it('offers every op as a method', () => {
    for (const name of names) expect(Tensor.prototype).toHaveProperty(name);
  });
});

describe.each(Object.entries(rows))('%s', (name, row: Row) => {
  it('has the gradient of finite differences', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { inputs, apply } = row.draw(g);
        if (row.constant) {
          expect(apply(...inputs.map((input) => leaf(input))).requiresGrad).toBe(false);
        } else {
          gradcheck(apply, inputs);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is in float32 what it is in float64, but for rounding', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { inputs, apply } = row.draw(g);
        // Both start from numbers that float32 can hold.
        const rounded = inputs.map((input) =>
          input.dtype === 'i32' ? input : input.cast('f32').cast('f64'),
        );
        const tolerance = row.float32 ?? 1e-6;
        const round = (...args: Tensor[]) => {
          const result = apply(...args);
          return result.dtype === 'i32' ? result.cast('f64') : result;
        };
        const single = rounded.map((input) => leaf(input, 'f32'));
        expectClose(round(...single), round(...rounded), tolerance, tolerance);
        if (row.constant) return;
        const expected = valueAndGradients(apply, rounded, 'f64').gradients;
        const found = valueAndGradients(apply, rounded, 'f32').gradients;
        const bound = 10 * tolerance;
        found.forEach((gradient, i) => expectClose(gradient, expected[i], bound, bound));
      }),
      { numRuns: 40 },
    );
  });

  if (!row.constant) {
    it('has second derivatives, by the same rules', () => {
      fc.assert(
        fc.property(fc.gen(), (g) => {
          const { inputs, apply } = row.draw(g);
          const y = apply(...inputs);
          // A gradient is linear in the cotangent, so that there is always something to derive.
          const cotangent = drawTensor(g, y.shape);
          const gradients = (...args: Tensor[]): Tensor => {
            const result = apply(...args.slice(0, -1));
            const wanted = args.slice(0, -1).filter((input) => input.requiresGrad);
            const options = { createGraph: true, allowUnused: true };
            const found = grad(result, wanted, { ...options, cotangent: args[inputs.length] });
            return concat(found.map((each) => each.flatten()));
          };
          gradcheck(gradients, [...inputs, cotangent]);
        }),
        { numRuns: 25 },
      );
    });
  }

  const cases = opCases(row.golden ?? name);
  if (cases.length === 0) return;
  it('meets its golden values', () => {
    for (const golden of cases) expectGolden(golden, callOf(name));
  });
});
