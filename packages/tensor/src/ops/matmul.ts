/**
 * Matrix multiplication over the last two axes: yᵢⱼ = Σₖ aᵢₖ·bₖⱼ. Axes before those are a batch,
 * and broadcast. With g = ∂loss/∂y the gradients are ∂a = g·bᵀ and ∂b = aᵀ·g.
 */
import * as k from '@mambagrad/kernel';
import type { TypedArray } from '../core/dtype.ts';
import { broadcastIndex, flatIndex, forEach, type Index } from '../core/lowering.ts';
import { definePrimitive } from '../core/primitive.ts';
import { broadcastShapes, broadcastStrides, check, failure, numelOf } from '../core/shape.ts';
import { offsetsOf } from '../core/strided.ts';
import type { Tensor } from '../core/tensor.ts';
import { requireFloat, requireSameDType } from './define.ts';

const productPrimitive = definePrimitive<null>({
  name: 'matmul',
  infer: ([a, b]) => {
    const [rows, inner] = a.shape.slice(-2);
    const [other, columns] = b.shape.slice(-2);
    const isRight = inner === other;
    check(isRight)`matmul: inner dimensions differ: a is ${a}, b is ${b} (${inner} ≠ ${other})`;
    const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
    if (!batch) throw failure`matmul: batch axes do not broadcast: a is ${a}, b is ${b}`;
    return { shape: [...batch, rows, columns], dtype: a.dtype };
  },
  compute: ([a, b], { shape, data }) => {
    const [rows, columns] = shape.slice(-2);
    const [inner] = b.shape.slice(-2);
    const batch = shape.slice(0, -2);
    // Which matrix of each input belongs to each of the result.
    const [left, right] = [a, b].map((input) =>
      offsetsOf(batch, broadcastStrides(input.shape.slice(0, -2), batch)));
    for (let i = 0; i < left.length; i++) {
      const starts = [left[i] * rows * inner, right[i] * inner * columns, i * rows * columns];
      multiply([a.data, b.data, data], starts, [rows, inner, columns]);
    }
  },
  lower: ([{ shape: ofA }], _attributes, { shape }) => ({
    supportsEpilogue: true,
    kernel: ([a, b], y, epilogue) => {
      const [rows, columns] = shape.slice(-2);
      const [batch, depth] = [shape.slice(0, -2), ofA[ofA.length - 1]];
      const isPart = numelOf(batch) !== 1;
      const multiplyAt = (index: Index): k.Statements => {
        const [left, right] = [a, b].map((own) => broadcastIndex(index, own.shape.slice(0, -2)));
        return k.multiply({
          a: (row, at) => a.at([...left, row, at]),
          b: (at, column) => b.at([...right, at, column]),
          indexOf: (row, column) => flatIndex([...index, row, column], shape),
          epilogue: epilogue && ((row, column, value) => epilogue([...index, row, column], value)),
          ...{ rows, columns, depth, y },
        }, isPart);
      };
      if (!isPart) return multiplyAt(batch.map(() => 0));
      const work = (rows * columns * depth) / k.MULTIPLY_ADDS_PER_OPERATION;
      return forEach(batch, multiplyAt, { isInLanes: false, work });
    },
  }),
  gradient: (g, _y, [a, b]) => [
    () => g.matmul(transposed(b)),
    // aᵀ·g = (gᵀ·a)ᵀ: transpose the smaller of a and g.
    () => (a.numel < g.numel ? transposed(a).matmul(g) : transposed(transposed(g).matmul(a))),
  ],
});

function transposed(x: Tensor): Tensor {
  return x.transpose(-2, -1);
}

/**
 * y = a·b for one matrix of each, from a start on, in register tiles of 2 rows and 4 columns: each
 * step of the k loop loads six numbers for eight products. At the edges a tile repeats the last row
 * or column and writes the same value twice, which saves loops for the remainder.
 */
function multiply(
  [a, b, y]: readonly TypedArray[],
  [startA, startB, startY]: readonly number[],
  [rows, inner, columns]: readonly number[],
): void {
  for (let i = 0; i < rows; i += 2) {
    const next = Math.min(i + 1, rows - 1);
    for (let j = 0; j < columns; j += 4) {
      const j1 = Math.min(j + 1, columns - 1);
      const j2 = Math.min(j + 2, columns - 1);
      const j3 = Math.min(j + 3, columns - 1);
      let p0 = 0, p1 = 0, p2 = 0, p3 = 0;
      let q0 = 0, q1 = 0, q2 = 0, q3 = 0;
      const left = startA + i * inner;
      const leftBelow = startA + next * inner;
      for (let k = 0; k < inner; k++) {
        const row = startB + k * columns;
        const p = a[left + k], q = a[leftBelow + k];
        const b0 = b[row + j], b1 = b[row + j1], b2 = b[row + j2], b3 = b[row + j3];
        p0 += p * b0, p1 += p * b1, p2 += p * b2, p3 += p * b3;
        q0 += q * b0, q1 += q * b1, q2 += q * b2, q3 += q * b3;
      }
      const top = startY + i * columns;
      const below = startY + next * columns;
      y[top + j] = p0;
      y[top + j1] = p1;
      y[top + j2] = p2;
      y[top + j3] = p3;
      y[below + j] = q0;
      y[below + j1] = q1;
      y[below + j2] = q2;
      y[below + j3] = q3;
    }
  }
}

/**
 * The matrix product of a [..., M, K] and b [..., K, N], of shape [..., M, N]; leading axes
 * broadcast. A vector a [K] is taken as one row, a vector b [K] as one column, and the result does
 * not have that axis.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  requireSameDType('matmul', a, b);
  requireFloat('matmul', 'a', a);
  const haveAxes = a.ndim > 0 && b.ndim > 0;
  check(haveAxes)`matmul: a is ${a}, b is ${b}; both need an axis, use mul for scalars`;
  if (a.ndim === 1) return matmul(a.unsqueeze(0), b).squeeze(b.ndim === 1 ? 0 : -2);
  if (b.ndim === 1) return matmul(a, b.unsqueeze(1)).squeeze(-1);
  const [inner, columns] = b.shape.slice(-2);
  if (b.ndim > 2 || a.ndim === 2 || a.shape[a.ndim - 1] !== inner) {
    return productPrimitive([a, b], null);
  }
  // One matrix for the whole batch: as more rows of one product, whose ∂b needs no sum over it.
  const leading = a.shape.slice(0, -1);
  const rows = a.reshape([numelOf(leading), inner]);
  return productPrimitive([rows, b], null).reshape([...leading, columns]);
}
