/** The loader and its batches: which samples come, in which order, and from where it goes on. */
import { collate, DataLoader, type DataLoaderOptions, type LoaderState } from '@mambagrad/nn';
import { Generator, ones, permutation, Tensor, tensor, uniform } from '@mambagrad/tensor';
import fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { expectSame } from '../../support/compare.ts';

const warnings = vi.spyOn(console, 'warn');
beforeEach(() => void warnings.mockReset().mockImplementation(() => undefined));

type Numbers = DataLoaderOptions<number, readonly number[]>;

/** A loader of 0, 1, …, count − 1 whose batches are plain arrays. */
function loaderOf(count: number, options: Numbers) {
  const numbers = Array.from({ length: count }, (_, i) => i);
  return new DataLoader(numbers, { ...options, collate: (samples) => samples });
}

/** The batches of the next epochs, or of what is left of the first. */
function epochs<Batch>(loader: Iterable<Batch>, count: number): Batch[][] {
  return Array.from({ length: count }, () => [...loader]);
}

const anyOptions = fc.record({
  batchSize: fc.integer({ min: 1, max: 7 }),
  shuffle: fc.boolean(),
  seed: fc.nat(),
  dropLast: fc.boolean(),
});
const anyCount = fc.oneof(fc.constantFrom(0, 1), fc.integer({ min: 2, max: 30 }));
const ascending = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b);

describe('DataLoader', () => {
  it('gives every sample once in each epoch, in full batches but for the last', () => {
    fc.assert(
      fc.property(anyCount, anyOptions, (count, options) => {
        const loader = loaderOf(count, options);
        const { batchSize, dropLast, shuffle } = options;
        const all = Array.from({ length: count }, (_, i) => i);
        for (const batches of epochs(loader, 2)) {
          const given = batches.flat();
          expect(batches).toHaveLength(loader.length ?? NaN);
          const sizes = batches.map((batch) => batch.length);
          expect(sizes.slice(0, -1).every((size) => size === batchSize)).toBe(true);
          const left = dropLast ? count - (count % batchSize) : count;
          expect(given).toHaveLength(left);
          expect(new Set(given).size).toBe(left);
          if (!dropLast) expect(ascending(given)).toEqual(all);
          if (!shuffle) expect(given).toEqual(all.slice(0, left));
        }
      }),
    );
  });

  it('has an order for each seed and epoch, the same each time', () => {
    const orders = (seed: number) => epochs(loaderOf(50, { shuffle: true, seed }), 3);
    expect(orders(1)).toEqual(orders(1));
    const different = new Set([...orders(1), ...orders(2)].map(String));
    expect(different.size).toBe(6);
  });

  it('shuffles evenly: each sample comes first about as often', () => {
    const loader = loaderOf(4, { shuffle: true, seed: 3 });
    const firsts = [0, 0, 0, 0];
    for (const [[first]] of epochs(loader, 400)) firsts[first] += 1;
    // 100 each, within five standard deviations.
    for (const count of firsts) expect(Math.abs(count - 100)).toBeLessThan(44);
  });

  it('goes on from its state with exactly the batches that are left', () => {
    fc.assert(
      fc.property(anyCount, anyOptions, fc.boolean(), fc.nat(), (count, options, isMade, at) => {
        const make = (seed: number) =>
          isMade
            ? new DataLoader(drawn(count), { ...options, seed, shuffle: false, collate: String })
            : new DataLoader(Array.from({ length: count }, (_, i) => i), {
                ...options,
                seed,
                collate: String,
              });
        const whole = make(options.seed);
        const states: LoaderState[] = [whole.state()];
        const batches = epochs(whole, 3).flat();
        const again = make(options.seed);
        for (let epoch = 0; epoch < 3; epoch++) for (const _ of again) states.push(again.state());
        expect(states).toHaveLength(batches.length + 1);
        const stop = at % states.length;
        const resumed = make(options.seed + 1);
        // As a checkpoint would keep it.
        resumed.load(JSON.parse(JSON.stringify(states[stop])) as LoaderState);
        const left: string[] = [];
        while (resumed.state().epoch < 3) left.push(...resumed);
        expect(left).toEqual(batches.slice(stop));
      }),
    );
  });

  it('takes up a loop that was left early', () => {
    const loader = loaderOf(5, { batchSize: 2 });
    for (const batch of loader) {
      expect(batch).toEqual([0, 1]);
      break;
    }
    expect(loader.state()).toEqual({ seed: 0, epoch: 0, index: 2 });
    expect(epochs(loader, 2)).toEqual([
      [[2, 3], [4]],
      [[0, 1], [2, 3], [4]],
    ]);
  });

  it('has the order of the generator of its epoch, of as many as there are before it', () => {
    for (const [seed, epoch] of [[0, 0], [1, 1], [7, 40], [2 ** 40 + 3, 2]]) {
      const loader = loaderOf(20, { shuffle: true, seed, batchSize: 20 });
      loader.load({ seed, epoch, index: 0 });
      const generators = new Generator(seed).split(epoch + 1);
      expect([...loader][0]).toEqual([...permutation(20, generators[epoch]).data]);
    }
  });

  it('finds the order of an epoch at once, whatever its number', () => {
    const loader = loaderOf(50, { shuffle: true, batchSize: 5 });
    const timeOf = (epoch: number): number => {
      const start = performance.now();
      for (let i = 0; i < 20; i++) {
        loader.load({ seed: i, epoch, index: 5 });
        for (const batch of loader) if (batch.length === 5) break;
      }
      return performance.now() - start;
    };
    const least = (epoch: number) => Math.min(...[1, 2, 3].map(() => timeOf(epoch)));
    timeOf(0);
    // A loader that made all generators before took 37 s for one of these.
    expect(least(3e6)).toBeLessThan(10 * least(0) + 20);
    const orders = [2 ** 33, 2 ** 33 + 2 ** 31, 2 ** 45].map((epoch) => {
      loader.load({ seed: 0, epoch, index: 0 });
      return String([...loader]);
    });
    expect(new Set(orders).size).toBe(3);
  });

  it('says what decides its order', () => {
    const options = { batchSize: 2, shuffle: true, dropLast: true };
    expect(loaderOf(5, options).settings).toEqual({ samples: 5, ...options });
    expect(new DataLoader(() => [1]).settings).toEqual({
      samples: undefined, batchSize: 1, shuffle: false, dropLast: false,
    });
  });

  it('warns, once, of an epoch without a batch', () => {
    for (const loader of [loaderOf(0, {}), loaderOf(2, { batchSize: 3, dropLast: true })]) {
      for (let i = 0; i < 2; i++) expect([...loader]).toEqual([]);
    }
    expect(warnings.mock.calls.flat()).toEqual([
      'DataLoader: an epoch has no batch: no samples (batchSize 1)',
      'DataLoader: an epoch has no batch: 2 samples, fewer than batchSize (batchSize 3)',
    ]);
    warnings.mockReset();
    expect([...loaderOf(3, { batchSize: 3, dropLast: true })]).toHaveLength(1);
    expect(warnings).not.toHaveBeenCalled();
  });

  it('asks a function for samples one by one, without end if it has none', () => {
    let asked = 0;
    const loader = new DataLoader(
      function* () {
        while (true) yield asked++;
      },
      { batchSize: 3 },
    );
    expect(loader.length).toBeUndefined();
    const [first] = take(loader, 2);
    expect(first).toBeInstanceOf(Tensor);
    expect(first.toArray()).toEqual([0, 1, 2]);
    expect(asked).toBe(6);
  });

  it('does not take an epoch for over because a loop was left', () => {
    const loader = new DataLoader(() => [1, 2, 3], { collate: (some) => some });
    const [iterator] = [loader[Symbol.iterator]()];
    iterator.next();
    expect(loader.isEpochOver()).toBe(false);
    iterator.return?.();
    expect(loader.isEpochOver()).toBeUndefined();
    expect([...loader]).toEqual([[2], [3]]);
  });

  it('refuses a function that gives promises', () => {
    const later = (async () => [1]) as never;
    expect(() => [...new DataLoader(later)]).toThrow(
      'DataLoader: the function of samples gives a Promise, expected the samples of an epoch',
    );
    const asked = (async function* () { yield 1; }) as never;
    expect(() => [...new DataLoader(asked)]).toThrow('expected the samples of an epoch');
  });

  it('refuses to shuffle a function, and numbers that are not whole', () => {
    expect(() => new DataLoader(() => [1], { shuffle: true })).toThrow(
      'DataLoader: shuffle takes an array; a function gives its own order',
    );
    expect(() => new DataLoader([1], { batchSize: 0 })).toThrow(
      'DataLoader: batchSize is 0, expected a whole number from 1',
    );
    expect(() => new DataLoader([1], { seed: -1 })).toThrow('DataLoader: seed is -1');
    expect(() => new DataLoader(ones([3]) as never)).toThrow(
      'DataLoader: samples is f32[3], expected an array of samples or an object with length ' +
        'and at or a function that gives them',
    );
    expect(() => new DataLoader([1], { suffle: true } as never)).toThrow("did you mean 'shuffle'?");
    expect(() => new DataLoader([1], { batchSize: NaN })).toThrow('DataLoader: batchSize is NaN');
    expect(() => new DataLoader([1]).load({ seed: 0, epoch: 0, index: 2 })).toThrow(
      'DataLoader: index is 2, but there are 1 samples',
    );
    const loader = new DataLoader([1]);
    expect(() => loader.load({ seed: 0, epoch: 0.5, index: 0 })).toThrow(
      'DataLoader: epoch is 0.5, expected a whole number from 0',
    );
    expect(loader.state()).toEqual({ seed: 0, epoch: 0, index: 0 });
  });
});

/** A source that draws its samples, different ones in each epoch. */
function drawn(count: number) {
  return function* (generator: Generator, epoch: number) {
    for (let i = 0; i < count; i++) yield epoch + uniform([], 0, 1, { generator }).item();
  };
}

function take<Batch>(loader: Iterable<Batch>, count: number): Batch[] {
  const batches: Batch[] = [];
  for (const batch of loader) if (batches.push(batch) === count) break;
  return batches;
}

describe('collate', () => {
  it('puts numbers, arrays and tensors into tensors, field by field', () => {
    const samples = [
      { x: [1, 2], meta: { id: 3, raw: Int32Array.of(1) }, image: ones([2, 1]) },
      { x: [3, 4], meta: { id: 4, raw: Int32Array.of(2) }, image: ones([2, 1]).mul(2) },
    ];
    const { x, meta, image } = collate(samples);
    expectSame(x, tensor([[1, 2], [3, 4]]));
    expectSame(meta.id, tensor([3, 4]));
    expectSame(meta.raw, tensor([[1], [2]], { dtype: 'i32' }));
    expectSame(image, tensor([[[1], [1]], [[2], [2]]]));
  });

  it('pads each axis at its end, and takes dtypes and paddings by field', () => {
    const samples = [
      { tokens: [1, 2, 3], parts: { targets: [4], weight: 0.5 } },
      { tokens: [5], parts: { targets: [6, 7], weight: 1.5 } },
    ];
    const { tokens, parts } = collate(samples, {
      dtype: { tokens: 'i32', parts: { targets: 'i32' } },
      padding: { parts: { targets: -100 } },
    });
    expectSame(tokens, tensor([[1, 2, 3], [5, 0, 0]], { dtype: 'i32' }));
    expectSame(parts.targets, tensor([[4, -100], [6, 7]], { dtype: 'i32' }));
    expectSame(parts.weight, tensor([0.5, 1.5]));
    const grids = [[[1, 2]], [[3], [4]]];
    expectSame(
      collate(grids, { dtype: 'f64', padding: 9 }),
      tensor([[[1, 2], [9, 9]], [[3, 9], [4, 9]]], { dtype: 'f64' }),
    );
  });

  it('refuses samples that differ in kind, and none at all', () => {
    expect(() => collate<number | number[]>([[1], 2])).toThrow(
      'collate: sample 1 is f32[], sample 0 is f32[1]; expected the same number of axes and the ' +
        'same dtype',
    );
    expect(() => collate([{ a: 1 }, {}])).toThrow(
      "collate: sample 0 has the field 'a', sample 1 has not",
    );
    expect(() => collate(['text'])).toThrow("collate: sample 0: tensor: from is 'text', expected");
    expect(() => collate<object>([{ a: { b: [1] } }, { a: { b: ['2'] } }])).toThrow(
      "collate: a.b: sample 1: tensor: from[0] is '2', expected a number",
    );
    expect(() => collate([])).toThrow('collate: samples is empty, expected at least one');
  });

  it('refuses fields that not all samples have, and options for fields that none has', () => {
    const mixed = [{ x: 1 }, { x: 2 }, { x: 3, y: 4 }];
    expect(() => collate<object>(mixed)).toThrow(
      "collate: sample 2 has the field 'y', sample 0 has not",
    );
    expect(() => collate<object>([{ part: { a: 1 } }, { part: { b: 1 } }])).toThrow(
      "collate: part: sample 1 has the field 'b', sample 0 has not",
    );
    expect(() => collate<unknown>([{ x: 1 }, 2])).toThrow('collate: sample 1 is 2, others have');
    expectSame(collate([{ x: 1, y: undefined as never }, { x: 2 } as never]).x, tensor([1, 2]));
    expect(() => collate([{ x: 1 }], { dtype: { X: 'i32' } })).toThrow(
      "collate: no sample has the field 'X'",
    );
    expect(() => collate([[1]], { padding: { x: 1 } })).toThrow('collate: padding is { x }');
  });

  it('refuses a padding that the dtype cannot hold', () => {
    for (const padding of [2 ** 31, 0.5, NaN, -3e9, Infinity]) {
      expect(() => collate([[1], [1, 2]], { dtype: 'i32', padding })).toThrow(
        `collate: padding is ${padding}, expected a whole number from -2147483648 to 2147483647`,
      );
      expect(() => collate([{ x: [1] }], { dtype: 'i32', padding: { x: padding } })).toThrow(
        'collate: x: padding',
      );
    }
    const padded = collate([[1], [1, 2]], { padding: NaN });
    expect(padded.toArray()).toEqual([[1, NaN], [1, 2]]);
    expect(() => collate([1], { dtype: 'float32' as never })).toThrow("dtype is 'float32'");
  });

  it('takes as many samples as there are', () => {
    const many = Array.from({ length: 150_000 }, (_, i) => ({ y: i }));
    const { y } = collate(many);
    expect(y.shape).toEqual([150_000]);
    expect(y.data.every((x: number, i: number) => x === i)).toBe(true);
    const [full, empty] = [tensor([5]), ones([0])];
    const { shape, data } = collate(many.map(({ y }) => (y % 100 ? full : empty)), { padding: -1 });
    expect(shape).toEqual([150_000, 1]);
    expect(data.every((x: number, i: number) => x === (i % 100 ? 5 : -1))).toBe(true);
  });
});
