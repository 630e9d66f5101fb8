/** Scalers: undone by their inverses, whatever is missing; saved with a model; compiled. */
import { Linear, MinMaxScaler, Module, type Scaler, Standardizer } from '@mambagrad/nn';
import { compile, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectSame } from '../../support/compare.ts';
import { upTo } from '../../support/numbers.ts';

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
