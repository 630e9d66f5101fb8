/** Holds functions that scan to the loop that defines it, eagerly and compiled, in both dtypes. */
import { compile, scan, type Tensor, tensor, zeros } from '@mambagrad/tensor';
import { expect } from 'vitest';
import { expectClose, leaf } from './compare.ts';
import { leavesOf, loop, type Scan } from './recurrence.ts';

/** The dtype in which a test runs: f32, in which programs have kernels, or f64, which is exact. */
export let dtype: 'f32' | 'f64' = 'f64';

/** A test that runs in both dtypes. */
export const inBoth = (body: () => void) => () => {
  for (const each of ['f64', 'f32'] as const) {
    dtype = each;
    body();
  }
};

/** Numbers from −1 to 1 in no order. */
export function some(...shape: number[]): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  const numbers = Float64Array.from({ length: count }, (_, i) => Math.sin(1 + 2.7 * i));
  return tensor(numbers, { shape, dtype });
}

/** Zeros. */
export const none = (...shape: number[]): Tensor => zeros(shape, { dtype });
/** The same numbers, with a gradient. */
export const variable = (x: Tensor): Tensor => leaf(x, dtype);

/**
 * Runs a function with the loop, with `scan`, and with `scan` in a compiled function, and expects
 * the same tensors of all. It is made anew each time, as it may have state, and called twice.
 */
export function expectAlike(make: (through: Scan) => () => unknown, tolerance = 1e-12): void {
  const [expected, ...others] = [make(loop), make(scan), compile(make(scan))];
  for (let call = 0; call < 2; call++) {
    const wanted = leavesOf(expected());
    for (const other of others) {
      const found = leavesOf(other());
      expect(found).toHaveLength(wanted.length);
      const allowed = dtype === 'f64' ? tolerance : 2e-5;
      found.forEach((x, i) => expectClose(x, wanted[i], allowed));
    }
  }
}
