/** Batches of similar lengths: every sample comes, in order of the seed, and from any state on. */
import {
  collate, DataLoader, type DataLoaderOptions, Linear, type LoaderState, SGD, Trainer,
} from '@mambagrad/nn';
import { arange, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { expectSame } from '../../support/compare.ts';
import { runs } from '../../support/soak.ts';

const warnings = vi.spyOn(console, 'warn');
beforeEach(() => void warnings.mockReset().mockImplementation(() => undefined));

interface Sample {
  readonly id: number;
  readonly length: number;
}
type Options = DataLoaderOptions<Sample, readonly Sample[]>;

const anyEnds = fc.uniqueArray(fc.nat({ max: 40 }), { minLength: 1, maxLength: 5 })
  .map((ends) => ends.toSorted((a, b) => a - b));
const anyLengths = fc.array(fc.nat({ max: 40 }), { maxLength: 40 });
const anyOptions = fc.record({
  batchSize: fc.integer({ min: 1, max: 7 }),
  shuffle: fc.boolean(),
  seed: fc.nat(),
  dropLast: fc.boolean(),
});

/** A loader of samples of these lengths; as a function it gives them without shuffling. */
function loaderOf(lengths: readonly number[], options: Options, isFunction = false) {
  const samples = lengths.map((length, id) => ({ id, length }));
  const how =
    { bucketBy: ({ length }: Sample) => length, collate: (all: readonly Sample[]) => all };
  if (!isFunction) return new DataLoader(samples, { ...how, ...options });
  return new DataLoader(() => samples, { ...how, ...options, shuffle: false });
}

/** The ends of a loader's buckets. */
const endsOf = ({ settings: { buckets = '' } }: ReturnType<typeof loaderOf>) =>
  buckets === '' ? [] : buckets.split(',').map(Number);

describe('a loader with buckets', () => {
  it('gives every sample once in each epoch, in batches of one bucket', () => {
    fc.assert(
      fc.property(
        anyLengths, anyOptions, fc.option(anyEnds, { nil: undefined }), fc.boolean(),
        (lengths, options, buckets, isFunction) => {
          const isMade = isFunction && buckets !== undefined;
          const loader = loaderOf(lengths, { ...options, buckets }, isMade);
          const ends = endsOf(loader);
          if (buckets) expect(ends).toEqual(buckets);
          const bucketOf = ({ length }: Sample) => ends.filter((end) => end < length).length;
          for (let epoch = 0; epoch < 2; epoch++) {
            const batches = [...loader];
            if (!isMade) expect(batches).toHaveLength(loader.length ?? NaN);
            const rest: number[] = [];
            for (const batch of batches) {
              expect(new Set(batch.map(bucketOf)).size).toBe(1);
              expect(batch.length).toBeLessThanOrEqual(options.batchSize);
              if (batch.length < options.batchSize) rest.push(bucketOf(batch[0]));
            }
            expect(rest).toEqual(
              options.dropLast ? [] : [...new Set(rest)].toSorted((a, b) => a - b),
            );
            const ids = batches.flat().map(({ id }) => id);
            expect(new Set(ids).size).toBe(ids.length);
            const left = Array.from({ length: ends.length + 1 }, (_, bucket) => {
              const count =
                lengths.filter((length) => bucketOf({ id: 0, length }) === bucket).length;
              return options.dropLast ? count - (count % options.batchSize) : count;
            });
            expect(ids).toHaveLength(left.reduce((sum, count) => sum + count, 0));
          }
        },
      ),
    );
  });

  it('has an order for each seed and epoch, and goes on in it from any state', () => {
    fc.assert(
      fc.property(
        anyLengths, anyOptions, anyEnds, fc.boolean(), fc.nat(),
        (lengths, options, buckets, isFunction, at) => {
          const make = (seed: number) =>
            loaderOf(lengths, { ...options, seed, buckets }, isFunction);
          const [whole, again] = [make(options.seed), make(options.seed)];
          const states: LoaderState[] = [whole.state()];
          const batches = [0, 1, 2].flatMap(() => [...whole]);
          for (let epoch = 0; epoch < 3; epoch++) for (const _ of again) states.push(again.state());
          expect(states).toHaveLength(batches.length + 1);
          const stop = at % states.length;
          const resumed = make(options.seed + 1);
          resumed.load(JSON.parse(JSON.stringify(states[stop])) as LoaderState);
          const left: (readonly Sample[])[] = [];
          while (resumed.state().epoch < 3) {
            // Each loop is left after one batch.
            for (const batch of resumed) {
              left.push(batch);
              break;
            }
          }
          expect(left).toEqual(batches.slice(stop));
        },
      ),
      { numRuns: runs(60) },
    );
  });

  it('mixes its batches anew in each epoch', () => {
    const lengths = Array.from({ length: 60 }, (_, i) => i);
    const loader = loaderOf(lengths, { batchSize: 5, shuffle: true });
    const orders = [0, 1, 2].map(() => [...loader].map((batch) => batch.map(({ id }) => id)));
    expect(new Set(orders.map(String)).size).toBe(3);
    // Short batches are not all before long ones.
    for (const order of orders) {
      const firsts = order.map(([first]) => first);
      expect(firsts).not.toEqual(firsts.toSorted((a, b) => a - b));
    }
  });

  it('has about as many samples in each bucket, where none are given', () => {
    fc.assert(
      fc.property(anyLengths, fc.integer({ min: 1, max: 9 }), (lengths, batchSize) => {
        const ends = endsOf(loaderOf(lengths, { batchSize }));
        expect(ends.length).toBeLessThanOrEqual(8);
        expect(ends.at(-1)).toBe(lengths.length > 0 ? Math.max(...lengths) : undefined);
        expect(ends).toEqual([...new Set(ends)].toSorted((a, b) => a - b));
      }),
    );
    const ends =
      endsOf(loaderOf(Array.from({ length: 100 }, (_, i) => (i * 37) % 100), { batchSize: 8 }));
    expect(ends).toEqual([12, 24, 37, 49, 62, 74, 87, 99]);
    expect(endsOf(loaderOf([5, 5, 5, 1], { batchSize: 1 }))).toEqual([1, 5]);
    // Too few for several buckets of a batch each.
    expect(endsOf(loaderOf([3, 1, 2], { batchSize: 2 }))).toEqual([3]);
  });

  it('wastes little on padding, and has few shapes', () => {
    const texts = Array.from({ length: 200 }, (_, i) => Array<number>(1 + ((i * 73) % 96)).fill(1));
    const gather = (samples: readonly number[][]) => collate(samples, { padToMultipleOf: 32 });
    const [plain, sorted] =
      [{}, { bucketBy: (text: number[]) => text.length, buckets: [32, 64, 96] }]
      .map((more) =>
        [...new DataLoader(texts, { batchSize: 8, shuffle: true, collate: gather, ...more })],
      );
    const padding = (batches: Tensor[]) =>
      1 - texts.flat().length / batches.reduce((sum, { numel }) => sum + numel, 0);
    expect(padding(plain)).toBeGreaterThan(0.4);
    expect(padding(sorted)).toBeLessThan(0.3);
    const lengths = new Set(sorted.map(({ shape }) => shape[1]));
    expect([...lengths].toSorted((a, b) => a - b)).toEqual([32, 64, 96]);
  });

  it('takes an endless function, and asks for no more than it needs', () => {
    let asked = 0;
    const loader = new DataLoader(
      function* () {
        for (;;) yield (asked++ * 7) % 10;
      },
      { batchSize: 2, bucketBy: (x: number) => x, buckets: [4], collate: (samples) => samples },
    );
    const batches: (readonly number[])[] = [];
    for (const batch of loader) if (batches.push(batch) === 3) break;
    // 0 7 4 1 8 5 2 9 …
    expect(batches).toEqual([[0, 4], [7, 8], [1, 2]]);
    expect(asked).toBe(7);
  });

  it('warns of an epoch without a batch', () => {
    const loader = loaderOf([1, 9], { batchSize: 2, dropLast: true, buckets: [5] });
    expect([...loader]).toEqual([]);
    expect(warnings.mock.calls.flat()).toEqual([
      'DataLoader: an epoch has no batch: 2 samples, fewer than batchSize in each bucket ' +
        '(batchSize 2)',
    ]);
  });

  it('refuses what does not fit together', () => {
    const bucketBy = (x: number) => x;
    const make = (options: object, source: unknown = [1]) =>
      () => new DataLoader(source as number[], options);
    expect(make({ buckets: [1] })).toThrow(
      'DataLoader: buckets need bucketBy, which gives the length of a sample',
    );
    expect(make({ bucketBy }, () => [1])).toThrow(
      'DataLoader: bucketBy with a function needs buckets, as the lengths are not known ahead',
    );
    for (const buckets of [[], [2, 1], [1, 1], [-1], [NaN], ['1'], 3]) {
      expect(make({ bucketBy, buckets })).toThrow(
        /^DataLoader: buckets is .*expected an array of lengths/,
      );
    }
    for (const wrong of [NaN, -1, '3', undefined]) {
      expect(make({ bucketBy: () => wrong })).toThrow(
        /^DataLoader: the result of bucketBy is .*, expected a number from 0/,
      );
    }
    const loader = loaderOf([1, 2, 3, 9], { batchSize: 3, buckets: [5] });
    loader.load({ seed: 0, epoch: 0, index: 2 });
    expect(() => [...loader]).toThrow(
      'DataLoader: index is 2, in the middle of a batch that ends at 3; expected the index of a ' +
      'loader with the same buckets',
    );
  });

  it('is told apart from others by checkpoints', () => {
    const trainerWith = (options: Partial<Options>) => {
      const model = new Linear(1, 1);
      const data = loaderOf([1, 2, 3], options);
      return new Trainer({
        model, optimizer: new SGD(model.parameters()), data: data as never,
        loss: () => ({ loss: arange(0, 1).sum() }),
      });
    };
    const state = trainerWith({ buckets: [2] }).stateDict();
    trainerWith({ buckets: [2] }).loadStateDict(state);
    expect(() => trainerWith({ buckets: [1, 2] }).loadStateDict(state)).toThrow(
      'buckets is 2, expected 1,2',
    );
  });
});

describe('collate with padToMultipleOf', () => {
  it('pads lengths, of each field as it says', () => {
    const anySamples = fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(anySamples, fc.integer({ min: 1, max: 9 }), fc.integer(), (
        lengths, multiple, padding,
      ) => {
        const samples = lengths.map((length, i) => ({
          tokens: Array.from({ length }, (_, j) => i + j),
          frames: arange(0, 3 * length).reshape([length, 3]),
          label: i,
        }));
        const batch = collate(samples, {
          dtype: { tokens: 'i32' }, padding: { tokens: padding }, padToMultipleOf: multiple,
        });
        const longest = Math.max(...lengths);
        const length = multiple * Math.ceil(longest / multiple);
        expect(batch.tokens.shape).toEqual([lengths.length, length]);
        expect(batch.frames.shape).toEqual([lengths.length, length, 3]);
        expect(batch.label.shape).toEqual([lengths.length]);
        samples.forEach(({ tokens, frames }, i) => {
          const row = [...tokens, ...Array<number>(length - tokens.length).fill(padding)];
          expect(batch.tokens.narrow(0, i, 1).toArray()).toEqual([row]);
          expectSame(batch.frames.narrow(0, i, 1).narrow(1, 0, tokens.length).squeeze(0), frames);
        });
        // Fields that are not named stay as long as they are.
        const some = collate(samples, { padToMultipleOf: { tokens: multiple } });
        expect([some.tokens.shape[1], some.frames.shape[1]]).toEqual([length, longest]);
      }),
    );
  });

  it('takes whole numbers from 1, and names of fields that there are', () => {
    const samples = [{ x: [1] }];
    for (const wrong of [0, 1.5, NaN, -2]) {
      expect(() => collate(samples, { padToMultipleOf: wrong })).toThrow(
        /^collate: padToMultipleOf is .*, expected a whole number from 1, or one for each field/,
      );
      expect(() => collate(samples, { padToMultipleOf: { x: wrong } })).toThrow(
        /^collate: x: padToMultipleOf is .*, expected a whole number from 1$/,
      );
    }
    expect(() => collate(samples, { padToMultipleOf: { y: 2 } })).toThrow(
      "no sample has the field 'y'",
    );
  });
});
