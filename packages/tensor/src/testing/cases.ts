/**
 * Other inputs made of the given ones. Axes of equal size are taken to be the same axis, of one
 * input or of several: matmul's [2, 3] and [3, 4] have the axes 2, 3 and 4. Each gets other sizes
 * in turn, wherever it stands; and to see that wrong inputs are refused, in one place alone.
 */
import { allocate, type TypedArray } from '../core/dtype.ts';
import { numelOf, type Shape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { Generator, uniform } from '../ops/random.ts';

/**
 * x in another shape. Indices are repeated. Other numbers are drawn between the least and the
 * greatest that x has, so they are where those are right (positive, say, for a logarithm); and they
 * keep a distance from each other, as ops may have kinks where two are equal (max, sort).
 */
function refilled(x: Tensor, shape: Shape, seed: number): Tensor {
  const { data: given, dtype, numel } = x;
  const data = allocate(dtype, numelOf(shape));
  const { length } = data;
  if (dtype === 'i32') {
    const indices = data.map((_, i) => given[i % numel] ?? 0);
    return new Tensor({ shape, dtype }, indices);
  }
  const generator = new Generator(seed);
  const [keys, jitter] = [0, 1].map(() => uniform([length], 0, 1, { generator }).data);
  const order = Array.from(keys, (_, i) => i).sort((i, j) => keys[i] - keys[j]);
  const { least, greatest } = rangeOf(given);
  order.forEach((i, rank) => {
    const fraction = (rank + 0.3 + 0.4 * jitter[i]) / length;
    data[i] = Math.fround(least + (greatest - least) * fraction);
  });
  return new Tensor({ shape, dtype }, data);
}

/** A range of more than one number: that of the given ones, if they differ. */
function rangeOf(given: TypedArray): { readonly least: number; readonly greatest: number } {
  const numbers = Array.from<number>(given).filter(Number.isFinite);
  const [first = 0] = numbers;
  const least = numbers.reduce((a, b) => Math.min(a, b), first);
  const greatest = numbers.reduce((a, b) => Math.max(a, b), first);
  if (least < greatest) return { least, greatest };
  const only = least || 1;
  return { least: Math.min(only / 2, only), greatest: Math.max(only / 2, only) };
}

/** Each axis, told by its size, with each of the sizes; and all axes with size 0, and with 1. */
export function resized(
  inputs: readonly Tensor[], sizes: readonly number[], seed: number,
): Tensor[][] {
  const axes = new Set(inputs.flatMap(({ shape }) => shape).filter((size) => size > 1));
  const changes = Array.from(axes).flatMap((axis) =>
    sizes.filter((size) => size !== axis).map((size) => new Map([[axis, size]])),
  );
  if (axes.size > 1) {
    for (const size of sizes.filter((one) => one <= 1)) {
      changes.push(new Map(Array.from(axes, (axis) => [axis, size])));
    }
  }
  return changes.map((change) =>
    inputs.map((input, i) => {
      const shape = input.shape.map((size) => change.get(size) ?? size);
      return refilled(input, shape, seed + i);
    }),
  );
}

/** The same inputs with all indices 0, which are right for every axis that has elements. */
export function withZeroIndices(inputs: readonly Tensor[]): Tensor[] {
  return inputs.map((input) =>
    input.dtype === 'i32' ? new Tensor(input, allocate('i32', input.numel)) : input,
  );
}

/** Inputs that are probably wrong: one of another dtype, with an axis more or less, or longer. */
export function spoiled(inputs: readonly Tensor[], seed: number): Tensor[][] {
  const sizes = inputs.flatMap(({ shape }) => shape);
  return inputs.flatMap((input, i) => {
    const { shape, dtype } = input;
    const shapes = [
      [2, ...shape],
      ...(shape.length > 0 ? [shape.slice(1)] : []),
      // A size that no other axis has can be any.
      ...shape.flatMap((size, axis) =>
        sizes.filter((other) => other === size).length > 1 ? [shape.with(axis, size + 1)] : [],
      ),
    ];
    const isAlone = inputs.filter((one) => one.dtype === dtype).length === 1;
    const changed = [
      dtype === 'i32' ? input.cast('f32') : input.mul(7).cast('i32'),
      ...(dtype === 'i32' || isAlone ? [] : [input.cast('f64')]),
      ...shapes.map((other) => refilled(input, other, seed)),
    ];
    return changed.map((other) => inputs.with(i, other));
  });
}

/** Whether there are f32 tensors beside f64 ones. */
export function isMixed(inputs: readonly Tensor[]): boolean {
  const dtypes = new Set(inputs.map(({ dtype }) => dtype));
  return dtypes.has('f32') && dtypes.has('f64');
}
