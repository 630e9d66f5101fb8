/** Parity and counting: the targets are the counts of ones since the last reset. */
import { counting, parity } from '@mambagrad/mamba';
import { Generator } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** The text of the tokens up to each position, from the last reset on. */
const sinceReset = (row: readonly number[]): string[] =>
  row.map((_, t) => row.slice(0, t + 1).join('').split('2').at(-1) ?? '');

describe('counting', () => {
  it('counts the ones since the last reset', () => {
    fc.assert(
      fc.property(
        fc.nat(1000), fc.nat(30), fc.integer({ min: 1, max: 7 }),
        fc.constantFrom(0, 0.1, 0.5, 1),
        (seed, length, modulus, resetRate) => {
          const options = { length, modulus, resetRate, generator: new Generator(seed) };
          const { inputs, targets } = counting(3, options);
          expect([inputs.shape, targets.shape]).toEqual([[3, 1 + length], [3, 1 + length]]);
          expect([inputs.dtype, targets.dtype]).toEqual(['i32', 'i32']);
          for (const [i, row] of (inputs.toArray() as number[][]).entries()) {
            expect(row[0]).toBe(2);
            expect(row.every((token) => token === 0 || token === 1 || token === 2)).toBe(true);
            expect((targets.toArray() as number[][])[i]).toEqual(
              sinceReset(row).map((text) => text.replaceAll('0', '').length % modulus),
            );
          }
        },
      ),
    );
  });

  it('resets at the rate asked for, and has as many ones as zeros', () => {
    const { inputs } = counting(100, { length: 100, generator: new Generator(1) });
    const share = (token: number) =>
      inputs.narrow(1, 1, 100).data.filter((other: number) => other === token).length / 1e4;
    expect(share(2)).toBeCloseTo(0.1, 1);
    expect(share(0)).toBeCloseTo(0.45, 1);
    expect(share(1)).toBeCloseTo(0.45, 1);
  });

  it('may have no rows, or rows of the reset alone', () => {
    expect(counting(0).inputs.shape).toEqual([0, 41]);
    expect(counting(2, { length: 0 }).inputs.toArray()).toEqual([[2], [2]]);
    expect(counting(2, { length: 0 }).targets.toArray()).toEqual([[0], [0]]);
  });

  it('refuses options out of range', () => {
    expect(() => counting(1, { modulus: 0 })).toThrow('counting: modulus is 0, expected');
    expect(() => counting(1, { resetRate: 1.5 })).toThrow('resetRate is 1.5, expected');
    expect(() => counting(1, { length: -1 })).toThrow('length is -1, expected');
    expect(() => counting(-1)).toThrow('counting: count is -1, expected');
  });
});

describe('parity', () => {
  it('says whether the bits so far hold an odd number of ones', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(40), (seed, length) => {
        const { inputs, targets } = parity(3, { length, generator: new Generator(seed) });
        expect([inputs.shape, targets.shape]).toEqual([[3, 1 + length], [3, 1 + length]]);
        for (const [i, [start, ...bits]] of (inputs.toArray() as number[][]).entries()) {
          expect(start).toBe(2);
          let isOdd = false;
          const expected = bits.map((bit) => Number((isOdd = isOdd !== (bit === 1))));
          expect((targets.toArray() as number[][])[i]).toEqual([0, ...expected]);
        }
      }),
    );
  });

  it('has both answers equally often', () => {
    const { targets } = parity(100, { length: 100, generator: new Generator(1) });
    const odd = targets.data.filter((answer: number) => answer === 1).length;
    expect(odd / targets.numel).toBeCloseTo(1 / 2, 1);
  });

  it('has no option of counting but the length', () => {
    expect(() => parity(1, { modulus: 2 } as never)).toThrow("there is no option 'modulus'");
    expect(() => parity(-1)).toThrow('parity: count is -1, expected');
  });
});
