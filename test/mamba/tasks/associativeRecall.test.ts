/** Associative recall: at each query the target is the value that was shown with that key. */
import { associativeRecall } from '@mambagrad/mamba';
import { Generator } from '@mambagrad/tensor';
import fc from 'fast-check';
import { expect, it } from 'vitest';

it('asks for every key once, at random places after the pairs, and for its value', () => {
  fc.assert(
    fc.property(
      fc.nat(1000), fc.integer({ min: 1, max: 6 }), fc.nat(9), fc.nat(9),
      (seed, pairs, spare, more) => {
        const [places, vocabSize] = [pairs + spare, 2 * pairs + 1 + more];
        const { inputs, targets } = associativeRecall(4, {
          pairs, places, vocabSize, generator: new Generator(seed),
        });
        expect([inputs.shape, targets.shape]).toEqual(Array(2).fill([4, 2 * pairs + places]));
        expect([inputs.dtype, targets.dtype]).toEqual(['i32', 'i32']);
        const answers = targets.toArray() as number[][];
        for (const [i, row] of (inputs.toArray() as number[][]).entries()) {
          // A dictionary is read from the pairs, and each position is looked up in it.
          const valueOf = new Map(
            Array.from({ length: pairs }, (_, j) => [row[2 * j], row[2 * j + 1]]),
          );
          const keyCount = Math.floor((vocabSize - 1) / 2);
          for (const [key, value] of valueOf) {
            expect(key >= 1 && key <= keyCount && value > keyCount && value < vocabSize).toBe(true);
          }
          const asked = row.slice(2 * pairs).filter((token) => token !== 0);
          expect(asked.toSorted()).toEqual([...valueOf.keys()].toSorted());
          expect(answers[i]).toEqual(
            row.map((token, t) => (t < 2 * pairs ? -100 : valueOf.get(token) ?? -100)),
          );
        }
      },
    ),
  );
});

it('asks in random order', () => {
  const { inputs } = associativeRecall(600, {
    pairs: 2, places: 2, vocabSize: 5, generator: new Generator(1),
  });
  const rows = inputs.toArray() as number[][];
  const inOrder = rows.filter((row) => row[0] === row[4]).length;
  expect(inOrder / 600).toBeCloseTo(1 / 2, 1);
});

it('may have no rows; the smallest has one pair and one query', () => {
  expect(associativeRecall(0).inputs.shape).toEqual([0, 32]);
  const { inputs, targets } = associativeRecall(1, { pairs: 1, places: 1, vocabSize: 3 });
  expect([inputs.toArray(), targets.toArray()]).toEqual([[[1, 2, 1]], [[-100, -100, 2]]]);
});

it('refuses more pairs than places or keys, and says what would be right', () => {
  expect(() => associativeRecall(1, { pairs: 5, places: 4 })).toThrow(
    'associativeRecall: 5 queries do not fit into 4 places',
  );
  expect(() => associativeRecall(1, { pairs: 8 })).toThrow(
    '8 pairs need as many different keys; with vocabSize 16 there are 7, ' +
      'expected vocabSize from 17',
  );
  expect(() => associativeRecall(1, { vocabSize: 2 })).toThrow('vocabSize is 2, expected');
  expect(() => associativeRecall(1.5)).toThrow('count is 1.5, expected');
});
