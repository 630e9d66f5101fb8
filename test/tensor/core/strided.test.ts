/**
 * Copies of blocks, against the definition: one element after the other, found by its index. Rows
 * that lie in one piece are copied as such if they are long, so sizes go beyond that.
 */
import { arange } from '@mambagrad/tensor';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { copyBlock, type Place } from '../../../packages/tensor/src/core/strided.ts';
import { runs } from '../../support/soak.ts';

const sizes = fc.array(
  fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 30, max: 35 })), { maxLength: 3 },
);
const dtypes = fc.constantFrom('f32' as const, 'f64' as const, 'i32' as const);

/** All indices of a shape, in order. */
function indicesOf(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (all, size) => all.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );
}

const flat = (index: readonly number[], shape: readonly number[]): number =>
  index.reduce((sum, i, axis) => sum * shape[axis] + i, 0);

it('copies each element from its place to its place', () => {
  fc.assert(
    fc.property(sizes, dtypes, fc.gen(), (shape, dtype, g) => {
      const pick = (max: number): number[] => shape.map(() => g(fc.integer, { min: 0, max }));
      const [before, after] = [pick(2), pick(2)];
      const axes = shape.map((_, axis) => axis);
      const order = g(fc.shuffledSubarray, axes, { minLength: axes.length });
      // The block lies somewhere in the source, whose axes have another order.
      const wide = shape.map((size, axis) => before[axis] + size + after[axis]);
      const sourceShape = order.map((axis) => wide[axis]);
      const at = (index: readonly number[]): number[] =>
        order.map((axis) => index[axis] + before[axis]);
      const count = sourceShape.reduce((a, b) => a * b, 1);
      const { data } = arange(1, count + 1, 1, { dtype });
      const isScattered = g(fc.boolean);
      const [from, to] = [{ shape: sourceShape, data }, {
        shape: isScattered ? sourceShape : shape,
        data: data.slice(0, isScattered ? count : indicesOf(shape).length).fill(0),
      }];
      const expected = to.data.slice();
      for (const index of indicesOf(shape)) {
        const place = isScattered ? at(index) : index;
        expected[flat(place, to.shape)] = data[flat(at(index), sourceShape)];
      }
      const rule = { at: at as Place['at'] & {} };
      const target = isScattered ? { array: to, ...rule } : { array: to };
      copyBlock(shape, { array: from, ...rule }, target);
      expect(to.data).toEqual(expected);
    }),
    { numRuns: runs(150) },
  );
});
