/**
 * Comparing tensors: the largest difference, relative to the largest magnitude of what is expected.
 */
import { compile, type CompileOptions, grad, Tensor, tensor } from '@mambagrad/tensor';
import { expect } from 'vitest';
import { unevenCotangent } from '../../packages/tensor/src/testing/derivatives.ts';

export { unevenCotangent };

/** Throws unless shapes are equal and values within `tolerance` of the largest magnitude. */
export function expectClose(
  found: Tensor,
  expected: { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
  tolerance: number,
  floor = 1e-15,
): void {
  requireShape(found, expected);
  let scale = 0;
  let worst = 0;
  for (let i = 0; i < found.data.length; i++) {
    const value = expected.data[i];
    if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value));
    if (Object.is(found.data[i], value)) continue;
    const error = Math.abs(found.data[i] - value);
    worst = Number.isNaN(error) ? Infinity : Math.max(worst, error);
  }
  const allowed = tolerance * scale + floor;
  if (worst <= allowed) return;
  expect(worst, `off by ${worst}, largest magnitude ${scale}`).toBeLessThanOrEqual(allowed);
}

/** Throws unless both hold the same bits, NaNs being equal. */
export function expectSame(found: Tensor, expected: Tensor): void {
  requireShape(found, expected);
  const isSame = found.data.every((value: number, i: number) => Object.is(value, expected.data[i]));
  if (isSame && found.dtype === expected.dtype) return;
  expect(found.dtype).toBe(expected.dtype);
  expect(Array.from(found.data)).toEqual(Array.from(expected.data));
}

/**
 * Throws unless the shapes are equal. `expect` is called only to say how they differ: properties
 * compare many thousands of tensors, and each call has a price.
 */
export function requireShape(
  found: { readonly shape: readonly number[] } | undefined,
  expected: { readonly shape: readonly number[] } | undefined,
): void {
  if (found?.shape.join() === expected?.shape.join() && !found === !expected) return;
  expect(found?.shape).toEqual(expected && [...expected.shape]);
}

/** A leaf that requires gradients, if its dtype has any, in the given floating dtype. */
export function leaf(x: Tensor, dtype: 'f32' | 'f64' = 'f64'): Tensor {
  if (x.dtype === 'i32') return x;
  return tensor(x.data, { shape: x.shape, dtype, requiresGrad: true });
}

/** The value of f and the gradients of each floating input under a fixed uneven cotangent. */
export function valueAndGradients(
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  dtype: 'f32' | 'f64' = 'f64',
): { value: Tensor; gradients: Tensor[] } {
  const leaves = inputs.map((input) => leaf(input, dtype));
  const value = f(...leaves);
  const gradients = grad(
    value,
    leaves.filter((input) => input.requiresGrad),
    { cotangent: unevenCotangent(value), allowUnused: true },
  );
  return { value, gradients };
}

/** The same of f compiled, in float32. Every input must have a gradient. */
export function compiledValueAndGradients(
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  options?: CompileOptions,
): { value: Tensor; gradients: Tensor[] } {
  const program = compile((...leaves: Tensor[]) => {
    const value = f(...leaves);
    return { value, gradients: grad(value, leaves, { cotangent: unevenCotangent(value) }) };
  }, options);
  return program(...inputs.map((input) => leaf(input, 'f32')));
}
