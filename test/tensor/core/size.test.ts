/** `size`: the size of an axis, from either end; and lists whose length is known. */
import { grad, ones, tensor, type Tensor, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import { expect, expectTypeOf, test } from 'vitest';

test('size gives what shape says, from either end', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(4), { maxLength: 5 }), (shape) => {
      const x = zeros(shape);
      shape.forEach((size, axis) => {
        expect(x.size(axis)).toBe(size);
        expect(x.size(axis - shape.length)).toBe(size);
      });
      for (const axis of [shape.length, -shape.length - 1]) {
        expect(() => x.size(axis)).toThrow(`size: axis ${axis} is out of range`);
      }
    }),
  );
  expect(() => ones([2]).size(0.5)).toThrow('size: axis is 0.5');
});

test('grad gives a tuple as long as its inputs', () => {
  const [x, w] = [tensor([1, 2], { requiresGrad: true }), tensor([3, 4], { requiresGrad: true })];
  const both = grad(x.mul(w).sum(), [x, w]);
  expectTypeOf(both).toEqualTypeOf<[Tensor, Tensor]>();
  expect(both.map((g) => g.toArray())).toEqual([[3, 4], [1, 2]]);
});
