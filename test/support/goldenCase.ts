/** Holds an op, value and gradients in float64, to one of PyTorch's cases. */
import { type Tensor, tensor } from '@mambagrad/tensor';
import { expect } from 'vitest';
import { expectClose } from './compare.ts';
import type { OpCase } from './golden.ts';

/** How a case is called: its attributes, then its tensors. */
export type Call = (
  attributes: Readonly<Record<string, unknown>>,
  inputs: readonly Tensor[],
) => Tensor;

/** To nine digits of the largest magnitude. */
const TOLERANCE = 1e-9;

export function expectGolden(golden: OpCase, call: Call): void {
  const inputs = golden.inputs.map(({ dtype, shape, data }, k) =>
    tensor(data, {
      shape,
      dtype: dtype === 'F64' ? 'f64' : 'i32',
      requiresGrad: golden.gradients[k] !== undefined,
    }),
  );
  const y = call(golden.attrs, inputs);
  expectClose(y, golden.out, TOLERANCE);
  if (golden.gradients.every((gradient) => gradient === undefined)) return;
  y.backward({ cotangent: tensor(golden.cotangent.data, { shape: golden.cotangent.shape }) });
  golden.gradients.forEach((expected, k) => {
    const found = inputs[k].grad;
    if (expected && found) expectClose(found, expected, TOLERANCE);
    else expect(found).toBe(expected);
  });
}
