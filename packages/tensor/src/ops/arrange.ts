/**
 * Pieces, copies, rotations and triangles: short names for common combinations of narrow, concat
 * and broadcastTo. They have no loops or gradients of their own.
 */
import { arange } from '../core/create.ts';
import type { Tensors } from '../core/lists.ts';
import { check, resolveAxis, type Shape } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { requireCount, requireCounts, requireTensor } from './define.ts';

/** At most `count` pieces along an axis, all of the same size but the last. */
export function chunk(x: Tensor, count: number, axis = 0): Tensors {
  requireTensor('chunk', 'x', x);
  requireCount('chunk', 'count', count, 1);
  const size = x.shape[resolveAxis('chunk', axis, x.ndim)];
  return x.split(Math.max(1, Math.ceil(size / count)), axis);
}

/**
 * x repeated as a whole, `counts[i]` times along axis i; fewer counts are for the last axes.
 * NumPy's tile, PyTorch's repeat.
 */
export function tile(x: Tensor, counts: readonly number[]): Tensor {
  requireTensor('tile', 'x', x);
  requireCounts('tile', 'counts', counts, 0);
  const rank = Math.max(counts.length, x.ndim);
  const fill = (list: Shape) => [...new Array<number>(rank - list.length).fill(1), ...list];
  const [shape, copies] = [x.shape, counts].map(fill);
  // Each axis gets one before it for the copies; then the two become one.
  return x
    .reshape(shape.flatMap((size) => [1, size]))
    .broadcastTo(shape.flatMap((size, axis) => [copies[axis], size]))
    .reshape(shape.map((size, axis) => copies[axis] * size));
}

/**
 * Each slice along an axis repeated `count` times, next to itself: [a, b] twice is [a, a, b, b].
 */
export function repeatInterleave(x: Tensor, count: number, axis: number): Tensor {
  requireTensor('repeatInterleave', 'x', x);
  requireCount('repeatInterleave', 'count', count, 0);
  const at = resolveAxis('repeatInterleave', axis, x.ndim);
  return x
    .unsqueeze(at + 1)
    .broadcastTo(x.shape.toSpliced(at + 1, 0, count))
    .reshape(x.shape.with(at, x.shape[at] * count));
}

/** Elements moved `shift` places along an axis; those moved past the end re-enter at the start. */
export function roll(x: Tensor, shift: number, axis: number): Tensor {
  requireTensor('roll', 'x', x);
  requireCount('roll', 'shift', shift);
  const at = resolveAxis('roll', axis, x.ndim);
  const size = x.shape[at];
  const over = size === 0 ? 0 : ((shift % size) + size) % size;
  return x.narrow(at, size - over, over).concat([x.narrow(at, 0, size - over)], at);
}

/** For each element of the last two axes, column − row: how far right of the diagonal it is. */
function fromDiagonal(op: string, x: Tensor, diagonal: number): Tensor {
  requireTensor(op, 'x', x);
  const isRight = Number.isInteger(diagonal) && (diagonal | 0) === diagonal;
  check(isRight)`${op}: diagonal is ${diagonal}, expected a whole number`;
  check(x.ndim >= 2)`${op}: x is ${x}, expected rows and columns as its last axes`;
  const [rows, columns] = x.shape.slice(-2).map((size) => arange(0, size, 1, { dtype: 'i32' }));
  return columns.sub(rows.unsqueeze(1));
}

/** The elements on the diagonal and above; `diagonal` moves it up, or down if it is negative. */
export function triu(x: Tensor, diagonal = 0): Tensor {
  return fromDiagonal('triu', x, diagonal).greaterEqual(diagonal).where(x, 0);
}

/** The elements on the diagonal and below; `diagonal` moves it up, or down if it is negative. */
export function tril(x: Tensor, diagonal = 0): Tensor {
  return fromDiagonal('tril', x, diagonal).lessEqual(diagonal).where(x, 0);
}
