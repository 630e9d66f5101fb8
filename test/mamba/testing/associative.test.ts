/** checkAssociative: the operations of this repository pass, and wrong ones are named. */
import { checkAssociative, PropertyError } from '@mambagrad/mamba/testing';
import { eye, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

type Pair = readonly Tensor[];

const linearPairs = ([a1, b1]: Pair, [a2, b2]: Pair): Pair => [a1.mul(a2), a2.mul(b1).add(b2)];
const one = [1, 0].map((x) => tensor(x, { dtype: 'f64' }));

describe('checkAssociative', () => {
  it('holds for the pairs of the linear recurrence, with the identity (1, 0)', async () => {
    const { checked, leftOut } = await checkAssociative(linearPairs, { identity: one });
    expect(checked.map(({ property }) => property)).toEqual([
      'repeatable', 'associative', 'apart', 'identity',
    ]);
    expect(leftOut).toEqual([]);
  });

  it('holds for products of matrices, in the order of time', async () => {
    await checkAssociative<Pair>(([first], [second]) => [second.matmul(first)], {
      elements: 'matrices', identity: [eye(2, 2, { dtype: 'f64' })],
    });
  });

  it('holds for pairs that drop the past, the maximum, and concatenation', async () => {
    const number = fc.double({ min: -2, max: 2, noNaN: true });
    type Segment = readonly [a: number, b: number, reset: number];
    await checkAssociative<Segment>(
      ([a1, b1, r1], [a2, b2, r2]) =>
        (r2 > 0 ? [a2, b2, r2] : [a1 * a2, a2 * b1 + b2, Math.max(r1, r2)]),
      { elements: fc.tuple(number, number, fc.constantFrom(0, 1)), identity: [1, 0, 0] },
    );
    await checkAssociative<number>(Math.max, { elements: number, identity: -Infinity });
    const { leftOut } = await checkAssociative<readonly number[]>(
      async (x, y) => [...x, ...y], { elements: fc.array(number), identity: [] },
    );
    expect(leftOut.map(({ property }) => property)).toEqual(['apart']);
  });

  it.each<[string, string, (earlier: Pair, later: Pair) => Pair]>([
    ['associative', 'a difference', ([a1, b1], [a2, b2]) => [a1.sub(a2), b1.sub(b2)]],
    ['associative', 'a pair whose b is not carried on by a', ([a1, b1], [a2, b2]) =>
      [a1.mul(a2), a1.mul(b1).add(b2)]],
    ['identity', 'a pair that takes the past as it is', ([a1], [, b2]) => [a1, b2]],
    ['apart', 'a mean over all elements', (_earlier, later) =>
      later.map((x) => x.mean(0, true).add(x.mul(0)))],
    ['repeatable', 'an argument that is changed', (earlier, [a, b]) => {
      a.data[0] += 1;
      return linearPairs(earlier, [a, b]);
    }],
  ])('finds, as %s, %s', async (property, _mistake, combine) => {
    const check = checkAssociative(combine, { identity: one });
    const error = await check.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PropertyError);
    expect((error as PropertyError).property).toBe(property);
  });

  it('shows the smallest elements and both results', async () => {
    const difference = (x: number, y: number) => x - y;
    const options = { elements: fc.integer({ min: -9, max: 9 }), seed: 1 };
    await expect(checkAssociative<number>(difference, options)).rejects.toThrow([
      'checkAssociative: difference: associative: (a ∘ b) ∘ c = a ∘ (b ∘ c). This does not hold: ' +
        '(a ∘ b) ∘ c is not a ∘ (b ∘ c)',
    ].join('\n'));
    await expect(checkAssociative<number>(difference, options)).rejects.toThrow(new RegExp([
      '  a  0', '  b  0', '  c  -?1', '  \\(a ∘ b\\) ∘ c  \\[-?1\\]',
      '  a ∘ \\(b ∘ c\\)  \\[-?1\\]',
    ].join('\n')));
  });
});
