/** The loader and its batches: which samples come, in which order, and from where it goes on. */
import { collate, DataLoader, type DataLoaderOptions, type LoaderState } from '@mambagrad/nn';
import { type Generator, ones, Tensor, tensor, uniform } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectSame } from '../support/compare.ts';

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

  it('refuses to shuffle a function, and numbers that are not whole', () => {
    expect(() => new DataLoader(() => [1], { shuffle: true })).toThrow(
      'DataLoader: shuffle takes an array; a function gives its own order',
    );
    expect(() => new DataLoader([1], { batchSize: 0 })).toThrow(
      'DataLoader: batchSize is 0, expected a whole number from 1',
    );
    expect(() => new DataLoader([1], { seed: -1 })).toThrow('DataLoader: seed is -1');
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
    expect(() => collate<number | number[]>([[1], 2])).toThrow('pad');
    expect(() => collate([{ a: 1 }, {}])).toThrow('found undefined');
    expect(() => collate(['text'])).toThrow("found 'text'");
    expect(() => collate([])).toThrow('expected at least one tensor');
  });
});
