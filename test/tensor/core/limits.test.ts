/**
 * Numbers that a dtype cannot hold, gradients that are picked rather than multiplied, odd arrays.
 */
import {
  arange, compile, full, fullLike, grad, linspace, ops, tensor, Tensor, TensorError, where,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compiledValueAndGradients } from '../../support/compare.ts';

const i32 = { dtype: 'i32' } as const;
const [lowest, highest] = [-(2 ** 31), 2 ** 31 - 1];

/** Numbers of all sizes, whole and not, and the ends of the range. */
const anyNumber = fc.oneof(
  fc.double(), fc.integer({ min: lowest, max: highest }), fc.maxSafeInteger(),
  fc.constantFrom(lowest - 1, lowest, highest, highest + 1, 3e9, -0, NaN, Infinity),
);

const fitsI32 = (value: number): boolean =>
  Number.isInteger(value) && value >= lowest && value <= highest;

describe('an i32', () => {
  const comparisons = {
    equal: (a: number, b: number) => a === b,
    notEqual: (a: number, b: number) => a !== b,
    greater: (a: number, b: number) => a > b,
    less: (a: number, b: number) => a < b,
    greaterEqual: (a: number, b: number) => a >= b,
    lessEqual: (a: number, b: number) => a <= b,
    maximum: (a: number, b: number) => Math.max(a, b),
    minimum: (a: number, b: number) => Math.min(a, b),
  };
  const x = tensor([1, lowest, highest], i32);

  it.each(Object.entries(comparisons))('%s a number is right, or an error', (name, holds) => {
    const op = ops[name as keyof typeof comparisons];
    fc.assert(
      fc.property(anyNumber, (value) => {
        if (!fitsI32(value)) expect(() => op(x, value)).toThrow(`${name}: ${value} is not an i32`);
        else expect(op(x, value).toArray()).toEqual(
          Array.from(x.data, (a) => Number(holds(a, value)) + 0),
        );
      }),
    );
  });

  it('holds a number that it is made of, or says that it cannot', () => {
    const makers: Record<string, (value: number) => Tensor> = {
      tensor: (value) => tensor([value], i32),
      full: (value) => full([1], value, i32),
      fullLike: (value) => fullLike(x, value),
      // Where 1 is less than what rounding takes, nothing is counted.
      arange: (value) => arange(value, value + Math.max(1, Math.abs(value) * 1e-15), 1, i32),
      linspace: (value) => linspace(value, value, 1, i32),
      pad: (value) => x.pad([1], [0], { value }),
      maskedFill: (value) => x.maskedFill(x.equal(x), value),
      where: (value) => where(x.equal(x), value, x),
      add: (value) => tensor([0], i32).add(value),
      mul: (value) => tensor([1], i32).mul(value),
    };
    fc.assert(
      fc.property(fc.constantFrom(...Object.entries(makers)), anyNumber, ([name, make], value) => {
        const named = new RegExp(`^${name}: `);
        if (fitsI32(value)) expect(make(value).data[0]).toBe(value + 0);
        else expect(() => make(value)).toThrow(named);
      }),
    );
    expect(() => arange(0, 1, 0.5, i32)).toThrow('arange: 0.5 (element 1) is not an i32');
    expect(() => linspace(0, 1, 3, i32)).toThrow('linspace: 0.5 (element 1) is not an i32');
    expect(() => arange(highest, highest + 2, 1, i32)).toThrow(TensorError);
  });
});

describe('gradients', () => {
  const readers: Record<string, (x: Tensor) => Tensor> = {
    gather: (x) => x.gather(0, tensor([0], i32)),
    indexSelect: (x) => x.indexSelect(0, tensor([0], i32)),
    topk: (x) => x.neg().topk(1).values,
    sort: (x) => x.sort().values.narrow(0, 0, 1),
    narrow: (x) => x.narrow(0, 0, 1),
    where: (x) => where(tensor([1, 0, 0], i32), x, 0).narrow(0, 0, 1),
    min: (x) => x.min(0, true),
    clamp: (x) => x.clamp({ max: 1.5 }).narrow(0, 0, 1),
  };

  it.each(Object.entries(readers))('%s sends none to what it did not read', (_name, read) => {
    const f = (x: Tensor) => read(x).div(0).sum();
    const x = tensor([1, 2, 3], { requiresGrad: true });
    const found = [
      grad(f(x), [x])[0],
      ...(['wasm', 'js'] as const).map((backend) =>
        compiledValueAndGradients(f, [x], { backend }).gradients[0],
      ),
    ];
    for (const gradient of found) {
      expect(gradient.abs().toArray()).toEqual([Infinity, 0, 0]);
    }
  });

  it('the loser of maximum and minimum gets none, whatever the winner gets', () => {
    const x = tensor([1, 3], { requiresGrad: true });
    const infinite = { cotangent: tensor([Infinity, NaN]) };
    expect(grad(x.maximum(2), [x], infinite)[0].toArray()).toEqual([0, NaN]);
    expect(grad(x.minimum(2), [x], infinite)[0].toArray()).toEqual([Infinity, 0]);
  });

  const corners: [string, (x: Tensor) => Tensor, number[], number[]][] = [
    ['std of equal numbers', (x) => x.std(), [2, 2, 2], [0, 0, 0]],
    ['norm with p below 1', (x) => x.norm(0, { p: 0.5 }), [0, 4], [0, 1]],
    ['norm of zeros with p below 1', (x) => x.norm(0, { p: 0.5 }), [0, 0], [0, 0]],
    ['0 to the power of −1', (x) => x.pow(-1), [0], [-Infinity]],
    ['−1 as exponent of 0', (x) => tensor(0).cast(x.dtype).pow(x), [-1], [-Infinity]],
    ['silu far out', (x) => x.silu().mul(2), [3.4e38, -3.4e38], [2, -0]],
    ['gelu far out', (x) => x.gelu().mul(0.5), [3.4e38, -3.4e38], [0.5, 0]],
    ['a quotient', (x) => tensor(1e20).cast(x.dtype).div(x).mul(1e30), [1e20], [-1e10]],
    ['a quotient whose gradient is masked', (x) => where(tensor(0, i32), x.reciprocal(), 0),
      [1e-30], [-0]],
    ['abs of what is masked', (x) => where(tensor(0, i32), x.abs(), 0), [NaN, 1], [0, 0]],
    ['log Σ exp beside infinity', (x) => x.logsumexp(), [-Infinity, 0, 1e30], [0, 0, 1]],
  ];

  it.each(corners)('%s', (_name, f, values, expected) => {
    for (const dtype of ['f32', 'f64'] as const) {
      const x = tensor(values, { dtype, requiresGrad: true });
      const [found] = grad(f(x).sum(), [x]);
      expected.forEach((value, i) => {
        if (Number.isFinite(value)) {
          expect(Math.abs(found.data[i] - value)).toBeLessThanOrEqual(1e-6 * Math.abs(value));
        } else expect(found.data[i]).toBe(value);
      });
    }
    const f32 = tensor(values, { requiresGrad: true });
    const slopes = compile((x: Tensor) => grad(f(x).sum(), [x])[0]);
    const found = slopes(f32);
    grad(f(f32).sum(), [f32])[0].data.forEach((value: number, i: number) => {
      if (Number.isFinite(value)) {
        expect(Math.abs(found.data[i] - value)).toBeLessThanOrEqual(1e-6 * Math.abs(value));
      } else expect(found.data[i]).toBe(value);
    });
  });

  it('std is as precise for large and small numbers as for others', () => {
    const numbers = fc.array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 2 });
    fc.assert(
      fc.property(numbers, fc.integer({ min: -100, max: 120 }), (values, exponent) => {
        const scaled = values.map((value) => Math.fround(Math.fround(value) * 2 ** exponent));
        const exact = tensor(scaled, { dtype: 'f64' }).std().item();
        const largest = Math.max(...scaled.map(Math.abs));
        const error = Math.abs(tensor(scaled).std().item() - exact);
        expect(error).toBeLessThanOrEqual(1e-6 * largest + 1e-44);
      }),
    );
  });
});

describe('arrays that are no tensor', () => {
  it('are refused, however deep they are', () => {
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    const pair: unknown[] = [1];
    pair.push(pair);
    let deep: unknown[] = [1];
    for (let depth = 0; depth < 100_000; depth++) deep = [deep];
    let wide: unknown[] = [1, 1];
    for (let depth = 0; depth < 40; depth++) wide = [wide, wide];
    const make = (data: unknown) => () => tensor(data as number[]);
    expect(make(cyclic)).toThrow('tensor: arrays are nested more than 64 deep');
    expect(make(deep)).toThrow('tensor: arrays are nested more than 64 deep');
    expect(make(pair)).toThrow('tensor: from[1] is an array of 2, expected a number');
    expect(make(wide)).toThrow('are more numbers than an array can hold');
    expect(make(new Array(2))).toThrow('tensor: from[0] is undefined, expected a number');
    expect(make([1, '2'])).toThrow("tensor: from[1] is '2', expected a number");
    expect(make(new BigInt64Array(2))).toThrow('tensor: a BigInt64Array holds no numbers');
    expect(make(new DataView(new ArrayBuffer(8)))).toThrow('tensor: a DataView holds no numbers');
  });

  it('and other arrays of whole numbers are i32', () => {
    expect(String(tensor(Uint8Array.of(1, 255) as unknown as Int32Array))).toBe(
      'i32[2] [  1, 255]',
    );
    const tooLarge = Uint32Array.of(2 ** 32 - 1) as unknown as Int32Array;
    expect(() => tensor(tooLarge)).toThrow('tensor: 4294967295 (element 0) is not an i32');
  });
});
