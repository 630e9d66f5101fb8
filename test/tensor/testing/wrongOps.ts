/**
 * Ops that tests give a mistake: each is right but for what is changed in it. A product, the sum of
 * each row, by a map or by a kernel, and an op of two results.
 */
import * as k from '@mambagrad/kernel';
import { type Tensor, tensor, TensorError } from '@mambagrad/tensor';
import {
  checkPrimitive, defineMultiPrimitive, definePrimitive, type Lowering, type NDArray,
  type SinglePrimitive,
} from '@mambagrad/tensor/extend';

let count = 0;
/** The inputs of the checks. */
export const x = tensor([[-2, 0.5, 1.25], [3, -0.125, 0.75]]);
export const y = tensor([[0.5, 1, -0.75], [2, 0.25, -1.5]]);

/** x² y for x and y of one shape, or with a mistake. */
export function product(change: Partial<SinglePrimitive<null>> = {}) {
  const apply = definePrimitive<null>({
    name: `mutant.product${(count += 1)}`,
    infer: ([a, b]) => {
      const isRight = a.dtype === b.dtype && a.dtype !== 'i32' && `${a.shape}` === `${b.shape}`;
      if (!isRight) throw new TensorError(`product: a is ${a}, b is ${b}`);
      return { shape: a.shape, dtype: a.dtype };
    },
    compute: ([a, b], { data }) => data.forEach((_: number, i: number) => {
      data[i] = a.data[i] ** 2 * b.data[i];
    }),
    lower: () => ({ map: (a, b) => k.mul(k.mul(a, a), b) }),
    gradient: (g, _y, [a, b]) => [() => g.mul(a).mul(b).mul(2), () => g.mul(a.square())],
    ...change,
  });
  return (a: Tensor, b: Tensor) => apply([a, b], null);
}

/** The sum of each row of x [N, D], or with a mistake. */
export function rowSum(change: Partial<SinglePrimitive<null>> = {}) {
  const apply = definePrimitive<null>({
    name: `mutant.rowSum${(count += 1)}`,
    infer: ([{ shape, dtype }]) => {
      if (shape.length !== 2 || dtype === 'i32') throw new TensorError('rowSum: wrong input');
      return { shape: [shape[0]], dtype };
    },
    compute: ([{ shape: [, length], data }], output) =>
      output.data.forEach((_: number, row: number) => {
        let sum = 0;
        for (let i = 0; i < length; i++) sum += data[row * length + i];
        output.data[row] = sum;
      }),
    lower: () => ({ fold: k.sum, axes: [1] }),
    gradient: (g, _y, [{ shape }]) => [() => g.unsqueeze(1).broadcastTo(shape)],
    ...change,
  });
  return (a: Tensor) => apply([a], null);
}

/** The sum of each row as a kernel, whose rounds are a row each; or with a mistake. */
export const rowKernel = (
  length: number, rows: number,
  row: (sum: k.Variable, i: k.Expr, load: (j: k.Expr) => k.Expr) => k.Statements,
): Lowering => ({
  kernel: ([a], output) => k.parallel('row', rows, (i) => {
    const sum = k.variable('sum', 'f32');
    return [
      k.set(sum, 0),
      k.loop('j', length, (j) => k.set(sum, k.add(sum, a.at([i, j])))),
      row(sum, i, (at) => k.load(output, at)),
      k.store(output, i, sum),
    ];
  }),
});

/** The square of x [N, D] and three times its first column, by one kernel; or with a mistake. */
export function twoResults(change: Partial<Parameters<typeof defineMultiPrimitive<null>>[0]> = {}) {
  const apply = defineMultiPrimitive<null>({
    name: `mutant.twoResults${(count += 1)}`,
    infer: ([{ shape, dtype }]) => {
      if (shape.length !== 2 || dtype === 'i32') throw new TensorError('twoResults: wrong input');
      return [{ shape, dtype }, { shape: [shape[0]], dtype }];
    },
    compute: ([{ shape: [, length], data }], [squares, firsts]) => {
      squares.data.set(data.map((each) => each ** 2));
      for (let row = 0; row < firsts.data.length; row++) {
        firsts.data[row] = length > 0 ? 3 * data[row * length] : 0;
      }
    },
    lower: ([{ shape: [count, length] }]) => ({
      kernel: ([a], [squares, firsts]) => k.parallel('row', count, (i) => [
        k.loop('j', length, (j) =>
          k.store(squares, k.rowMajor([i, j], [length]), k.mul(a.at([i, j]), a.at([i, j]))),
        ),
        k.store(firsts, i, length > 0 ? k.mul(a.at([i, 0]), 3) : 0),
      ]),
    }),
    gradient: ([g, gFirsts], _results, [a]) => [() => {
      const ofSquares = g?.mul(a).mul(2) ?? a.mul(0);
      if (gFirsts === undefined || a.shape[1] === 0) return ofSquares;
      return ofSquares.add(gFirsts.mul(3).unsqueeze(1).pad([0, 0], [0, a.shape[1] - 1]));
    }],
    ...change,
  });
  return (a: Tensor) => apply([a], null);
}

/** A mistake, and the message of the error, in which … stands for anything. */
export type Mutant = readonly [mistake: string, check: () => unknown, message: string];

/** Checks `product` with a mistake. */
export const pair = (change: Partial<SinglePrimitive<null>>) =>
  () => checkPrimitive(product(change), [x, y]);

/** Checks `rowSum` with a mistake. */
export const rows = (change: Partial<SinglePrimitive<null>>) =>
  () => checkPrimitive(rowSum(change), [x]);

/** The loop of `product`, for pairs of elements. */
export const everyPair =
  (write: (data: NDArray['data'], i: number, a: NDArray, b: NDArray) => void) =>
  ([a, b]: readonly NDArray[], { data }: NDArray) =>
    data.forEach((_: number, i: number) => write(data, i, a, b));

/** A kernel of `rowSum` with something done besides, for each row. */
export const kernelOf = (row: Parameters<typeof rowKernel>[2]) =>
  ([{ shape: [count, length] }]: readonly { shape: readonly number[] }[]) =>
    rowKernel(length, count, row);
