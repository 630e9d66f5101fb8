/** Whole batches: `batchAt` gives what `collate` makes of the samples, and a loader uses it. */
import {
  collate, type CollateOptions, DataLoader, type DataLoaderOptions, type Dataset, imageDataset,
  LazyDataset,
  type LoaderState, mapDataset, parseCsv, splitData, tensorDataset, windows,
} from '@mambagrad/nn';
import { compile, Generator, Tensor, tensor, uniform } from '@mambagrad/tensor';
import fc from 'fast-check';
import { beforeEach, describe, expect, expectTypeOf, test, vi } from 'vitest';
import { expectSame } from '../../support/compare.ts';
import { runs } from '../../support/soak.ts';
import { upTo } from '../../support/numbers.ts';

const warnings = vi.spyOn(console, 'warn');
beforeEach(() => void warnings.mockReset().mockImplementation(() => undefined));

/** What a data set of a kind is made of: the number of its samples, and a seed for them. */
interface Size {
  readonly count: number;
  readonly seed: number;
}

/** Pixels of images, in one of the forms in which they are taken. */
function pixelsOf(count: number, seed: number, form: number, shape: (i: number) => number[]) {
  const generator = new Generator(seed);
  return Array.from({ length: count }, (_, i) => {
    const pixels = uniform(shape(i), 0, 255, { generator }).floor();
    if (form === 0) return pixels;
    return form === 1 ? Uint8Array.from(pixels.data) : pixels.toArray() as number[][];
  });
}

const labels = (count: number) => Array.from({ length: count }, (_, i) => (7 * i) % 5);
/**
 * Data sets of every kind. Samples that make no batch are among them, as the errors have to agree.
 */
const kinds: Record<string, (size: Size) => Dataset<unknown>> = {
  tensors: ({ count, seed }) => {
    const generator = new Generator(seed);
    const x = uniform([count, 3, 2], -1, 1, { generator });
    return tensorDataset({
      x,
      long: uniform([count, 40], -1, 1, { generator, dtype: 'f64' }),
      special: tensor(upTo(count).flatMap((i) => [NaN, -0, i / 0]), { shape: [count, 3] }),
      label: tensor(labels(count), { dtype: 'i32' }),
      none: tensor([], { shape: [count, 0] }),
      learned: tensor(x.data, { shape: x.shape, requiresGrad: true }),
    });
  },
  windows: ({ count, seed }) => {
    const values = upTo(2 * count + 6).map((i) => ((i * seed) % 7 === 0 ? NaN : i / 3));
    return windows(
      [tensor(values, { shape: [count + 3, 2] }), tensor([[1, 2], [3, 4]])],
      { length: 2, horizon: seed % 3, skip: seed % 2, stride: 1 + (seed % 2) },
    );
  },
  table: ({ count, seed }) => parseCsv(
    ['a,2,1,when', ...upTo(count).map((i) =>
      `${(i * seed) % 9},${i / 3},${i % 3 ? i : ''},2024-02-0${1 + (i % 9)}`,
    )].join('\n'),
    { types: { a: 'integer' } },
  ),
  'a table with words': ({ count }) =>
    parseCsv(`a,b\n${upTo(count).map((i) => `${i},x${i}`).join('\n')}`),
  images: ({ count, seed }) =>
    imageDataset(pixelsOf(count, seed, seed % 3, () => [2, 3]), labels(count), { shape: [2, 3] }),
  'images of several sizes': ({ count, seed }) =>
    imageDataset(pixelsOf(count, seed, 2 * (seed % 2), (i) => [1 + (i % 2), 2, 3]), labels(count), {
      layout: 'CHW',
    }),
  'images that are too bright': ({ count, seed }) =>
    imageDataset(
      pixelsOf(count, seed, seed % 3, () => [2, 2]), labels(count), { shape: [2, 2], max: 200 },
    ),
  'labels that are too large': ({ count, seed }) =>
    imageDataset(
      pixelsOf(count, seed, 1, () => [4]), upTo(count).map((i) => i * 2 ** 30), { shape: [2, 2] },
    ),
  'a mapped one': ({ count, seed }) =>
    mapDataset(
      tensorDataset({ x: uniform([count, 2], 0, 1, { generator: new Generator(seed) }) }),
      ({ x }, i) => ({ y: x.mul(i), i }),
    ),
  'rows of several lengths': ({ count }) => mapDataset(upTo(count), (i) => upTo(i % 4)),
  "one of a user's own": ({ count }) =>
    ({ length: count, at: (i: number) => ({ x: [i, -i], y: i }) }),
};

/** Some samples of a data set, chosen twice, in any order, with repetitions. */
function chosen(data: Dataset<unknown>, seed: number): Dataset<unknown> {
  const lazy = data instanceof LazyDataset ? data : splitData(data, { fractions: [1] })[0];
  const { length } = lazy;
  const indices = upTo(length).map((i) => (i * i + seed) % length);
  return lazy.select(indices).select(Int32Array.from(indices, (i) => length - 1 - i));
}

const anyData = fc.record({
  kind: fc.constantFrom(...Object.keys(kinds)),
  size: fc.record(
    { count: fc.oneof(fc.constantFrom(0, 1), fc.integer({ min: 2, max: 20 })), seed: fc.nat() },
  ),
  isChosen: fc.boolean(),
}).map(({ kind, size, isChosen }) => {
  const data = kinds[kind](size);
  return isChosen ? chosen(data, size.seed) : data;
});

/** Every tensor in a batch, with its path. */
function leaves(batch: unknown, path = ''): [string, Tensor][] {
  if (batch instanceof Tensor) return [[path, batch]];
  return Object.entries(Object(batch)).flatMap(([name, value]) => leaves(value, `${path}.${name}`));
}

function expectSameBatch(found: unknown, expected: unknown): void {
  const [all, right] = [leaves(found), leaves(expected)];
  expect(all.map(([path, { requiresGrad }]) => [path, requiresGrad]))
    .toEqual(right.map(([path, { requiresGrad }]) => [path, requiresGrad]));
  all.forEach(([, x], i) => expectSame(x, right[i][1]));
}

/** The result of a function, or the message of its error. */
function outcome<T>(f: () => T): T | string {
  try {
    return f();
  } catch (error) {
    return (error as Error).message;
  }
}

test('batchAt gives what collate makes of the samples, or its error', () => {
  fc.assert(fc.property(anyData, fc.array(fc.nat(), { minLength: 1, maxLength: 9 }), (
    data, given,
  ) => {
    if (data.length === 0 || data.batchAt === undefined) return;
    const indices = given.map((i) => i % data.length);
    const found = outcome(() => data.batchAt?.(indices));
    const expected = outcome(() => collate(indices.map((i) => data.at(i))));
    if (typeof expected === 'string') expect(found).toBe(expected);
    else expectSameBatch(found, expected);
  }), { numRuns: runs(400) });
});

describe('DataLoader', () => {
  const anyOptions = fc.record({
    batchSize: fc.integer({ min: 1, max: 6 }),
    shuffle: fc.boolean(),
    seed: fc.nat(),
    dropLast: fc.boolean(),
  });

  /**
   * The batches of an epoch with the state after each, from `from` on, and the error that ends
   * them.
   */
  function epochOf(
    data: Dataset<unknown>, options: DataLoaderOptions<unknown, unknown>, from?: LoaderState,
  ) {
    const given: { batch: unknown; state: LoaderState }[] = [];
    const end = outcome(() => {
      const loader = new DataLoader(data, options);
      if (from) loader.load(from);
      for (const batch of loader) given.push({ batch, state: loader.state() });
      return loader.state();
    });
    return { given, end };
  }

  test('gives the batches of one sample after the other, from any state on', () => {
    fc.assert(fc.property(anyData, anyOptions, fc.boolean(), fc.nat(), (
      data, options, inBuckets, at,
    ) => {
      const how = { ...options, ...(inBuckets && { bucketBy: () => 3, buckets: [2, 5] }) };
      const expected = epochOf(data, { ...how, collate: (samples) => collate(samples) });
      const agrees = (part: typeof expected, whole: typeof expected) => {
        expect(part.given.map(({ state }) => state)).toEqual(whole.given.map(({ state }) => state));
        part.given.forEach(({ batch }, i) => expectSameBatch(batch, whole.given[i].batch));
        expect(part.end).toEqual(whole.end);
      };
      agrees(epochOf(data, how), expected);
      if (expected.given.length === 0) return;
      const stop = at % expected.given.length;
      const rest = { ...expected, given: expected.given.slice(stop + 1) };
      agrees(epochOf(data, how, expected.given[stop].state), rest);
    }), { numRuns: runs(300) });
  });

  test('asks a data set for whole batches unless it was given a collate function', () => {
    const asked: (readonly number[])[] = [];
    const data: Dataset<number> = {
      length: 5,
      at: (i) => 10 * i,
      batchAt: (indices) => {
        asked.push(indices);
        return tensor(indices.map((i) => 10 * i));
      },
    };
    const batches = [...new DataLoader(data, { batchSize: 2 })];
    expectTypeOf(batches).toEqualTypeOf<Tensor[]>();
    expect(batches.map((batch) => batch.toArray())).toEqual([[0, 10], [20, 30], [40]]);
    expect(asked).toEqual([[0, 1], [2, 3], [4]]);
    expect([...new DataLoader(data, { batchSize: 2, collate })].map((batch) => batch.toArray()))
      .toHaveLength(3);
    expect(asked).toHaveLength(6);
    const options: CollateOptions = { dtype: 'i32' };
    const [first] = new DataLoader(data, { batchSize: 2, collate: (all) => collate(all, options) });
    expect(first.dtype).toBe('i32');
    expect(asked).toHaveLength(6);
    // Parts of it ask it for whole batches, too.
    const [part] = splitData(data, { counts: [3, 2], shuffle: false });
    expect([...new DataLoader(part, { batchSize: 3 })][0].toArray()).toEqual([0, 10, 20]);
    expect(asked.at(-1)).toEqual([0, 1, 2]);
  });

  test('makes no sample that is in no batch that it gives', () => {
    const made: number[] = [];
    const data = { length: 8, at: (i: number) => (made.push(i), i) };
    const how = { batchSize: 3, dropLast: true, buckets: [4], bucketBy: (i: number) => i };
    const loader = new DataLoader(data, how);
    made.length = 0;
    loader.load({ seed: 0, epoch: 0, index: 3 });
    expect([...loader].map((batch) => batch.toArray())).toEqual([[5, 6, 7]]);
    expect(made).toEqual([5, 6, 7]);
  });
});

describe('batchAt', () => {
  const data = tensorDataset({ x: tensor([1, 2, 3]) });

  test('refuses indices that are out of range, and none', () => {
    const names = ['TensorDataset', 'Subset', 'MappedDataset'];
    [data, data.select([2, 1, 0]), data.map((sample) => sample)].forEach((set, i) => {
      expect(() => set.batchAt([0, 3])).toThrow(
        `${names[i]}.batchAt: indices[1] is 3, expected one below the length, 3`,
      );
      expect(() => set.batchAt([-1])).toThrow(
        `${names[i]}.batchAt: indices is [-1], expected an array of whole numbers`,
      );
      expect(() => set.batchAt([])).toThrow(
        `${names[i]}.batchAt: indices is empty, expected at least one`,
      );
    });
    expect(data.batchAt(Int32Array.of(2, 2, 0)).x.toArray()).toEqual([3, 3, 1]);
  });

  test('copies, so that a batch stays as it is', () => {
    const x = tensor([1, 2, 3]);
    const set = tensorDataset({ x });
    const before = set.batchAt([0, 1, 2]).x;
    x.assign(tensor([4, 5, 6]));
    expect(before.toArray()).toEqual([1, 2, 3]);
    expect(set.batchAt([2]).x.toArray()).toEqual([6]);
  });

  test('in a compiled function reads the tensors at each call', () => {
    const x = tensor([1, 2, 3]);
    const set = tensorDataset({ x });
    const f = compile(() => [...new DataLoader(set, { batchSize: 2 })].map((batch) => batch.x));
    expect(f().map((part) => part.toArray())).toEqual([[1, 2], [3]]);
    x.assign(tensor([4, 5, 6]));
    expect(f().map((part) => part.toArray())).toEqual([[4, 5], [6]]);
  });
});
