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
  tensor,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, leaf, valueAndGradients } from '../../support/compare.ts';
import { drawTensor } from '../../support/draw.ts';
import { opCases } from '../../support/golden.ts';
import { type Attributes, type Row, rows } from './rows.ts';

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
        found.forEach((gradient, i) => expectClose(gradient, expected[i], 10 * tolerance, 10 * tolerance));
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
            const options = { cotangent: args[inputs.length], createGraph: true, allowUnused: true };
            return concat(grad(result, wanted, options).map((each) => each.flatten()));
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
    for (const golden of cases) {
      const inputs = golden.inputs.map(({ dtype, shape, data }, k) =>
        tensor(data, {
          shape,
          dtype: dtype === 'F64' ? 'f64' : 'i32',
          requiresGrad: golden.gradients[k] !== undefined,
        }),
      );
      const y = callOf(name, row)(golden.attrs, inputs);
      expectClose(y, golden.out, 1e-9);
      y.backward({ cotangent: tensor(golden.cotangent.data, { shape: golden.cotangent.shape }) });
      golden.gradients.forEach((expected, k) => {
        const found = inputs[k].grad;
        if (expected && found) expectClose(found, expected, 1e-9);
        else expect(found).toBe(expected);
      });
    }
  });
});

function callOf(name: string, row: Row) {
  const op = (ops as unknown as Record<string, (...inputs: Tensor[]) => Tensor>)[name];
  return row.call ?? ((_attributes: Attributes, inputs: readonly Tensor[]) => op(...inputs));
}
