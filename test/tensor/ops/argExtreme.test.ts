/**
 * The index of the largest or smallest element, compiled: where elements are equal, infinite or
 * NaN, lanes have to agree about which comes first.
 */
import { compile, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { twins } from '../../support/compiled.ts';
import { drawAxis, drawShape } from '../../support/draw.ts';
import { runs } from '../../support/soak.ts';

const few = [0, -0, 1, -1, 2, NaN, Infinity, -Infinity];
const whole = [0, 1, 2, -1, 2 ** 31 - 1, -(2 ** 31)];
const sizes = fc.constantFrom<number>(1, 3, 4, 5, 8, 11, 19);

describe.each(['argmax', 'argmin'] as const)('%s', (name) => {
  it('finds the same index compiled, among elements of which many are equal', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom('f32', 'i32'), (g, dtype) => {
        const shape = drawShape(g, { minRank: 1, maxRank: 3 }).map(() => g(() => sizes));
        const axis = drawAxis(g, shape);
        const choices = g(() => fc.subarray(dtype === 'f32' ? few : whole, { minLength: 1 }));
        const count = shape.reduce((a, b) => a * b, 1);
        const numbers = Array.from({ length: count }, () => g(fc.constantFrom, ...choices));
        const x = tensor(numbers, { shape, dtype });
        const find = (given: Tensor): Tensor[] => [given[name](axis, true)];
        expect(twins(find)(x)[0]?.toArray()).toEqual(find(x)[0].toArray());
      }),
      { numRuns: runs(60) },
    );
  });

  it('is a kernel, and no reference loop', () => {
    const find = compile((x: Tensor) => x[name](1));
    find(tensor([[3, 1, 2]]));
    expect(find.explain()).not.toContain('reference loop');
  });
});
