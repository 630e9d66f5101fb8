/** Holds an op, eager in float64 or compiled in float32, to one of PyTorch's cases. */
import { compile, grad, type Tensor, tensor } from '@mambagrad/tensor';
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

function inputsOf(golden: OpCase, dtype: 'f32' | 'f64'): Tensor[] {
  return golden.inputs.map(({ dtype: stored, shape, data }, k) =>
    tensor(data, {
      shape,
      dtype: stored === 'F64' ? dtype : 'i32',
      requiresGrad: golden.gradients[k] !== undefined,
    }),
  );
}

/** The value and the gradients by `backward`, in float64. */
export function expectGolden(golden: OpCase, call: Call): void {
  const inputs = inputsOf(golden, 'f64');
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

/** The value and the gradients by `grad`, compiled, in float32. */
export function expectGoldenCompiled(golden: OpCase, call: Call, tolerance = 2e-5): void {
  const inputs = inputsOf(golden, 'f32');
  const { data, shape } = golden.cotangent;
  const compiled = compile((...given: Tensor[]) => {
    const y = call(golden.attrs, given);
    const wanted = given.filter(({ requiresGrad }) => requiresGrad);
    if (wanted.length === 0) return [y];
    return [y, ...grad(y, wanted, { cotangent: tensor(data, { shape, dtype: y.dtype }) })];
  });
  const expected = [golden.out, ...golden.gradients.flatMap((gradient) => gradient ?? [])];
  const found = compiled(...inputs);
  expect(found).toHaveLength(expected.length);
  found.forEach((output, i) => expectClose(output, expected[i], tolerance));
}
