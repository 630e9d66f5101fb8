/**
 * Matrix products over pairs of steps, of which only some count:
 *
 *     product    yᵢⱼ = Σₖ aᵢₖ bₖⱼ, over the k with pairsᵢₖ ≠ 0
 *     scores     yᵢⱼ = Σₙ aᵢₙ bₙⱼ where pairsᵢⱼ ≠ 0, elsewhere 0
 *
 * A matmul with zeros for the other pairs would be the same, if it were not for NaN and ∞: 0 · NaN
 * is NaN, and a step that is not finite would spoil all others. Each is the gradient of the other.
 */
import * as k from '@mambagrad/kernel';
import type { Shape, Tensor } from '@mambagrad/tensor';
import { type Apply, definePrimitive, type Elements } from '@mambagrad/tensor/extend';

const transposed = (x: Tensor): Tensor => x.transpose(-2, -1);

/** For each element of y [S, I, J], four j in lanes: sets a sum, and stores what is made of it. */
function sums(
  y: k.Buffer, [count, rows, columns]: Shape, depth: number,
  add: (sum: k.Variable, at: k.Expr, cell: readonly k.Expr[]) => k.Expr,
  result: (sum: k.Variable, cell: readonly k.Expr[]) => k.Expr = (sum) => sum,
): k.Statements {
  const pieces = k.partition([count], rows * columns * depth);
  return k.parallel('chunk', pieces.chunks, (chunk) => {
    const [before, some] = pieces.rangesOf(chunk);
    const ofRow = (s: k.Expr, i: k.Expr) => k.vectorized('j', columns, (j) => {
      const sum = k.variable('sum', k.isVector(j) ? 'f32x4' : 'f32');
      return [
        k.set(sum, 0),
        k.loop('k', depth, (at) => k.set(sum, add(sum, at, [s, i, j]))),
        k.store(y, k.rowMajor([s, i, j], [rows, columns]), result(sum, [s, i, j])),
      ];
    });
    return [before, k.loop('s', some, (s) => k.loop('i', rows, (i) => ofRow(s, i)))];
  });
}

/** a [S, I, K], b [S, K, J], pairs [S, I, K], i32; the result is [S, I, J]. */
const productPrimitive: Apply<null> = definePrimitive<null>({
  name: 'pairProduct',
  infer: ([{ shape: [count, rows], dtype }, { shape: [, , columns] }]) => ({
    shape: [count, rows, columns], dtype,
  }),
  compute: ([{ data: a }, { shape: [, depth], data: b }, { data: pairs }], output) => {
    const { shape: [count, rows, columns], data } = output;
    const sums = new Float64Array(columns);
    for (let row = 0; row < count * rows; row++) {
      const first = Math.floor(row / rows) * depth;
      sums.fill(0);
      for (let at = 0; at < depth; at++) {
        if (pairs[row * depth + at] === 0) continue;
        const left = a[row * depth + at];
        for (let j = 0; j < columns; j++) sums[j] += left * b[(first + at) * columns + j];
      }
      data.set(sums, row * columns);
    }
  },
  lower: ([{ shape: [, , depth] }], _attributes, { shape }) => ({
    kernel: ([a, b, pairs]: readonly Elements[], y: k.Buffer) =>
      sums(y, shape, depth, (sum, at, [s, i, j]) => {
        const more = k.mulAdd(a.at([s, i, at]), b.at([s, at, j]), sum);
        return k.select(k.notEqual(pairs.at([s, i, at]), 0), more, sum);
      }),
  }),
  gradient: (g, _y, [a, b, pairs]) => [
    () => scoresPrimitive([g, transposed(b), pairs], null),
    () => productPrimitive([transposed(a), g, transposed(pairs)], null),
  ],
});

/** a [S, I, N], b [S, N, J], pairs [S, I, J], i32; the result is [S, I, J]. */
const scoresPrimitive: Apply<null> = definePrimitive<null>({
  name: 'pairScores',
  infer: ([{ dtype }, , { shape }]) => ({ shape, dtype }),
  compute: ([{ data: a }, { shape: [, depth], data: b }, { data: pairs }], output) => {
    const { shape: [count, rows, columns], data } = output;
    for (let i = 0; i < count * rows * columns; i++) {
      if (pairs[i] === 0) continue;
      const row = Math.floor(i / columns);
      const first = Math.floor(row / rows) * depth * columns + (i % columns);
      let sum = 0;
      for (let n = 0; n < depth; n++) sum += a[row * depth + n] * b[first + n * columns];
      data[i] = sum;
    }
  },
  lower: ([{ shape: [, , depth] }], _attributes, { shape }) => ({
    kernel: ([a, b, pairs]: readonly Elements[], y: k.Buffer) =>
      sums(
        y, shape, depth,
        (sum, at, [s, i, j]) => k.mulAdd(a.at([s, i, at]), b.at([s, at, j]), sum),
        (sum, cell) => k.select(k.notEqual(pairs.at(cell), 0), sum, 0),
      ),
  }),
  gradient: (g, _y, [a, b, pairs]) => [
    () => productPrimitive([g, transposed(b), pairs], null),
    () => transposed(productPrimitive([transposed(g), a, transposed(pairs)], null)),
  ],
});

/** Applies one of the two to tensors of equal leading axes, to which those of pairs broadcast. */
function apply(primitive: Apply<null>, [a, b, pairs]: readonly Tensor[], depth: number): Tensor {
  const leading = a.shape.slice(0, -2);
  const [rows, columns] = [a.shape[a.ndim - 2], b.shape[b.ndim - 1]];
  const count = leading.reduce((product, size) => product * size, 1);
  const flat = (x: Tensor): Tensor => x.reshape([count, ...x.shape.slice(-2)]);
  const all = pairs.broadcastTo([...leading, rows, depth]);
  return primitive([a, b, all].map(flat), null).reshape([...leading, rows, columns]);
}

/** Σₖ aᵢₖ bₖⱼ over the k that are paired with i: a and pairs [..., I, K], b [..., K, J]. */
export function pairProduct(pairs: Tensor, a: Tensor, b: Tensor): Tensor {
  return apply(productPrimitive, [a, b, pairs], a.shape[a.ndim - 1]);
}

/** Σₙ aᵢₙ bₙⱼ for the pairs i and j, else 0: a [..., I, N], b [..., N, J], pairs [..., I, J]. */
export function pairScores(pairs: Tensor, a: Tensor, b: Tensor): Tensor {
  return apply(scoresPrimitive, [a, b, pairs], b.shape[b.ndim - 1]);
}
