/** Data sets: lazy ones, tensors, images, and categories as numbers. */
import {
  Categories, DataLoader, type Dataset, imageDataset, imagesToTensor, imageToTensor, mapDataset,
  parseCsv, splitData, tensorDataset,
} from '@mambagrad/nn';
import { type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, expectTypeOf, test, vi } from 'vitest';
import { expectSame } from '../../support/compare.ts';
import { upTo } from '../../support/numbers.ts';

/** A data set that counts how often each sample is made. */
function counted(length: number): { data: Dataset<number>; made: number[] } {
  const made = new Array<number>(length).fill(0);
  return { made, data: { length, at: (i) => { made[i] += 1; return 10 * i; } } };
}

describe('lazy data sets', () => {
  test('make a sample when it is asked for, in a loader, too', () => {
    const { data, made } = counted(10);
    const [first, second] = splitData(mapDataset(data, (x, i) => ({ x, i })), { counts: [4, 6] });
    const loader = new DataLoader(first, { batchSize: 2, shuffle: true, collate: (all) => all });
    expect(loader.settings.samples).toBe(4);
    expect(made).toEqual(made.map(() => 0));
    const given = [...loader].flat();
    expect(given.every(({ x, i }) => x === 10 * i)).toBe(true);
    expect([...second].map(({ i }) => i).concat(given.map(({ i }) => i)).sort((a, b) => a - b))
      .toEqual(upTo(10));
    expect(made).toEqual(made.map(() => 1));
  });

  test('give a loader the same batches as an array of the same samples', () => {
    fc.assert(fc.property(
      fc.array(fc.string(), { maxLength: 12 }),
      fc.record({
        batchSize: fc.integer({ min: 1, max: 4 }), shuffle: fc.boolean(), seed: fc.nat(),
        dropLast: fc.boolean(),
      }),
      fc.boolean(),
      (samples, options, inBuckets) => {
        vi.spyOn(console, 'warn').mockImplementation(() => undefined);
        const all =
          { ...options, collate: String, ...(inBuckets && { bucketBy: (s: string) => s.length }) };
        const lazy = mapDataset(samples, (s) => s);
        expect([...new DataLoader(lazy, all)]).toEqual([...new DataLoader(samples, all)]);
      },
    ));
  });

  test('select the samples that were asked for, whatever becomes of the list', () => {
    const numbers = [2, 0];
    const chosen = mapDataset([5, 6, 7], (x) => x).select(numbers);
    numbers.fill(9);
    expect([...chosen]).toEqual([7, 5]);
  });

  test('count from the end, and refuse other numbers', () => {
    const lazy = mapDataset([1, 2], (x) => x).map((x) => -x);
    expect([...lazy, lazy.at(-2), ...lazy.select([1])]).toEqual([-1, -2, -1, -2]);
    for (const index of [2, -3, 0.5, NaN]) {
      expect(() => lazy.at(index)).toThrow(
        `MappedDataset.at: index is ${index}, expected a whole number from -2 to 1`,
      );
    }
    expect(() => lazy.select([2])).toThrow('indices[0] is 2');
  });
});

test('no images are no batch', () => {
  expect(() => imagesToTensor([])).toThrow('imagesToTensor: images is empty, expected');
});

describe('Categories', () => {
  test('decode what they encode, and hold each value once', () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.string(), fc.integer())), (values) => {
      const categories = new Categories(values);
      expect(categories.values).toEqual([...new Set(values)]);
      expect(categories.decode(categories.encode(values))).toEqual(values);
      expect(new Categories(categories.values).values).toEqual(categories.values);
    }));
  });

  test('refuse unknown values, or give them an index', () => {
    expect(() => new Categories(['a', 'b']).encode(['c'])).toThrow(
      "Categories.encode: 'c' is unknown, expected one of 'a', 'b'",
    );
    const open = new Categories(['a', 'b'], { unknown: 'extra' });
    expect([open.size, open.indexOf('c'), open.decode([2, 1])]).toEqual([3, 2, [undefined, 'b']]);
    expect(() => open.decode([3])).toThrow(
      'Categories.decode: there is no index 3, expected 0 to 2',
    );
    expect(() => new Categories([NaN])).toThrow('Categories: values[0] is NaN');
  });
});

describe('images', () => {
  const pixels = [[[0, 255], [51, 204]], [[255, 0], [102, 153]]];
  const expected = tensor([[[[0], [1]], [[0.2], [0.8]]], [[[1], [0]], [[0.4], [0.6]]]]);

  test('are the same from nested, flat and typed arrays and from tensors, one by one or all at once', () => {
    const flat = pixels.map((image) => image.flat());
    const shape = [2, 2];
    expectSame(imagesToTensor(pixels), expected);
    expectSame(imagesToTensor(flat, { shape }), expected);
    expectSame(imagesToTensor(flat.map((image) => Uint8Array.from(image)), { shape }), expected);
    expectSame(imagesToTensor(Uint8Array.from(flat.flat()), { shape }), expected);
    expectSame(imagesToTensor(tensor(flat), { shape }), expected);
    expectSame(imagesToTensor(tensor(pixels)), expected);
    const data = imageDataset(pixels, [1, 0]);
    const [{ image, label }] = new DataLoader(data, { batchSize: 2 });
    expectSame(image, expected);
    expectSame(label, tensor([1, 0], { dtype: 'i32' }));
    expectSame(imageToTensor(pixels[1]), expected.narrow(0, 1, 1).squeeze(0));
  });

  test('have channels last, or first where that is asked for', () => {
    const image = [[[0, 8, 16], [4, 4, 4]]];
    expectSame(imageToTensor(image, { max: 16 }), tensor([[[0, 0.5, 1], [0.25, 0.25, 0.25]]]));
    expectSame(imageToTensor(image, { max: 16, layout: 'CHW' }), tensor([
      [[0, 0.25]], [[0.5, 0.25]], [[1, 0.25]],
    ]));
  });

  test('are refused if they are none', () => {
    expect(() => imageToTensor([1, 2, 3, 4])).toThrow(
      'imageToTensor: pixels is f32[4], expected [height, width]',
    );
    expect(() => imagesToTensor([[1, 2, 3]], { shape: [2, 2] })).toThrow(
      'imagesToTensor: image 0: pixels is f32[3], which is no image of the shape [2, 2]',
    );
    expect(() => imageToTensor([[256]])).toThrow(
      'imageToTensor: pixel 0 is 256, expected 0 to 255; the option max',
    );
    expect(() => imageToTensor([[NaN]])).toThrow('pixel 0 is NaN');
    expect(() => imagesToTensor(new Uint8Array(5), { shape: [2, 2] })).toThrow(
      'images is f32[5], expected whole images',
    );
    expect(() => imageDataset([[[1]]], [1, 2])).toThrow(
      'imageDataset: there are 1 images and 2 labels',
    );
  });
});

test('a loader knows its number of batches, and TypeScript whether it does', () => {
  const loader = new DataLoader([1, 2, 3], { batchSize: 2 });
  expectTypeOf(loader.length).toEqualTypeOf<number>();
  expectTypeOf(new DataLoader(parseCsv('a\n1\n2\n')).length).toEqualTypeOf<number>();
  expectTypeOf([...loader][0]).toEqualTypeOf<Tensor>();
  const endless = new DataLoader(function* (generator) {
    yield generator.state.shape.length;
  });
  expectTypeOf(endless.length).toEqualTypeOf<undefined>();
  expectTypeOf([...endless][0]).toEqualTypeOf<Tensor>();
  const any: DataLoader<number> = loader;
  expectTypeOf(any.length).toEqualTypeOf<number | undefined>();
  expect([loader.length, endless.length]).toEqual([2, undefined]);
});

describe('tensorDataset', () => {
  const x = tensor([[1, 2], [3, 4], [5, 6]]);
  const y = tensor([7, 8, 9], { dtype: 'i32' });

  test('has the rows of its tensors, and batches are the tensors again', () => {
    const data = tensorDataset({ x, y });
    expect(data.length).toBe(3);
    expect(data.at(-1).x.toArray()).toEqual([5, 6]);
    expect(data.at(1).y.item()).toBe(8);
    for (const batch of new DataLoader(data, { batchSize: 3 })) {
      expectSame(batch.x, x);
      expectSame(batch.y, y);
    }
    const [, second] = splitData(data, { counts: [1, 2], shuffle: false });
    expect(Array.from(second, (sample) => sample.y.item())).toEqual([8, 9]);
  });

  test('refuses tensors of other lengths, and what is none', () => {
    expect(() => tensorDataset({ x, y: y.narrow(0, 0, 2) })).toThrow(
      'tensorDataset: y is i32[2], x is f32[3, 2]; expected as many samples on the first axis',
    );
    expect(() => tensorDataset({ x: tensor(1) })).toThrow('x is f32[], x is f32[]; expected as');
    expect(() => tensorDataset({})).toThrow('fields is {}, expected an object of tensors, such as');
    expect(() => tensorDataset({ x: [1] as unknown as Tensor })).toThrow(
      'expected an object of tensors',
    );
  });
});
