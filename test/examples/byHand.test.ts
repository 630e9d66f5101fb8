/** A Mamba-3 whose weights are set by hand counts without an error, however long it reads. */
import { counting, parity } from '@mambagrad/mamba';
import { Generator, noGrad, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { counterByHand } from '../../examples/parity/byHand.ts';

/**
 * The largest distance of the logits from those of a perfect counter, which are cos 2π(c − j)/m for
 * a count c and an answer j, all times one number.
 */
function errorOf(logits: Tensor, counts: Tensor, modulus: number): number {
  const answers = logits.narrow(2, 0, modulus).toArray() as number[][][];
  // The first token is a reset, so the first logit is the cosine of 0.
  const [[[scale]]] = answers;
  const errors = (counts.toArray() as number[][]).flatMap((row, b) => row.flatMap((count, t) =>
    Array.from({ length: modulus }, (_, j) =>
      Math.abs(answers[b][t][j] / scale - Math.cos((2 * Math.PI * (count - j)) / modulus)))));
  return errors.reduce((most, error) => Math.max(most, error), 0);
}

describe('a Mamba-3 set by hand', () => {
  it('counts modulo any number since the last reset, in float64 to 1e-11', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 16 }), fc.nat(150), fc.constantFrom(0, 0.02, 0.3), fc.nat(1000),
        (modulus, length, resetRate, seed) => {
          const generator = new Generator(seed);
          const { inputs, targets } = counting(2, { length, modulus, resetRate, generator });
          const logits = noGrad(() => counterByHand(modulus, 'f64').forward(inputs));
          expect(logits.argmax(-1).toArray()).toEqual(targets.toArray());
          expect(errorOf(logits, targets, modulus)).toBeLessThan(1e-11);
        },
      ),
      { numRuns: 12 },
    );
  });

  it('knows the parity of 5,000 bits, in float32 without any error', () => {
    const { inputs, targets } = parity(1, { length: 5000, generator: new Generator(1) });
    const logits = noGrad(() => counterByHand(2).forward(inputs));
    expect(errorOf(logits, targets, 2)).toBe(0);
  });

  it('counts thousands of ones modulo 7 in float32, whole or step by step', () => {
    const { inputs, targets } = counting(1, {
      length: 2000, modulus: 7, resetRate: 0, generator: new Generator(2),
    });
    const model = counterByHand(7);
    const logits = noGrad(() => model.forward(inputs));
    expect(logits.argmax(-1).toArray()).toEqual(targets.toArray());
    expect(errorOf(logits, targets, 7)).toBeLessThan(1e-3);
    let state = model.initialState(1);
    for (const [t, token] of [2, 1, 1, 0, 1, 2, 1, 0].entries()) {
      const stepped = model.step(tensor([token], { dtype: 'i32' }), state);
      state = stepped.state;
      expect(stepped.y.argmax(-1).item()).toBe([0, 1, 2, 2, 3, 0, 1, 1][t]);
    }
  });
});
