/** The n-gram model of the examples is a probability distribution, and counts what it was shown. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { NGram } from '../../examples/ngram.ts';

const sequences = fc.array(fc.array(fc.nat(4), { maxLength: 12 }), { maxLength: 6 });

it('gives probabilities of all tokens that add up to 1, each above 0', () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 5 }), sequences, fc.array(fc.nat(4), { maxLength: 6 }),
    (order, learned, context) => {
      const model = learned.reduce((model, tokens) => model.learn(tokens), new NGram(order, 5));
      const probabilities = [0, 1, 2, 3, 4].map((token) =>
        2 ** -model.bits([[...context, token]], context.length));
      expect(Math.min(...probabilities)).toBeGreaterThan(0);
      expect(probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    },
  ));
});

it('mixes what it counted with shorter contexts, as Witten and Bell do', () => {
  // After 1 came 2, 2 and 3; of all eight tokens three are 1, two are 2, one is 3 and two are 0.
  const model = new NGram(2, 4).learn([0, 1, 2, 1, 2, 1, 3, 0]);
  const alone = (2 + 4 * (1 / 4)) / (8 + 4);
  const after = (2 + 2 * alone) / (3 + 2);
  expect(model.bits([[1, 2]], 1)).toBeCloseTo(-Math.log2(after), 12);
  // An unknown context is no context.
  expect(new NGram(2, 4).bits([[1, 2]], 1)).toBe(2);
});

it('counts contexts within a sequence, and nothing before `from`', () => {
  const [whole, later] = [0, 1].map((from) => new NGram(1, 4).learn([3, 1, 1], from));
  expect(later.bits([[1]])).toBeLessThan(whole.bits([[1]]));
  expect(whole.bits([[0, 1], [2]], 1)).toBe(whole.bits([[1]]));
});
