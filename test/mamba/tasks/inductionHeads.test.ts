/** Induction heads: the target is what followed the special token, wherever that stood. */
import { inductionHeads, inductionHeadsInPieces } from '@mambagrad/mamba';
import { concat, Generator, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** Reads a row as the task says, and gives the token that it asks for. */
function answerOf(row: readonly number[], special: number): number {
  const places = row.flatMap((token, i) => (token === special ? [i] : []));
  expect(places).toHaveLength(2);
  expect(places[1]).toBe(row.length - 1);
  expect(row.every((token) => token >= 0 && token <= special)).toBe(true);
  const answer = row[places[0] + 1];
  expect(answer).not.toBe(special);
  return answer;
}

function expectRight(inputs: Tensor, targets: Tensor, vocabSize: number): void {
  const rows = inputs.toArray() as number[][];
  expect(targets.toArray()).toEqual(rows.map((row) => answerOf(row, vocabSize - 1)));
  expect([inputs.dtype, targets.dtype]).toEqual(['i32', 'i32']);
}

const sizes = {
  seed: fc.nat(1000),
  count: fc.integer({ min: 1, max: 5 }),
  length: fc.integer({ min: 3, max: 40 }),
  vocabSize: fc.integer({ min: 2, max: 20 }),
};

describe('inductionHeads', () => {
  it('asks for the token behind the first special one', () => {
    fc.assert(
      fc.property(fc.record(sizes), ({ seed, count, ...options }) => {
        const generator = new Generator(seed);
        const { inputs, targets } = inductionHeads(count, { ...options, generator });
        expect(inputs.shape).toEqual([count, options.length]);
        expectRight(inputs, targets, options.vocabSize);
      }),
    );
  });

  it('puts the special token everywhere, and asks for every other one', () => {
    const { inputs, targets } = inductionHeads(2000, {
      length: 6, vocabSize: 4, generator: new Generator(1),
    });
    const rows = inputs.toArray() as number[][];
    const places = rows.map((row) => row.indexOf(3));
    for (const place of [0, 1, 2, 3]) {
      expect(places.filter((other) => other === place).length / 2000).toBeCloseTo(1 / 4, 1);
    }
    for (const token of [0, 1, 2]) {
      const asked = targets.data.filter((other: number) => other === token);
      expect(asked.length / 2000).toBeCloseTo(1 / 3, 1);
    }
  });

  it('has the sizes of the paper unless others are given', () => {
    const { inputs, targets } = inductionHeads(2);
    expect(inputs.shape).toEqual([2, 256]);
    expectRight(inputs, targets, 16);
  });

  it('may have no rows, and the shortest sequence has one answer', () => {
    expect(inductionHeads(0).inputs.shape).toEqual([0, 256]);
    expect(inductionHeads(1, { length: 3, vocabSize: 2 }).inputs.toArray()).toEqual([[1, 0, 1]]);
  });

  it('refuses sizes that leave no room, and says which', () => {
    expect(() => inductionHeads(1, { length: 2 })).toThrow('inductionHeads: length is 2, expected');
    expect(() => inductionHeads(1, { vocabSize: 1 })).toThrow('vocabSize is 1, expected');
    expect(() => inductionHeads(-1)).toThrow('inductionHeads: count is -1, expected');
  });
});

describe('inductionHeadsInPieces', () => {
  it('gives pieces of the length asked for, which together are such sequences', () => {
    fc.assert(
      fc.property(
        fc.record(sizes), fc.integer({ min: 1, max: 50 }),
        ({ seed, count, ...options }, pieceLength) => {
          const generator = new Generator(seed);
          const drawn = inductionHeadsInPieces(count, { ...options, pieceLength, generator });
          const pieces = [...drawn.pieces];
          const lengths = pieces.map(({ shape }) => shape[1]);
          expect(lengths.slice(0, -1).every((length) => length === pieceLength)).toBe(true);
          const whole = concat(pieces, 1);
          expect(whole.shape).toEqual([count, options.length]);
          expectRight(whole, drawn.targets, options.vocabSize);
        },
      ),
    );
  });

  it('draws a piece only when it is asked for, so length costs no memory', () => {
    const { pieces, targets } = inductionHeadsInPieces(1, {
      length: 2 ** 31 - 1, pieceLength: 8, generator: new Generator(2),
    });
    expect(targets.shape).toEqual([1]);
    expect(pieces.next().value?.shape).toEqual([1, 8]);
  });

  it('is the task in one piece if that is long enough', () => {
    const inOne = inductionHeadsInPieces(3, { length: 9, generator: new Generator(4) });
    const { inputs, targets } = inductionHeads(3, { length: 9, generator: new Generator(4) });
    expect([...inOne.pieces].map((piece) => piece.toArray())).toEqual([inputs.toArray()]);
    expect(inOne.targets.toArray()).toEqual(targets.toArray());
  });

  it('refuses pieces without tokens', () => {
    expect(() => inductionHeadsInPieces(1, { pieceLength: 0 })).toThrow(
      'inductionHeadsInPieces: pieceLength is 0, expected',
    );
  });
});
