/** The selective scan: golden values, agreement of algorithms, gradients, carried state. */
import {
  selectiveScan,
  type SelectiveScanAlgorithm,
  type SelectiveScanOptions,
} from '@mambagrad/mamba';
import { compile, concat, grad, gradcheck, Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame, leaf, valueAndGradients } from '../support/compare.ts';
import { twins, withGradients } from '../support/compiled.ts';
import { type Draw, drawInteger, drawTensor } from '../support/draw.ts';
import { selectiveScanCases, type Values } from '../support/golden.ts';

const algorithms: readonly SelectiveScanAlgorithm[] = [
  'fused',
  'sequential',
  'blelloch',
  'hillisSteele',
];

/** The order in which the properties below pass the tensors. */
const names = ['u', 'delta', 'A', 'B', 'C', 'D', 'z', 'deltaBias', 'initialState'] as const;
type Inputs = Partial<Record<(typeof names)[number], Tensor>>;

function scan(inputs: Inputs, options: SelectiveScanOptions) {
  const { u, delta, A, B, C, D, z, deltaBias, initialState } = inputs;
  if (!u || !delta || !A || !B || !C) throw new Error('the first five are always there');
  return selectiveScan(u, delta, A, B, C, { D, z, deltaBias, initialState, ...options });
}

/** Inputs as Mamba has them: A negative, Δ from softplus; optional ones come and go. */
function drawInputs(g: Draw, length: number, all = false, most = [2, 3, 4]): Inputs {
  const [batch, channels, state] = most.map((max) => drawInteger(g, 1, max));
  const isThere = () => all || g(fc.boolean);
  return {
    u: drawTensor(g, [batch, length, channels]),
    delta: drawTensor(g, [batch, length, channels]),
    A: drawTensor(g, [channels, state], -2, -0.1),
    B: drawTensor(g, [batch, length, state]),
    C: drawTensor(g, [batch, length, state]),
    ...(isThere() && { D: drawTensor(g, [channels]) }),
    ...(isThere() && { z: drawTensor(g, [batch, length, channels]) }),
    ...(isThere() && { deltaBias: drawTensor(g, [channels]) }),
    ...(isThere() && { initialState: drawTensor(g, [batch, channels, state]) }),
  };
}

/** y and the last state in one tensor, so that both take part in the gradients. */
function both(inputs: Inputs, options: SelectiveScanOptions) {
  const present = names.filter((name) => inputs[name]);
  const list = present.flatMap((name) => inputs[name] ?? []);
  const f = (...args: Tensor[]) => {
    const given = Object.fromEntries(present.map((name, i) => [name, args[i]]));
    const { y, lastState } = scan(given, options);
    return concat([y.flatten(), lastState.flatten()]);
  };
  return { f, list };
}

describe('selectiveScan', () => {
  it.each(selectiveScanCases())('meets golden case $case', (golden) => {
    for (const algorithm of algorithms) {
      const inputs: Inputs = Object.fromEntries(
        Object.entries(golden.inputs).map(([name, { data, shape }]) => [
          name,
          tensor(data, { shape, requiresGrad: true }),
        ]),
      );
      const { deltaSoftplus } = golden;
      const { y, lastState } = scan(inputs, { deltaSoftplus, algorithm });
      expectClose(y, golden.y, 1e-9);
      expectClose(lastState, golden.lastState, 1e-9);
      const weigh = (x: Tensor, weight: { data: Float64Array; shape: readonly number[] }) =>
        x.mul(tensor(weight.data, { shape: weight.shape })).sum();
      const { cotangent } = golden;
      weigh(y, cotangent.y).add(weigh(lastState, cotangent.lastState)).backward();
      for (const name of names) {
        const expected = golden.gradients[name];
        const found = inputs[name]?.grad;
        expect(found === undefined).toBe(expected === undefined);
        if (found && expected) expectClose(found, expected, 1e-9);
      }
    }
  });

  it.each(selectiveScanCases())('meets golden case $case compiled, in float32', (golden) => {
    const { inputs, deltaSoftplus, cotangent, gradients } = golden;
    const present = names.filter((name) => inputs[name]);
    const stored = ({ data, shape }: Values) => tensor(data, { shape, dtype: 'f32' });
    const compiled = compile((...args: Tensor[]) => {
      const given = Object.fromEntries(present.map((name, i) => [name, args[i]]));
      const { y, lastState } = scan(given, { deltaSoftplus });
      const weighted = [y.mul(stored(cotangent.y)), lastState.mul(stored(cotangent.lastState))];
      const loss = weighted[0].sum().add(weighted[1].sum());
      return [y, lastState, ...grad(loss, args)];
    });
    const leaves = present.flatMap((name) => {
      const values = inputs[name];
      return values ? [leaf(stored(values), 'f32')] : [];
    });
    const wanted = present.flatMap((name) => gradients[name] ?? []);
    const expected = [golden.y, golden.lastState, ...wanted];
    compiled(...leaves).forEach((found, i) => expectClose(found, expected[i], 2e-5));
  });

  it('has the gradients of finite differences, for every input', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(...algorithms), (g, algorithm) => {
        const inputs = drawInputs(g, drawInteger(g, 0, 5), true);
        const { f, list } = both(inputs, { deltaSoftplus: true, algorithm });
        gradcheck(f, list);
      }),
      { numRuns: 20 },
    );
  });

  it.each(algorithms)('%s has second derivatives', (algorithm) => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const inputs = drawInputs(g, drawInteger(g, 1, 4), true);
        const { f, list } = both(inputs, { deltaSoftplus: true, algorithm });
        const gradients = (...args: Tensor[]): Tensor => {
          const options = { createGraph: true, allowUnused: true };
          const first = grad(f(...args).sin().sum(), args, options);
          return concat(first.map((gradient) => gradient.flatten()));
        };
        gradcheck(gradients, list);
      }),
      { numRuns: 5 },
    );
  });

  it('counts a tensor that stands in two places twice', () => {
    const make = () => tensor([[[0.3], [0.7]]], { dtype: 'f64', requiresGrad: true });
    const A = tensor([[-1]], { dtype: 'f64' });
    const [first, second] = (['fused', 'sequential'] as const).map((algorithm) => {
      const x = make();
      const { y } = selectiveScan(x, x, A, x, x, { algorithm });
      const [gradient] = grad(y.sum(), [x], { createGraph: true });
      return [gradient, ...grad(gradient.square().sum(), [x])];
    });
    first.forEach((gradient, i) => expectClose(gradient, second[i], 1e-12));
  });

  it.each([
    ['f64', 1e-12],
    ['f32', 1e-5],
  ] as const)('agrees over all algorithms in %s, values and gradients', (dtype, tolerance) => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 200 }), (g, length) => {
        const inputs = drawInputs(g, length);
        const results = algorithms.map((algorithm) => {
          const { f, list } = both(inputs, { deltaSoftplus: true, algorithm });
          return valueAndGradients(f, list, dtype);
        });
        // Sums over the whole sequence may cancel to next to nothing: one scale for all gradients.
        const joined = (gradients: readonly Tensor[]) => concat(gradients.map((x) => x.flatten()));
        for (const { value, gradients } of results) {
          expectClose(value, results[0].value, tolerance);
          expectClose(joined(gradients), joined(results[0].gradients), tolerance);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('can be cut anywhere, carrying the state', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 40 }), (g, length) => {
        const inputs = drawInputs(g, length);
        const cut = drawInteger(g, 0, length);
        const whole = scan(inputs, { deltaSoftplus: true });
        const part = (from: number, count: number): Inputs => ({
          ...inputs,
          ...Object.fromEntries(
            (['u', 'delta', 'B', 'C', 'z'] as const).flatMap((name) => {
              const x = inputs[name];
              return x ? [[name, x.narrow(1, from, count)]] : [];
            }),
          ),
        });
        const first = scan(part(0, cut), { deltaSoftplus: true });
        const carried = cut > 0 ? { initialState: first.lastState } : {};
        const second = scan({ ...part(cut, length - cut), ...carried }, { deltaSoftplus: true });
        expectClose(first.y.concat([second.y], 1), whole.y, 1e-12);
        if (cut < length) expectClose(second.lastState, whole.lastState, 1e-12);
      }),
      { numRuns: 60 },
    );
  });

  it('compiled, is near to float64 at all sizes, and the same bits by either backend', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 70 }), (g, length) => {
        // Channels go in eights, fours and ones, states in sixteens, steps in chunks of 32.
        const inputs = drawInputs(g, length, false, [2, 21, 35]);
        const { f, list } = both(inputs, { deltaSoftplus: true });
        const body = withGradients((...args) => [f(...args)]);
        const joined = (results: readonly (Tensor | undefined)[]) =>
          concat(results.flatMap((x) => x?.flatten() ?? []));
        const leaves = list.map((input) => leaf(input, 'f32'));
        const found = joined(twins(body)(...leaves));
        expectClose(found, joined(body(...leaves.map((input) => leaf(input)))), 1e-5);
      }),
      { numRuns: 15 },
    );
  });

  it('names the tensor that does not fit', () => {
    const u = tensor([[[1, 2]]]);
    const A = tensor([[-1], [-1]]);
    const B = tensor([[[1]]]);
    expect(() => selectiveScan(u, u, A, B, tensor([[[1, 2]]]))).toThrow(
      'selectiveScan: C has the shape [1, 1, 2], expected [1, 1, 1], as u is [1, 1, 2] and A [2, 1]',
    );
    expect(() => selectiveScan(A, u, A, B, B)).toThrow('expected [batch, length, channels]');
    expect(() => selectiveScan(u, u, A, B, B.cast('f64'))).toThrow(
      'selectiveScan: C is f64 and u is f32',
    );
    expectSame(selectiveScan(u, u, A, B, B).lastState.squeeze(), tensor([1, 4]));
  });
});
