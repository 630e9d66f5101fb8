/** Data sets, and what cuts, scales and encodes them. */
import {
  Categories, DataLoader, type Dataset, imageDataset, imagesToTensor, imageToTensor, Linear,
  mapDataset, MinMaxScaler, Module, parseCsv, regularSeries, type Scaler, splitData, Standardizer,
  tensorDataset,
  windows,
} from '@mambagrad/nn';
import { compile, Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, expectTypeOf, test, vi } from 'vitest';
import { expectSame } from '../../support/compare.ts';

const upTo = (length: number) => Array.from({ length }, (_, i) => i);

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

describe('splitData', () => {
  /** Sizes of parts that add up to the number of samples. */
  const sizes = fc.array(fc.nat(12), { minLength: 1, maxLength: 4 });
  const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
  const classes = ['a', 'b', 'c'] as const;

  test('puts each sample into one part, the same for the same seed', () => {
    vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    fc.assert(fc.property(sizes, fc.nat(), fc.boolean(), fc.boolean(), (
      counts, seed, shuffle, isStratified,
    ) => {
      const samples = upTo(sum(counts));
      const options = {
        counts, seed, shuffle,
        ...(isStratified && { stratifyBy: (i: number) => classes[(i * i) % 3] }),
      };
      const parts = splitData(samples, options);
      expect(parts.map((part) => part.length)).toEqual(counts);
      expect(parts.flat().toSorted((a, b) => a - b)).toEqual(samples);
      for (const part of parts) expect(part).toEqual(part.toSorted((a, b) => a - b));
      expect(splitData(samples, options)).toEqual(parts);
      expect(splitData(mapDataset(samples, (x) => x), options).map((part) => [...part]))
        .toEqual(parts);
      const total = Math.max(1, samples.length);
      if (samples.length > 0) {
        expect(splitData(
          samples, { ...options, counts: undefined, fractions: counts.map((n) => n / total) },
        )).toEqual(parts);
      }
      if (!shuffle && !isStratified) expect(parts.flat()).toEqual(samples);
      if (!isStratified) return;
      for (const name of classes) {
        const has = (part: readonly number[]) =>
          part.filter((i) => classes[(i * i) % 3] === name).length;
        for (const part of parts) {
          expect(Math.abs(has(part) - (has(samples) * part.length) / total)).toBeLessThan(
            parts.length + 1,
          );
        }
      }
    }));
  });

  test('depends on the seed', () => {
    const parts =
      upTo(20).map((seed) => String(splitData(upTo(30), { fractions: [0.5, 0.5], seed })[0]));
    expect(new Set(parts).size).toBe(20);
  });

  test('in two parts has of each class its share, rounded', () => {
    const samples = upTo(100).map((i) => (i % 10 === 0 ? 'rare' : 'common'));
    const [train, rest] = splitData(samples, { fractions: [0.75, 0.25], stratifyBy: (s) => s });
    const rare = (part: readonly string[]) => part.filter((s) => s === 'rare').length;
    expect([7, 8]).toContain(rare(train));
    expect(rare(train) + rare(rest)).toBe(10);
  });

  test('goes by time where that is asked for, and gives tables for tables', () => {
    const table = parseCsv('t,x\n3,c\n1,a\n2,b\n');
    const [past, future] = splitData(table, { counts: [2, 1], orderBy: ({ t }) => Number(t) });
    expect(past.strings('x')).toEqual(['a', 'b']);
    expect(future.strings('x')).toEqual(['c']);
  });

  test('refuses parts that are not all, and warns of those that are empty', () => {
    const warn = vi.spyOn(console, 'warn').mockReset().mockImplementation(() => undefined);
    expect(() => splitData([1, 2], { fractions: [0.5, 0.4] })).toThrow(
      'splitData: fractions [0.5, 0.4] add up to 0.9, expected 1',
    );
    expect(() => splitData([1, 2], { counts: [1] })).toThrow(
      'splitData: counts [1] add up to 1, expected 2',
    );
    expect(() => splitData([1, 2], {})).toThrow('splitData: expected either fractions or counts');
    expect(() => splitData([1, 2], { fractions: [1], counts: [2] })).toThrow(
      'splitData: expected either',
    );
    expect(() => splitData([1], { counts: [1], orderBy: () => NaN })).toThrow(
      'the result of orderBy for sample 0 is NaN',
    );
    expect(warn).not.toHaveBeenCalled();
    expect(splitData([1, 2], { fractions: [0.9, 0.1] }).map((part) => part.length)).toEqual([2, 0]);
    expect(warn.mock.calls.flat()).toEqual(
      ['splitData: part 1 has no samples, as there are only 2 in all'],
    );
  });
});

describe.each([['Standardizer', Standardizer], ['MinMaxScaler', MinMaxScaler]] as const)('%s', (name, Kind) => {
  const value = fc.oneof(fc.double({ min: -1000, max: 1000, noNaN: true }), fc.constant(NaN));
  const rows = (features: number) =>
    fc.array(fc.array(value, { minLength: features, maxLength: features }), {
      minLength: 1, maxLength: 20,
    })
      .filter((all) => upTo(features).every((f) => all.some((row) => !Number.isNaN(row[f]))));

  test('is undone by its inverse, for tensors and for arrays, and leaves what is missing', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 3 }).chain(rows), (x) => {
      const scaler: Scaler = new Kind(x[0].length);
      const flat = x.flat();
      scaler.fit(flat);
      const y = scaler.transform(flat);
      const back = scaler.inverse(y);
      const tensors = scaler.inverse(scaler.transform(tensor(x)));
      back.forEach((found, i) => {
        if (Number.isNaN(flat[i])) return expect([found, y[i]]).toEqual([NaN, NaN]);
        // y is a float32, to which x − offset has been rounded.
        const largest = Math.abs(y[i] * scaler.scale.data[i % x[0].length]);
        expect(Math.abs(found - flat[i])).toBeLessThanOrEqual(2 ** -23 * largest + 1e-9);
        expect(Math.abs(tensors.data[i] - flat[i])).toBeLessThan(1e-3);
        // Offset and scale are rounded to float32: 2⁻²⁴ of them.
        const rounding = 2 ** -23 * (1 + 1000 / scaler.scale.data[i % x[0].length]);
        if (name === 'MinMaxScaler') {
          expect(Math.abs(y[i] - 0.5)).toBeLessThanOrEqual(0.5 + rounding);
        }
      });
      for (const feature of upTo(x[0].length)) {
        const column = [...y].filter((v, i) => i % x[0].length === feature && !Number.isNaN(v));
        const isConstant = scaler.scale.data[feature] === 1 && column.every((v) => v === column[0]);
        if (isConstant) expect(Math.abs(column[0])).toBeLessThan(1e-3);
      }
    }));
  });

  test('is saved and loaded with a model, and runs compiled', () => {
    class Model extends Module {
      readonly scaler = new Kind(2);
      readonly output = new Linear(2, 1);
    }
    const [model, other] = [new Model(), new Model()];
    const x = tensor([[1, 10], [2, 30], [4, 20]]);
    expect(() => model.scaler.transform(x)).toThrow(
      `${name}.transform: the scale is unknown; call fit`,
    );
    const compiled = compile((input: Tensor) => other.scaler.transform(input));
    model.scaler.fit(x);
    other.loadStateDict(model.stateDict());
    expectSame(compiled(x), model.scaler.transform(x));
    model.scaler.fit(x.mul(3));
    other.loadStateDict(model.stateDict());
    expectSame(compiled(x), model.scaler.transform(x));
  });

  test('knows constants, and refuses what has no scale', () => {
    expect([...new Kind().fit([0.1, 0.1, NaN]).transform([0.1, 1.1])].map((y) =>
      Math.round(1e6 * y) / 1e6 + 0,
    )).toEqual([0, 1]);
    expect(() => new Kind().fit([NaN])).toThrow(`${name}.fit: feature 0 has no values`);
    expect(() => new Kind(2).fit(tensor([[1, Infinity]]))).toThrow(
      `${name}.fit: feature 1 has values that are infinite`,
    );
    expect(() => new Kind(2).fit([1e300, 1, -1e300, 1])).toThrow(
      'feature 0 has values that are infinite or too large',
    );
    expect(() => new Kind(2).fit([1, 2, 3])).toThrow(
      `${name}.fit: x is [1, 2, 3], expected 2 features in each row`,
    );
    expect(() => new Kind(2).fit(tensor([[1, 2, 3]]))).toThrow(
      `x is f32[1, 3], expected 2 features`,
    );
    expect(() => new Kind().fit('x' as never)).toThrow(
      `${name}.fit: x is 'x', expected a tensor or an array of numbers`,
    );
  });
});

test('Standardizer gives mean 0 and standard deviation 1, of each feature', () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: -99, max: 99 }), { minLength: 2 }), (x) => {
    fc.pre(new Set(x).size > 1);
    const y = new Standardizer().fit(x).transform(x);
    const mean = y.reduce((a, b) => a + b, 0) / y.length;
    expect(Math.abs(mean)).toBeLessThan(1e-4);
    expect(Math.abs(y.reduce((a, b) => a + b * b, 0) / y.length - 1)).toBeLessThan(1e-4);
  }));
});

describe('windows', () => {
  const options = fc.record({
    length: fc.integer({ min: 1, max: 5 }), horizon: fc.nat(3),
    stride: fc.integer({ min: 1, max: 4 }), skip: fc.nat(2),
  });
  const value = fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constant(NaN));

  test('tile the series: each starts a stride after the last, none is left out, gaps are masked', () => {
    const series = fc.array(fc.array(value, { maxLength: 20 }), { minLength: 1, maxLength: 3 });
    fc.assert(fc.property(series, options, fc.integer({ min: 1, max: 2 }), (
      all, given, channels,
    ) => {
      const { length, horizon, stride, skip } = given;
      const rows = all.map((one) => one.map((x) => upTo(channels).map((c) => x + c)));
      const made = windows(
        channels === 1 ? all
          : rows.map((one) => tensor(one.flat(), { shape: [one.length, channels] })),
        given,
      );
      const expected = rows.flatMap((one, i) => {
        const starts: [number, number][] = [];
        for (let s = 0; s + length + skip + horizon <= one.length; s += stride) starts.push([i, s]);
        return starts;
      });
      expect(made).toHaveLength(expected.length);
      for (const [index, [i, start]] of expected.entries()) {
        expect(made.positionOf(index)).toEqual({ series: i, start });
        const { input, inputMask, target, targetMask } = made.at(index);
        const cuts = [
          [input, inputMask, start, length], [target, targetMask, start + length + skip, horizon],
        ] as const;
        for (const [values, mask, from, count] of cuts) {
          const wanted = rows[i].slice(from, from + count);
          expectSame(
            values, tensor(wanted.flat().map((x) => x || 0), { shape: [count, channels] }),
          );
          const isThere = wanted.flat().map((x) => (Number.isNaN(x) ? 0 : 1));
          expectSame(mask, tensor(isThere, { shape: [count, channels], dtype: 'i32' }));
        }
      }
    }));
  });

  test('can leave out those with gaps', () => {
    fc.assert(fc.property(fc.array(value, { maxLength: 30 }), options, (series, given) => {
      const isWhole = (mask: Tensor) => mask.data.every((x: number) => x === 1);
      const all = [...windows(series, given)];
      const kept = (test: (w: (typeof all)[0]) => boolean) =>
        all.filter(test).map(({ input, target }) => `${input}${target}`);
      const found = (gaps: 'drop' | 'dropTargets') =>
        [...windows(series, { ...given, gaps })].map(({ input, target }) => `${input}${target}`);
      expect(found('drop')).toEqual(kept((w) => isWhole(w.inputMask) && isWhole(w.targetMask)));
      expect(found('dropTargets')).toEqual(kept((w) => isWhole(w.targetMask)));
    }));
  });

  test('come in batches, and refuse what is no series', () => {
    const [batch] = new DataLoader(windows(upTo(9), { length: 4, horizon: 2 }), { batchSize: 3 });
    expect(batch.input.shape).toEqual([3, 4, 1]);
    expect(batch.target.squeeze(-1).toArray()).toEqual([[4, 5], [5, 6], [6, 7]]);
    expect(() => windows('x' as never, { length: 1 })).toThrow(
      "windows: series is 'x', expected numbers in an array",
    );
    expect(() => windows([tensor([[1, 2]]), [1]], { length: 1 })).toThrow(
      'windows: series[1] has 1 channels, series[0] has 2',
    );
    expect(() => windows(tensor(1), { length: 1 })).toThrow(
      'windows: series[0] is f32[], expected f32[steps]',
    );
    expect(() => windows([1], { length: 1, horizon: 0 }).positionOf(1)).toThrow(
      'Windows.positionOf: index is 1',
    );
  });
});

describe('regularSeries', () => {
  const month = (m: number) => Date.UTC(1970, m, 15, 12);

  test('has a step for each month or day, NaN where there is no value, whatever the order', () => {
    const units = ['month', 'day', 'year', 1000] as const;
    const steps = fc.uniqueArray(fc.nat(60), { minLength: 1, maxLength: 20 });
    fc.assert(fc.property(steps, fc.constantFrom(...units), (at, every) => {
      const timeOf = (step: number) =>
        every === 'month' ? month(step)
          : every === 'year' ? month(12 * step) : step * (every === 'day' ? 86_400_000 : 1000);
      const { times, values } = regularSeries(at.map(timeOf), at, { every });
      const [from, to] = [Math.min(...at), Math.max(...at)];
      const all = upTo(to - from + 1).map((i) => i + from);
      expect([...times]).toEqual(all.map(timeOf));
      expect([...values]).toEqual(all.map((step) => (at.includes(step) ? step : NaN)));
    }));
  });

  test('refuses times between steps, twice the same time, and too many steps', () => {
    expect(() => regularSeries([0, 1.5], [1, 2], { every: 1 })).toThrow(
      'regularSeries: times[1] is 1970-01-01T00:00:00.001Z, which is not a whole number of steps',
    );
    expect(() => regularSeries([0, 86_400_000], [1, 2], { every: 'month' })).toThrow(
      '(every: month) after the first',
    );
    expect(() => regularSeries([0, 0], [1, 2], { every: 'day' })).toThrow(
      'two values have the time 1970-01-01T00',
    );
    expect(() => regularSeries([0, 1e12], [1, 2], { every: 1 })).toThrow(
      'there are 1000000000001 steps, too many',
    );
    expect(() => regularSeries([0], [], { every: 'day' })).toThrow(
      'there are 1 times and 0 values',
    );
    expect(() => regularSeries([NaN], [1], { every: 'day' })).toThrow('times[0] is NaN');
  });
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

test('splitData gives as many parts as sizes, and TypeScript knows it', () => {
  const [left, right] = splitData([1, 2, 3], { counts: [1, 2] });
  expectTypeOf(left).toEqualTypeOf<number[]>();
  expectTypeOf(splitData([1, 2, 3], { counts: [1, 2] })).toEqualTypeOf<[number[], number[]]>();
  const sizes: readonly number[] = [1, 2];
  expectTypeOf(splitData([1, 2, 3], { counts: sizes })).toEqualTypeOf<number[][]>();
  const table = parseCsv('a\n1\n2\n');
  expectTypeOf(splitData(table, { fractions: [0.5, 0.5] })[1]).toEqualTypeOf<typeof table>();
  expect([left.length, right.length]).toEqual([1, 2]);
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
