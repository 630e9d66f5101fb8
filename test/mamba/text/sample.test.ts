/** Sampling: which tokens are drawn, with which probability, from which logits. */
import { sample, type SampleOptions } from '@mambagrad/mamba';
import { Generator, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectSame } from '../../support/compare.ts';
import { drawInteger, drawTensor } from '../../support/draw.ts';

describe('sample', () => {
  it('draws only what topK and topP leave', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [batch, size] = [drawInteger(g, 1, 4), drawInteger(g, 1, 9)];
        const logits = drawTensor(g, [batch, size]);
        const topK = drawInteger(g, 1, 10);
        const topP = drawInteger(g, 1, 10) / 10;
        const temperature = drawInteger(g, 1, 20) / 10;
        const generator = new Generator(drawInteger(g, 0, 99));
        const tokens = sample(logits, { temperature, topK, topP, generator });
        expect(tokens.shape).toEqual([batch]);
        (logits.toArray() as number[][]).forEach((row, i) => {
          const order = row.map((_, token) => token).sort((a, b) => row[b] - row[a]).slice(0, topK);
          const weights = order.map((token) => Math.exp(row[token] / temperature));
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          let before = 0;
          // A hair more than topP, for rounding.
          const left = order.filter((_, rank) => {
            const isLeft = before / total < topP + 1e-9;
            before += weights[rank];
            return isLeft;
          });
          expect(left).toContain(tokens.data[i]);
        });
        const greedy = logits.argmax(-1);
        expectSame(sample(logits, { temperature: 0 }), greedy);
        expectSame(sample(logits, { topK: 1 }), greedy);
        expectSame(sample(logits, { topP: 1e-9 }), greedy);
      }),
    );
  });

  it('draws each token with its probability', () => {
    const probabilities = [0.5, 0.3, 0.15, 0.05];
    const temperature = 0.5;
    const logits = tensor(probabilities).log().mul(temperature).broadcastTo([20_000, 4]);
    const share = (options: object) => {
      const { data } = sample(logits, { temperature, generator: new Generator(2), ...options });
      return probabilities.map((_, token) => data.filter((drawn) => drawn === token).length / 2e4);
    };
    const expectShares = (found: number[], expected: number[]) =>
      found.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 1.7));
    expectShares(share({}), probabilities);
    expectShares(share({ topK: 2 }), [0.625, 0.375, 0, 0]);
    expectShares(share({ topP: 0.9 }), [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0]);
  });

  it('refuses options without a meaning', () => {
    const logits = tensor([[1, 2]]);
    expect(() => sample(logits, { temperature: -1 })).toThrow('sample: temperature is -1');
    expect(() => sample(logits, { topK: 0 })).toThrow('sample: topK is 0');
    expect(() => sample(logits, { topK: 1.5 })).toThrow('sample: topK is 1.5');
    expect(() => sample(logits, { topP: 0 })).toThrow('sample: topP is 0');
    expect(() => sample(logits, { topP: 2 })).toThrow('sample: topP is 2');
    expect(() => sample(logits, { topQ: 1 } as SampleOptions)).toThrow("did you mean 'topK'");
    expect(() => sample(tensor([1, 2]))).toThrow('sample: logits are f32[2], expected');
  });

  it('refuses logits of which none is the largest', () => {
    for (const wrong of [NaN, Infinity]) {
      for (const temperature of [0, 1]) {
        expect(() => sample(tensor([[1, 2], [0, wrong]]), { temperature })).toThrow(
          `sample: the largest logit of row 1 is ${wrong}, expected a finite number`,
        );
      }
    }
    const none = tensor([[-Infinity, -Infinity]]);
    expect(() => sample(none)).toThrow('the largest logit of row 0 is -Infinity');
    for (let seed = 0; seed < 20; seed++) {
      const generator = new Generator(seed);
      expect(sample(tensor([[-Infinity, 3, -Infinity]]), { generator }).item()).toBe(1);
    }
  });

  it('never draws a token because a random number is 0', () => {
    // The first of its numbers for so many tokens that are 0 is beyond the likely ones.
    const logits = tensor([0, 0.3, -0.7, ...new Array<number>(50_277).fill(-25)], {
      shape: [1, 50_280],
    });
    for (const seed of [1, 149]) {
      expect(sample(logits, { generator: new Generator(seed) }).item()).toBeLessThan(3);
    }
  });

  it('is greedy in the limit of low temperatures', () => {
    const logits = tensor([[1, 30, 30.001, -5, 29]]);
    for (const temperature of [1e-10, 1e-38, 1e-39, 1e-44, 1e-46, 1e-300, Number.MIN_VALUE]) {
      for (let seed = 0; seed < 5; seed++) {
        const generator = new Generator(seed);
        expect(sample(logits, { temperature, generator }).item(), `at ${temperature}`).toBe(2);
      }
    }
  });
});
