/**
 * Matrix multiplication over the last two axes: yᵢⱼ = Σₖ aᵢₖ·bₖⱼ. Axes before those are a batch,
 * and broadcast. With g = ∂loss/∂y the gradients are ∂a = g·bᵀ and ∂b = aᵀ·g.
 */
import type { TypedArray } from '../dtype.ts';
import { type Apply, definePrimitive } from '../primitive.ts';
import { broadcastShapes, broadcastStrides, describe, numelOf, TensorError } from '../shape.ts';
import { rowsOf } from '../strided.ts';
import type { Tensor } from '../tensor.ts';
import { matrixProduct } from '../tiles.ts';
import { requireFloat, requireSameDType } from './define.ts';

const productPrimitive: Apply<null> = definePrimitive<null>({
  name: 'matmul',
  infer: ([a, b]) => {
    const [rows, inner] = a.shape.slice(-2);
    const [otherInner, columns] = b.shape.slice(-2);
    if (inner !== otherInner) {
      throw new TensorError(
        `matmul: inner dimensions differ: a is ${describe(a)}, b is ${describe(b)} ` +
          `(${inner} ≠ ${otherInner})`,
      );
    }
    const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
    if (batch === undefined) {
      throw new TensorError(
        `matmul: batch axes do not broadcast: a is ${describe(a)}, b is ${describe(b)}`,
      );
    }
    return { shape: [...batch, rows, columns], dtype: a.dtype };
  },
  compute: ([a, b], { shape, data }) => {
    const [rows, columns] = shape.slice(-2);
    const inner = a.shape[a.shape.length - 1];
    const batch = shape.slice(0, -2);
    // Strides over the batch count whole matrices.
    const { length, starts, steps } = rowsOf(
      batch,
      [a, b].map((input) => broadcastStrides(input.shape.slice(0, -2), batch)),
    );
    for (let row = 0, matrix = 0; row < starts[0].length; row++) {
      for (let i = 0; i < length; i++, matrix++) {
        const product = columns === 1 ? multiplyVector : multiply;
        product(
          { data: a.data, offset: (starts[0][row] + i * steps[0]) * rows * inner },
          { data: b.data, offset: (starts[1][row] + i * steps[1]) * inner * columns },
          { data, offset: matrix * rows * columns },
          rows,
          inner,
          columns,
        );
      }
    }
  },
  lower: (_inputs, _attributes, { shape }) => ({
    kernel: ([a, b], y) => matrixProduct(a, b, y, shape),
  }),
  gradient: (g, _y, [a, b]) => [
    () => g.matmul(transposed(b)),
    // aᵀ·g = (gᵀ·a)ᵀ: of the two, the smaller is the one to rearrange.
    () => (a.numel < g.numel ? transposed(a).matmul(g) : transposed(transposed(g).matmul(a))),
  ],
});

function transposed(x: Tensor): Tensor {
  return x.transpose(-2, -1);
}

interface Matrix {
  readonly data: TypedArray;
  readonly offset: number;
}

/**
 * y = a·b for one matrix, in tiles of 2 rows and 4 columns: six numbers read serve eight products.
 * At the edges a tile takes the last row or column more than once, and writes it as often, with the
 * same value: no loops of their own for what is left over.
 */
function multiply(
  a: Matrix,
  b: Matrix,
  y: Matrix,
  rows: number,
  inner: number,
  columns: number,
): void {
  const left = a.data;
  const right = b.data;
  const out = y.data;
  for (let i = 0; i < rows; i += 2) {
    const i1 = Math.min(i + 1, rows - 1);
    const row0 = a.offset + i * inner;
    const row1 = a.offset + i1 * inner;
    const target0 = y.offset + i * columns;
    const target1 = y.offset + i1 * columns;
    for (let j = 0; j < columns; j += 4) {
      const j1 = Math.min(j + 1, columns - 1);
      const j2 = Math.min(j + 2, columns - 1);
      const j3 = Math.min(j + 3, columns - 1);
      let y00 = 0;
      let y01 = 0;
      let y02 = 0;
      let y03 = 0;
      let y10 = 0;
      let y11 = 0;
      let y12 = 0;
      let y13 = 0;
      for (let k = 0, at = b.offset; k < inner; k++, at += columns) {
        const x0 = left[row0 + k];
        const x1 = left[row1 + k];
        const w0 = right[at + j];
        const w1 = right[at + j1];
        const w2 = right[at + j2];
        const w3 = right[at + j3];
        y00 += x0 * w0;
        y01 += x0 * w1;
        y02 += x0 * w2;
        y03 += x0 * w3;
        y10 += x1 * w0;
        y11 += x1 * w1;
        y12 += x1 * w2;
        y13 += x1 * w3;
      }
      out[target0 + j] = y00;
      out[target0 + j1] = y01;
      out[target0 + j2] = y02;
      out[target0 + j3] = y03;
      out[target1 + j] = y10;
      out[target1 + j1] = y11;
      out[target1 + j2] = y12;
      out[target1 + j3] = y13;
    }
  }
}

/** y = a·b for one matrix and one column, which lies in memory in a row. */
function multiplyVector(a: Matrix, b: Matrix, y: Matrix, rows: number, inner: number): void {
  const left = a.data;
  const right = b.data;
  for (let i = 0, at = a.offset; i < rows; i++) {
    let total = 0;
    for (let k = 0; k < inner; k++, at++) total += left[at] * right[b.offset + k];
    y.data[y.offset + i] = total;
  }
}

/**
 * The matrix product of a [..., M, K] and b [..., K, N]: [..., M, N], leading axes broadcast. A
 * vector a [K] counts as one row, a vector b [K] as one column, and that axis is dropped again.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  requireSameDType('matmul', a, b);
  requireFloat('matmul', 'a', a);
  if (a.ndim === 0 || b.ndim === 0) {
    throw new TensorError(
      `matmul: a is ${describe(a)}, b is ${describe(b)}; both need an axis, use mul for scalars`,
    );
  }
  if (a.ndim === 1) return matmul(a.unsqueeze(0), b).squeeze(b.ndim === 1 ? 0 : -2);
  if (b.ndim === 1) return matmul(a, b.unsqueeze(1)).squeeze(-1);
  if (b.ndim === 2 && a.ndim > 2) {
    // One matrix for the whole batch: the batch is more rows, and ∂b is one product, not a sum.
    const [inner, columns] = b.shape;
    const leading = a.shape.slice(0, -1);
    if (a.shape[a.ndim - 1] === inner) {
      return productPrimitive([a.reshape([numelOf(leading), inner]), b], null).reshape([
        ...leading,
        columns,
      ]);
    }
  }
  return productPrimitive([a, b], null);
}
