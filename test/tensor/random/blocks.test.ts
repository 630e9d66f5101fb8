/** Blocks of random numbers: kernels and loops agree to the last bit, and with Math's functions. */
import { webAssembly } from '@mambagrad/wasm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BLOCK, type Block, Blocks, kernels, loops,
} from '../../../packages/tensor/src/random/blocks.ts';
import { cosOf, logOfBits } from '../../../packages/tensor/src/random/boxMuller.ts';
import { threefry2x32 } from '../../../packages/tensor/src/random/threefry.ts';
import { runs } from '../../support/soak.ts';

const { fround } = Math;

const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const blocks: fc.Arbitrary<Block> = fc.record({
  key: fc.tuple(word, word), from: fc.nat(2 ** 31 - 1), draw: word,
  count: fc.integer({ min: 1, max: BLOCK }),
});
const numbers = fc.float({ noNaN: true, min: -1e6, max: 1e6 });

const reference = new Blocks(loops());

describe.each([
  ['WebAssembly', new Blocks(kernels(webAssembly()))],
  ['JavaScript', new Blocks(kernels(undefined))],
])('kernels in %s', (_name, fast) => {
  it('give the words of Threefry', () => {
    fc.assert(
      fc.property(blocks, (block) => {
        const { first, second } = fast.words(block);
        const at = block.count - 1;
        const expected = threefry2x32(block.key, [block.from + at, block.draw]);
        expect([first[at] >>> 0, second[at] >>> 0]).toEqual(expected);
        const loop = reference.words(block);
        expect(first.slice(0, block.count)).toEqual(loop.first.slice(0, block.count));
        expect(second.slice(0, block.count)).toEqual(loop.second.slice(0, block.count));
      }),
      { numRuns: runs(30) },
    );
  });

  it('give the same numbers as loops', () => {
    fc.assert(
      fc.property(blocks, numbers, numbers, (block, offset, scale) => {
        const uniform = fast.uniform(block, offset, scale).slice();
        expect(uniform).toEqual(reference.uniform(block, offset, scale));
        const normal = fast.normal(block, offset, scale).slice();
        expect(normal).toEqual(reference.normal(block, offset, scale));
        expect(normal).toHaveLength(block.count);
      }),
      { numRuns: runs(30) },
    );
  });
});

describe('logarithm and cosine', () => {
  const float = new Float32Array(1);
  const bits = new Int32Array(float.buffer);
  const turn = fround(2 * Math.PI);

  /** Whether both, rounded to float32, are what Math gives, for u = n / 2²⁴. */
  const isRight = (n: number): boolean => {
    const u = n / 2 ** 24;
    float[0] = 1 - u;
    const angle = fround(u * turn);
    return fround(logOfBits(bits[0])) === fround(Math.log1p(-u)) &&
      fround(cosOf(angle)) === fround(Math.cos(angle));
  };

  const wrongOf = (from: number, to: number, step = 1): number => {
    let wrong = 0;
    for (let n = Math.max(0, from); n < Math.min(to, 2 ** 24); n += step) if (!isRight(n)) wrong++;
    return wrong;
  };

  it('are rounded as those of Math, for every seventh number from a random one on', () => {
    fc.assert(
      fc.property(fc.nat(6), (from) => {
        expect(wrongOf(from, 2 ** 24, 7)).toBe(0);
      }),
      { numRuns: 1 },
    );
  });

  it('are rounded as those of Math where they are near 0, 1 and −1', () => {
    for (const quarter of [0, 1, 2, 3, 4]) {
      const at = quarter * 2 ** 22;
      expect(wrongOf(at - 20_000, at + 20_000)).toBe(0);
    }
  });
});
