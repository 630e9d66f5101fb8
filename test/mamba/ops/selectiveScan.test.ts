/** The selective scan: golden values, agreement of algorithms, gradients, state, flags, digits. */
import { selectiveScan, type SelectiveScanAlgorithm } from '@mambagrad/mamba';
import {
  compile, type CompileOptions, concat, full, Generator, grad, Tensor, tensor, uniform,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compiledValueAndGradients, expectClose, expectSame, valueAndGradients,
} from '../../support/compare.ts';
import { drawInteger, drawTensor } from '../../support/draw.ts';
import { checkGradients, checkSecondGradients, joined } from '../../support/gradients.ts';
import { drawDocuments, drawPlaces, maskOf, take } from '../../support/sequences.ts';
import { asTwins } from '../../support/sharing.ts';
import { selectiveScanCases } from '../../support/golden.ts';
import {
  both, byGroups, drawInputs, flagsFor, type Inputs, mapSteps, names, plainRecurrence, scan,
} from '../../support/selectiveScans.ts';
import { runs, someOf } from '../../support/soak.ts';

const algorithms: readonly SelectiveScanAlgorithm[] = [
  'fused',
  'segmented',
  'sequential',
  'blelloch',
  'hillisSteele',
  'chunked',
];

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

  it('has the gradients of finite differences, for every input', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(...algorithms), (g, algorithm) => {
        const inputs = drawInputs(g, drawInteger(g, 0, 5), true);
        const options = { ...flagsFor(g, inputs), deltaSoftplus: true, algorithm };
        const { f, list } = both(inputs, options);
        checkGradients(f, list);
      }),
      { numRuns: runs(20) },
    );
  });

  it.each(someOf(algorithms))('%s has second derivatives', (algorithm) => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const inputs = drawInputs(g, drawInteger(g, 1, 4), true);
        const options = { ...flagsFor(g, inputs), deltaSoftplus: true, algorithm };
        const { f, list } = both(inputs, options);
        checkSecondGradients(f, list);
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
        const chunkSize = drawInteger(g, 1, length + 1);
        const options = { ...flagsFor(g, inputs), deltaSoftplus: true, chunkSize };
        const results = algorithms.map((algorithm) => {
          const { f, list } = both(inputs, { ...options, algorithm });
          return valueAndGradients(f, list, dtype);
        });
        // Sums over the whole sequence may cancel to next to nothing: one scale for all gradients.
        for (const { value, gradients } of results) {
          expectClose(value, results[0].value, tolerance);
          expectClose(joined(gradients), joined(results[0].gradients), tolerance);
        }
      }),
      { numRuns: runs(40) },
    );
  });

  it('can be cut anywhere, carrying the state', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 40 }), (g, length) => {
        const inputs = drawInputs(g, length);
        const cut = drawInteger(g, 0, length);
        const whole = scan(inputs, { deltaSoftplus: true });
        const part = (from: number, count: number): Inputs =>
          mapSteps(inputs, (x) => x.narrow(1, from, count));
        const first = scan(part(0, cut), { deltaSoftplus: true });
        const carried = cut > 0 ? { initialState: first.lastState } : {};
        const second = scan({ ...part(cut, length - cut), ...carried }, { deltaSoftplus: true });
        expectClose(first.y.concat([second.y], 1), whole.y, 1e-12);
        if (cut < length) expectClose(second.lastState, whole.lastState, 1e-12);
      }),
      { numRuns: runs(60) },
    );
  });

  it.each(someOf(algorithms))('%s keeps packed documents apart, in values and gradients', (algorithm) => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 20 }), (g, length) => {
        const inputs = drawInputs(g, length);
        const { lengths, flags } = drawDocuments(g, inputs.u?.shape ?? []);
        const options = { deltaSoftplus: true, algorithm };
        const packed = both(inputs, { ...flags, ...options });
        const present = names.filter((name) => inputs[name]);
        const alone = (...args: Tensor[]): Tensor => {
          const given: Inputs = Object.fromEntries(present.map((name, i) => [name, args[i]]));
          let start = 0;
          const parts = lengths.map((count, i) => {
            const from = (start += count) - count;
            const document = mapSteps(given, (x) => x.narrow(1, from, count));
            const { initialState, ...later } = document;
            return scan(i === 0 ? document : later, options);
          });
          const last = parts[parts.length - 1].lastState;
          return concat([concat(parts.map(({ y }) => y), 1).flatten(), last.flatten()]);
        };
        const found = valueAndGradients(packed.f, packed.list);
        const expected = valueAndGradients(alone, packed.list);
        expectClose(found.value, expected.value, 1e-12);
        found.gradients.forEach((x, i) => expectClose(x, expected.gradients[i], 1e-11, 1e-13));
      }),
      { numRuns: runs(20) },
    );
  });

  it.each(someOf(algorithms))('%s passes over padding, wherever it is', (algorithm) => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 20 }), (g, length) => {
        const inputs = drawInputs(g, length);
        const places = drawPlaces(g, inputs.u?.shape ?? []);
        const mask = maskOf(places, length);
        const present = names.filter((name) => inputs[name]);
        const run = (padded: boolean) => (...args: Tensor[]) => {
          const given: Inputs = Object.fromEntries(present.map((name, i) => [name, args[i]]));
          const options = { deltaSoftplus: true, algorithm, ...(padded && { mask }) };
          const read = padded ? given : mapSteps(given, (x) => take(x, places));
          const { y, lastState } = scan(read, options);
          return concat([(padded ? take(y, places) : y).flatten(), lastState.flatten()]);
        };
        const { list } = both(inputs, {});
        const [found, expected] = [run(true), run(false)].map((f) => valueAndGradients(f, list));
        expectClose(found.value, expected.value, 1e-12);
        found.gradients.forEach((x, i) => expectClose(x, expected.gradients[i], 1e-11, 1e-13));
      }),
      { numRuns: runs(20) },
    );
  });

  it('compiles to the same, and to the same bits on both backends', () => {
    const backends: readonly CompileOptions[] = [
      { backend: 'wasm' },
      { backend: 'wasm', deterministic: true },
      { backend: 'js', deterministic: true },
    ];
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 100 }), (g, length) => {
        // Channels to fill vectors or not, states to fill an unrolled row or not.
        const [batch, channels, state] = [2, 13, 19].map((max) => drawInteger(g, 1, max));
        const inputs = drawInputs(g, length, true, [batch, channels, state]);
        const options = { ...flagsFor(g, inputs), deltaSoftplus: true };
        const { f, list } = both(inputs, options);
        const flat = (gradients: readonly Tensor[]) => concat(gradients.map((x) => x.flatten()));
        const expected = valueAndGradients(f, list);
        const results = asTwins(
          backends.map((how) => () => compiledValueAndGradients(f, list, how)),
        );
        const [fast, one, other] = results.map(({ value, gradients }) => [value, flat(gradients)]);
        expectClose(fast[0], expected.value, 1e-5);
        expectClose(fast[1], flat(expected.gradients), 1e-5);
        one.forEach((x, i) => expectSame(x, other[i]));
      }),
      { numRuns: runs(8) },
    );
  });

  it('is right for any Δ and A, and what is large in one channel changes no other', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(1, 5, 33, 40), (g, length) => {
        const [channels, state] = [11, 3].map((max) => drawInteger(g, 1, max));
        const inputs = drawInputs(g, length, true, [1, channels, state]);
        const { delta, A, deltaBias: _bias, ...others } = inputs;
        if (!delta || !A) throw new Error('they are always there');
        // Where Δ is scaled, ΔA is on either side of where decays need bounds, or far outside.
        const at = drawInteger(g, 0, channels - 1);
        const scales = g(fc.array, fc.constantFrom(1, 1, 40, 90, 5000), {
          minLength: length, maxLength: length,
        });
        const isAt = Array.from({ length: channels }, (_, d) => (d === at ? 1 : 0));
        const scale = tensor(scales.flatMap((by) => isAt.map((one) => (one ? by : 1))), {
          shape: [1, length, channels], dtype: 'f64',
        });
        const positive = delta.abs().mul(0.5);
        const large = { ...others, A, delta: positive.mul(scale) };
        const [one, other] = [large, { ...others, A, delta: positive }].map((each) => {
          const { f, list } = both(each, {});
          const [wasm, js] = (['wasm', 'js'] as const).map((backend) =>
            compile(f, { backend, deterministic: true })(...list.map((x) => x.cast('f32'))),
          );
          expectSame(wasm, js);
          expectClose(wasm, f(...list), 1e-5);
          return wasm;
        });
        const rows = (x: Tensor) => x.narrow(0, 0, length * channels).reshape([length, channels]);
        const rest = isAt.flatMap((isOne, d) => (isOne ? [] : [d]));
        const apart = (x: Tensor) => rows(x).indexSelect(1, tensor(rest, { dtype: 'i32' }));
        if (rest.length > 0) expectSame(apart(one), apart(other));
      }),
      { numRuns: runs(12) },
    );
  });

  it('grows and overflows as an f32 does, where ΔA is positive', () => {
    const [u, B] = [tensor([[[1], [0], [0]]]), tensor([[[1], [1], [1]]])];
    const run = compile((delta: Tensor, A: Tensor) => selectiveScan(u, delta, A, B, B).y);
    const steps = [1, 2, 3].map((delta) => tensor([[[1], [delta], [1]]]));
    const logs = steps.map((delta) => Array.from(run(delta, tensor([[29]])).data, Math.log));
    logs.forEach((found, i) => {
      expect(found[0]).toBeCloseTo(0, 5);
      expect(found[1]).toBeCloseTo(29 * (i + 1), 3);
    });
    const far = run(tensor([[[1], [40], [1]]]), tensor([[29]])).data;
    expect(far[1]).toBeGreaterThan(8e37);
  });

  it('gives all states on request', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(...algorithms), (g, algorithm) => {
        const length = drawInteger(g, 1, 9);
        const { z: _z, D: _D, ...inputs } = drawInputs(g, length);
        const options = { ...flagsFor(g, inputs), deltaSoftplus: true, algorithm };
        const { y, lastState, states } = scan(inputs, { ...options, returnStates: true });
        if (!states || !inputs.C) throw new Error('there are no states');
        const { C } = inputs;
        const ofChannels = C.ndim === 3 ? C.unsqueeze(2)
          : C.repeatInterleave(states.shape[2] / C.shape[2], 2);
        const read = states.mul(ofChannels).sum(-1);
        expectClose(options.mask?.unsqueeze(-1).where(read, 0) ?? read, y, 1e-12);
        expectSame(states.narrow(1, length - 1, 1).squeeze(1), lastState);
        expectClose(scan(inputs, options).y, y, 1e-12);
      }),
      { numRuns: runs(30) },
    );
    const { u, delta, A, B, C } = selectiveScanCases()[0].inputs;
    const [first, ...rest] = [u, delta, A, B, C].map(({ data, shape }) => tensor(data, { shape }));
    expect(selectiveScan(first, rest[0], rest[1], rest[2], rest[3]).states).toBeUndefined();
  });

  // Decay × length from less than 1 to far more.
  it.each([
    [1000, 1],
    [16_384, 1e-1],
    [16_384, 1e-3],
    [16_384, 1e-6],
  ])('keeps its digits in float32 over %i steps at the rate %d', (length, rate) => {
    const generator = new Generator(1);
    const draw = (shape: number[]) => uniform(shape, -1, 1, { dtype: 'f64', generator });
    // The input leans to one side, so that states grow where they hardly decay.
    const inputs: Inputs = {
      u: draw([1, length, 1]).add(0.5),
      delta: draw([1, length, 1]).mul(0.5).add(1),
      A: full([1, 2], -rate, { dtype: 'f64' }),
      B: draw([1, length, 2]).add(0.5),
      C: draw([1, length, 2]),
    };
    const rounded: Inputs = Object.fromEntries(
      Object.entries(inputs).map(([name, x]) => [name, x.cast('f32')]),
    );
    const exact = scan(
      Object.fromEntries(Object.entries(rounded).map(([name, x]) => [name, x.cast('f64')])),
      {},
    ).y;
    const worst = (y: Tensor) => y.cast('f64').sub(exact).abs().max().item();
    const largest = exact.abs().max().item();
    const bound =
      rate * length >= 1 ? 1e-5 * largest : 2 * worst(plainRecurrence(rounded, length));
    for (const algorithm of algorithms) {
      expect(worst(scan(rounded, { algorithm }).y), algorithm).toBeLessThanOrEqual(bound);
    }
    const { f, list } = both(rounded, {});
    const compiled = compile(f)(...list).narrow(0, 0, length).reshape(exact.shape);
    expect(worst(compiled), 'compiled').toBeLessThanOrEqual(bound);
  });

  it('with groups is a scan of the channels of each group, to the last bit', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 70 }), (g, length) => {
        const [batch, groups, inGroup, state] = [2, 3, 20, 3].map((max) => drawInteger(g, 1, max));
        const sizes = [batch, groups * inGroup, state];
        const [B, C] = [0, 1].map(() => drawTensor(g, [batch, length, groups, state]));
        const inputs: Inputs = { ...drawInputs(g, length, true, sizes), B, C };
        const options = { ...flagsFor(g, inputs), deltaSoftplus: true };
        for (const algorithm of algorithms) {
          const found = scan(inputs, { ...options, algorithm });
          const expected = byGroups(inputs, { ...options, algorithm });
          expectSame(found.y, expected.y);
          expectSame(found.lastState, expected.lastState);
        }
        const list = names.flatMap((name) => inputs[name] ?? []);
        const run = (f: typeof scan) => compile((...args: Tensor[]) => {
          const given = Object.fromEntries(names.map((name, i) => [name, args[i]]));
          const { y, lastState } = f(given, options);
          return [y, lastState, ...grad(y.square().sum().add(lastState.sum()), args)];
        })(
          ...list.map((x) => tensor(x.data, { shape: x.shape, requiresGrad: true, dtype: 'f32' })),
        );
        const expected = run(byGroups);
        run(scan).forEach((x, i) => expectClose(x, expected[i], 1e-6));
      }),
      { numRuns: 5 },
    );
  });

  it('names the tensor that does not fit', () => {
    const u = tensor([[[1, 2]]]);
    const A = tensor([[-1], [-1]]);
    const B = tensor([[[1]]]);
    expect(() => selectiveScan(u, u, A, B, tensor([[[1, 2]]]))).toThrow(
      'selectiveScan: C is f32[1, 1, 2], expected f32[1, 1, 1]',
    );
    expect(() => selectiveScan(A, u, A, B, B)).toThrow('expected [batch, length, channels]');
    const ofThree = tensor([[[[1], [1], [1]]]]);
    expect(() => selectiveScan(u, u, A, ofThree, ofThree)).toThrow(
      'selectiveScan: B is f32[1, 1, 3, 1] and u f32[1, 1, 2]; expected [batch, length, groups',
    );
    expect(() => selectiveScan(u, u, A, ofThree.narrow(2, 0, 2), B)).toThrow(
      'selectiveScan: C is f32[1, 1, 1], expected f32[1, 1, 2, 1]',
    );
    expect(() => selectiveScan(u, u, A, B, B, { reset: tensor([1], { dtype: 'i32' }) })).toThrow(
      'selectiveScan: reset is i32[1], expected i32[1, 1]',
    );
    expect(() => selectiveScan(u, u, A, B, B, { mask: tensor([[1]]) })).toThrow(
      'selectiveScan: mask is f32[1, 1], expected i32[1, 1]',
    );
    expect(() => selectiveScan(u, u, A, B, B.cast('f64'))).toThrow(
      'selectiveScan: C is f64[1, 1, 1], expected f32[1, 1, 1]',
    );
    const [wholeU, wholeA, wholeB] = [u, A, B].map((x) => x.cast('i32'));
    expect(() => selectiveScan(wholeU, wholeU, wholeA, wholeB, wholeB)).toThrow(
      'selectiveScan: u is i32[1, 1, 2], expected f32 or f64',
    );
    expect(() => selectiveScan(u, u, 3 as never, B, B)).toThrow('selectiveScan: A is 3, expected');
    expectSame(selectiveScan(u, u, A, B, B).lastState.squeeze(), tensor([1, 4]));
  });
});
