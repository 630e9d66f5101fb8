/** Selective copying: the targets are the tokens among the noise. */
import { selectiveCopying } from '@mambagrad/mamba';
import { Generator } from '@mambagrad/tensor';
import fc from 'fast-check';
import { expect, it } from 'vitest';

it('asks for the tokens among the noise, in order', () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.integer({ min: 1, max: 9 }), (seed, tokens) => {
      const options = { tokens, places: 9, vocabSize: 6, generator: new Generator(seed) };
      const { inputs, targets } = selectiveCopying(3, options);
      expect(inputs.shape).toEqual([3, 9 + tokens]);
      const rows = inputs.toArray() as number[][];
      expect(rows.map((row) => row.slice(0, 9).filter((token) => token !== 0))).toEqual(
        targets.toArray(),
      );
      for (const row of rows) expect(row.slice(9)).toEqual(new Array(tokens).fill(5));
      expect(targets.data.every((token: number) => token >= 1 && token <= 4)).toBe(true);
    }),
  );
});

it('refuses sizes that leave no room or nothing to remember', () => {
  expect(() => selectiveCopying(1, { tokens: 5, places: 4 })).toThrow('5 tokens do not fit');
  expect(() => selectiveCopying(1, { vocabSize: 2 })).toThrow('vocabSize is 2');
});
