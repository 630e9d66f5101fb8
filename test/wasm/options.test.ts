/** The check of options: known names, values of their kind, and errors that help. */
import {
  anything, boolean, callable, checkArgument, instanceOf, listOf, number, objectWith, oneOf,
  pickOptions, readOptions, show, string, whole,
} from '@mambagrad/wasm/options';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const table = {
  size: whole(1).required(),
  bias: boolean.orElse(true),
  rate: number({ above: 0, to: 1 }).optional(),
  mode: oneOf('add', 'concat').orElse('add'),
};

describe('readOptions', () => {
  test('fills in defaults, and takes undefined for absent', () => {
    const expected = { size: 2, bias: true, rate: undefined, mode: 'add' };
    expect(readOptions('layer', { size: 2 }, table)).toEqual(expected);
    const given = { size: 2, bias: undefined, rate: undefined, mode: undefined, more: undefined };
    expect(readOptions('layer', given, table)).toEqual(expected);
  });

  test('gives what it was given, whatever is left out', () => {
    const given = fc.record(
      {
        size: fc.integer({ min: 1 }), bias: fc.boolean(), mode: fc.constantFrom('add', 'concat'),
        rate: fc.double({ min: 0, minExcluded: true, max: 1, noNaN: true }),
      },
      { requiredKeys: ['size'] },
    );
    fc.assert(
      fc.property(given, (options) => {
        expect(readOptions('layer', options, table)).toMatchObject(options);
      }),
    );
  });

  test.each([
    [{ size: 1, bais: false }, "layer: there is no option 'bais'; did you mean 'bias'?"],
    [{ size: 1, Bias: false }, "layer: there is no option 'Bias'; did you mean 'bias'?"],
    [
      { size: 1, colour: 'red' },
      "layer: there is no option 'colour'; expected size, bias, rate, mode",
    ],
    [{}, 'layer: size is missing, expected a whole number from 1'],
    [{ size: 2.5 }, 'layer: size is 2.5, expected a whole number from 1'],
    [{ size: NaN }, 'layer: size is NaN, expected a whole number from 1'],
    [{ size: '3' }, "layer: size is '3', expected a whole number from 1"],
    [{ size: 1, bias: 0 }, 'layer: bias is 0, expected true or false'],
    [{ size: 1, bias: null }, 'layer: bias is null, expected true or false'],
    [{ size: 1, rate: 0 }, 'layer: rate is 0, expected a number above 0 and at most 1'],
    [
      { size: 1, rate: Infinity },
      'layer: rate is Infinity, expected a number above 0 and at most 1',
    ],
    [{ size: 1, mode: 'bogus' }, "layer: mode is 'bogus', expected 'add' or 'concat'"],
    [false, 'layer: options are false, expected { size, bias, rate, … }'],
    [null, 'layer: options are null, expected { size, bias, rate, … }'],
    [[2], 'layer: options are [2], expected { size, bias, rate, … }'],
    [new Float32Array(2), 'layer: options are a Float32Array, expected { size, bias, rate, … }'],
    [new Map(), 'layer: options are a Map, expected { size, bias, rate, … }'],
    [
      { shape: [2], dtype: 'f32', data: [1, 2] },
      'layer: options are f32[2], expected { size, bias, rate, … }',
    ],
  ])('refuses %j', (given, message) => {
    expect(() => readOptions('layer', given, table)).toThrow(message);
  });

  test('throws the class of error that is asked for', () => {
    expect(() => readOptions('layer', {}, table, RangeError)).toThrow(RangeError);
  });

  test('finds the name that a slip of one letter was meant to be', () => {
    const names = ['hiddenSize', 'stateSize', 'numLayers', 'dropout'] as const;
    const all = Object.fromEntries(names.map((name) => [name, anything().optional()]));
    const slip = fc.tuple(
      fc.constantFrom(...names), fc.nat(), fc.constantFrom('', 'x'), fc.constantFrom(0, 1),
    );
    fc.assert(
      fc.property(slip, ([name, at, put, taken]) => {
        const place = at % name.length;
        const slipped = name.slice(0, place) + put + name.slice(place + taken);
        fc.pre(!Object.hasOwn(all, slipped));
        const read = () => readOptions('model', { [slipped]: 1 }, all);
        expect(read).toThrow(`there is no option '${slipped}'; did you mean '${name}'?`);
      }),
    );
  });
});

test.each([
  ['boolean', boolean, [true, false], [0, 1, 'true', null, undefined]],
  ['string', string, ['', 'a'], [1, null, ['a']]],
  ['callable', callable(), [() => 0, Math.max], ['f', {}, null]],
  ['number', number(), [0, -1.5, 1e300], [NaN, Infinity, -Infinity, '1', 1n, null]],
  ['bounds', number({ above: -1, to: 1 }), [-0.9, 1], [-1, 1.1, NaN]],
  ['bounds, others', number({ from: -1, below: 1 }), [-1, 0.9], [1, -1.1, NaN]],
  ['infinite', number({ from: 0, to: Infinity }), [0, Infinity], [-1, NaN, -Infinity]],
  ['whole', whole(), [0, 7, 2 ** 40], [-1, 0.5, NaN, Infinity, 2 ** 60, '1']],
  ['whole, to', whole(1, 3), [1, 3], [0, 4]],
  ['oneOf', oneOf('a', 2), ['a', 2], ['2', 'b', null]],
  ['or', whole().or(oneOf('auto')), [0, 'auto'], [-1, 'Auto', null]],
  ['listOf', listOf(whole()), [[], [1, 2]], [1, [1, -1], [undefined], new Int32Array(2), '12']],
  ['listOf a hole', listOf(whole()), [], [new Array(2)]],
  ['listOf two', listOf(number(), 2), [[0.5, 1]], [[1], [1, 2, 3]]],
  ['instanceOf', instanceOf(Map), [new Map()], [{}, new Set(), null]],
  ['objectWith', objectWith('a sink', 'write'), [{ write: () => 0 }], [{ write: 1 }, null, 'w']],
  ['anything', anything(), [0, null, {}], []],
] as const)('%s accepts and refuses', (_name, kind, right, wrong) => {
  expect(right.filter((value) => !kind.accepts(value))).toEqual([]);
  expect(wrong.filter((value) => kind.accepts(value))).toEqual([]);
});

test('the kind of a list is in the plural where it has one', () => {
  expect([
    listOf(string), listOf(whole(1, 3)), listOf(listOf(number())), listOf(instanceOf(Map)),
    listOf(boolean), listOf(string.or(whole())), listOf(string, 2),
  ].map(({ expected }) => expected)).toEqual([
    'an array of strings', 'an array of whole numbers from 1 to 3', 'an array of arrays of numbers',
    'an array of Maps', 'an array, each element true or false',
    'an array, each element a string or a whole number from 0', 'an array of 2, each a string',
  ]);
});

test('checkArgument names the argument', () => {
  const check = (value: unknown) => () => checkArgument('sum', 'keepDims', value, boolean);
  expect(check(true)).not.toThrow();
  const message = 'sum: keepDims is { keepDims }, expected true or false';
  expect(check({ keepDims: true })).toThrow(message);
});

test('pickOptions hands on what a part knows', () => {
  expect(pickOptions({ size: 1, other: 2, mode: 'add' }, table)).toEqual({ size: 1, mode: 'add' });
});

test('show is short, whatever there is to show', () => {
  const nested = fc.letrec((tie) => ({
    value: fc.oneof(
      fc.anything(),
      fc.array(tie('value'), { maxLength: 30 }),
      fc.string({ minLength: 90, maxLength: 400 }),
    ),
  })).value;
  fc.assert(fc.property(nested, (value) => show(value).length < 120));
  const cyclic: unknown[] = [1];
  cyclic.push(cyclic);
  expect(show(cyclic)).toBe('[1, […]]');
  const long = 'x'.repeat(1000);
  const named = Object.defineProperty(() => 0, 'name', { value: long });
  const spec = { dtype: long, shape: [cyclic, ...new Array(100_000).fill(1)] };
  for (const value of [long, named, spec, { [long]: 1 }, Symbol(long), 10n ** 1000n]) {
    expect(show(value).length).toBeLessThan(120);
  }
  expect(show({ dtype: 'f32', shape: [2, 3] })).toBe('f32[2, 3]');
  let deep: unknown[] = [];
  for (let depth = 0; depth < 100_000; depth++) deep = [deep];
  expect(show(deep)).toBe('[[…]]');
  expect(show({ dtype: 'f32', shape: deep })).toBe('f32[[…]]');
  expect(show(new Array(100_000).fill('x'.repeat(100))).length).toBeLessThan(120);
});
