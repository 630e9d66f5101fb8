/**
 * Running sums and products, which are linear scans: h_t = 1·h_{t−1} + x_t adds up, and
 * h_t = x_t·h_{t−1} + 0 from h_{−1} = 1 multiplies. So their gradients are known, and products need
 * no division, which would fail at zeros.
 */
import { boolean, checkArgument } from '../options.ts';
import { type Axes, numelOf, reducedShape, resolveAxes, resolveAxis } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { requireFloat, tensorOf } from './define.ts';

/** The sum of all elements up to each along an axis, itself included. */
export function cumsum(x: Tensor, axis: number): Tensor {
  requireFloat('cumsum', 'x', x);
  const at = resolveAxis('cumsum', axis, x.ndim);
  return tensorOf('cumsum', 1, x.dtype).linearScan(x, { axis: at });
}

/** The product of all elements up to each along an axis, itself included. */
export function cumprod(x: Tensor, axis: number): Tensor {
  requireFloat('cumprod', 'x', x);
  const at = resolveAxis('cumprod', axis, x.ndim);
  const initialState = tensorOf('cumprod', 1, x.dtype).broadcastTo(x.shape.toSpliced(at, 1));
  return x.linearScan(tensorOf('cumprod', 0, x.dtype), { axis: at, initialState });
}

/** The product over the given axes, or over all; 1 for an empty axis. */
export function prod(x: Tensor, axis?: Axes, keepDims = false): Tensor {
  requireFloat('prod', 'x', x);
  checkArgument('prod', 'keepDims', keepDims, boolean);
  const axes = resolveAxes('prod', axis, x.ndim);
  const kept = x.shape.flatMap((_, other) => (axes.includes(other) ? [] : [other]));
  const count = numelOf(axes.map((reduced) => x.shape[reduced]));
  const shape = reducedShape(x.shape, axes, keepDims);
  if (count === 0) return x.sum(axes, keepDims).add(1);
  const columns = x.permute([...kept, ...axes]).reshape([numelOf(shape), count]);
  return cumprod(columns, 1).narrow(1, count - 1, 1).reshape(shape);
}
