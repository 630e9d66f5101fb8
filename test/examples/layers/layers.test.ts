/**
 * The layers of examples/layers against their recurrences: values, states and all gradients, in
 * float64 and compiled. kit.test.ts holds them to what a recurrent layer is.
 */
import {
  compile, Generator, grad, gradcheck, ones, type Tensor, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeltaNet } from '../../../examples/layers/deltaNet.ts';
import { LRU } from '../../../examples/layers/lru.ts';
import { RetNet } from '../../../examples/layers/retNet.ts';
import { S5 } from '../../../examples/layers/s5.ts';
import { expectClose, unevenCotangent } from '../../support/compare.ts';
import { expectNear, nudged } from '../../support/compiled.ts';
import { type Draw, drawInteger, drawTensor } from '../../support/draw.ts';
import { drawPlaces, maskOf, take } from '../../support/sequences.ts';
import { type Layer, layers, reference, type Sizes, type State } from './references.ts';
import { runs } from '../../support/soak.ts';

/** Lengths around the sizes of chunks, from 1. */
const lengths = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 6, max: 40 }));

/** A layer with parameters that are not those it starts with, and inputs of some steps. */
function drawCase(g: Draw, create: (sizes: Sizes) => Layer, length: number) {
  const numHeads = drawInteger(g, 1, 2);
  const hiddenSize = numHeads * drawInteger(g, 1, 3);
  const isSpecial = g(fc.boolean);
  const layer = create({ hiddenSize, numHeads, stateSize: drawInteger(g, 1, 3), isSpecial });
  layer.to('f64');
  for (const parameter of layer.parameters()) {
    const values = drawTensor(g, parameter.shape, -1, 1);
    parameter.assign(parameter.detach().add(values.mul(0.5)));
  }
  const batch = drawInteger(g, 1, 2);
  const x = drawTensor(g, [batch, length, hiddenSize]);
  const state = Object.fromEntries(
    Object.entries(layer.stateShapes(batch)).map(([name, shape]) => [name, drawTensor(g, shape)]),
  );
  return { layer, x, state };
}

/** y, the last state, and the gradients of both with respect to everything. */
function everything(
  run: (x: Tensor, state: State) => { y: Tensor; state: State },
  layer: Layer, x: Tensor, state: State,
): Tensor[] {
  const leaves = [x, ...Object.values(state)].map((input) => input.detach());
  for (const input of leaves) input.requiresGrad = true;
  const [first, ...rest] = leaves;
  const names = Object.keys(state);
  const given = Object.fromEntries(names.map((name, i) => [name, rest[i]]));
  const result = run(first, given);
  const results = [result.y, ...names.map((name) => result.state[name])];
  const loss = results
    .map((one) => one.mul(unevenCotangent(one)).sum())
    .reduce((sum, one) => sum.add(one));
  const gradients = grad(loss, [...leaves, ...layer.parameters()], { allowUnused: true });
  return [...results, ...gradients.flatMap((one) => one ?? [])];
}

/** The same through the layer itself. */
const scanned = (layer: Layer) => (x: Tensor, state: State) => layer.scan(x, { state });

/** How often numbers are nudged at most. */
const NUDGES = 16;

/**
 * What a function gives in float32, and then with all of its numbers nudged, those of parameters as
 * well: the delta rule magnifies some roundings a hundredfold, and only a few of the ways in which
 * numbers can be rounded show how far it can go.
 */
function* nearby(
  run: (...inputs: Tensor[]) => Tensor[], inputs: readonly Tensor[], parameters: readonly Tensor[],
): Iterable<Tensor[]> {
  yield run(...inputs);
  const before = parameters.map((one) => one.detach());
  for (let seed = 1; seed <= NUDGES; seed++) {
    // Each tensor in another way.
    const near = (one: Tensor, i: number) => nudged(one, seed + NUDGES * i);
    parameters.forEach((one, i) => one.assign(near(before[i], i)));
    yield run(...inputs.map((one, i) => near(one, parameters.length + i)));
  }
}

describe.each(Object.entries(layers))('%s', (_name, create) => {
  it('is its recurrence: y, states and all gradients, from any state', () => {
    fc.assert(
      fc.property(fc.gen(), lengths, (g, length) => {
        const { layer, x, state } = drawCase(g, create, length);
        const naive = (input: Tensor, start: State) => reference(layer, input, start);
        const expected = everything(naive, layer, x, state);
        const found = everything(scanned(layer), layer, x, state);
        expect(found.length).toBe(expected.length);
        found.forEach((one, i) => expectClose(one, expected[i], 1e-10, 1e-10));
      }),
      { numRuns: runs(5) },
    );
  });

  it('passes over padding, whatever is there', () => {
    fc.assert(
      fc.property(fc.gen(), lengths, (g, length) => {
        const { layer, x, state } = drawCase(g, create, length);
        const places = drawPlaces(g, x.shape);
        const mask = maskOf(places, length);
        const isPadding = mask.equal(0).unsqueeze(-1);
        const padded = (input: Tensor, start: State) => {
          const noise = isPadding.where(input.mul(0).add(NaN), input);
          const result = layer.scan(noise, { state: start, mask });
          return { y: take(result.y, places), state: result.state };
        };
        const alone = (input: Tensor, start: State) =>
          layer.scan(take(input, places), { state: start });
        const expected = everything(alone, layer, x, state);
        const found = everything(padded, layer, x, state);
        expect(found.length).toBe(expected.length);
        found.forEach((one, i) => expectClose(one, expected[i], 1e-10, 1e-10));
      }),
      { numRuns: runs(5) },
    );
  });

  it('has the gradients of finite differences', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { layer, x, state } = drawCase(g, create, 3);
        const names = Object.keys(state);
        const run = (input: Tensor, ...parts: Tensor[]) => {
          const start = Object.fromEntries(names.map((name, i) => [name, parts[i]]));
          const { y, state: last } = layer.scan(input, { state: start });
          return names.reduce((sum, name) => sum.add(last[name].square().sum()), y.square().sum());
        };
        const inputs = [x, ...names.map((name) => state[name])];
        // Norms of short rows are so curved that a step of 1e-5 is too long for some of them.
        const isRight = [1e-5, 1e-6, 1e-7].some((step) =>
          gradcheck(run, inputs, { step, tolerance: Number.MAX_VALUE }) < 1e-6);
        expect(isRight).toBe(true);
      }),
      { numRuns: 1 },
    );
  });

  it('compiled in float32, is as near to float64 as eagerly', () => {
    fc.assert(
      fc.property(fc.gen(), lengths, (g, length) => {
        const { layer, x, state } = drawCase(g, create, length);
        const names = Object.keys(state);
        const run = (...[input, ...parts]: Tensor[]) => everything(
          scanned(layer), layer, input,
          Object.fromEntries(names.map((name, i) => [name, parts[i]])),
        );
        const inputs = [x, ...names.map((name) => state[name])].map((one) => one.cast('f32'));
        layer.to('f32');
        const found = compile(run)(...inputs);
        layer.to('f64');
        const exact = run(...inputs.map((one) => one.cast('f64')));
        layer.to('f32');
        expectNear(found, nearby(run, inputs, layer.parameters()), exact, inputs);
      }),
      { numRuns: 1 },
    );
  });
});

it('names what does not fit', () => {
  const layer = new RetNet({ hiddenSize: 4, numHeads: 2, stateSize: 2 });
  const x = zeros([1, 3, 4]);
  expect(() => layer.forward(zeros([1, 3, 5]))).toThrow(
    'RetNet: x is f32[1, 3, 5], expected f32[batch, length, 4]',
  );
  expect(() => layer.scan(x, { state: { S: zeros([2, 2, 2, 2]) } })).toThrow(
    'RetNet: state.S is f32[2, 2, 2, 2], expected f32[1, 2, 2, 2]',
  );
  expect(() => layer.forward(x, { reset: ones([1, 3], { dtype: 'i32' }) })).toThrow('reset');
  expect(() => layer.forward(x, { mask: ones([1, 2], { dtype: 'i32' }) })).toThrow(
    'RetNet: mask is i32[1, 2], expected i32[1, 3]',
  );
  expect(() => new RetNet({ hiddenSize: 4, stateSize: 3 })).toThrow(
    'RetNet: stateSize is 3, expected an even number',
  );
  expect(() => new DeltaNet({ hiddenSize: 4, numHeads: 3 })).toThrow(
    'DeltaNet: numHeads is 3, expected a divisor of hiddenSize 4',
  );
  expect(layer.forward(zeros([2, 0, 4])).shape).toEqual([2, 0, 4]);
});

it('starts with decays as the papers say', () => {
  const sizes = { hiddenSize: 64, generator: new Generator(1) };
  const radius = (parts: readonly Tensor[]) => parts[0].square().add(parts[1].square()).sqrt();
  const [lru, s5] = [new LRU(sizes), new S5(sizes)].map((layer) => layer.factors());
  const ring = radius(lru.decay);
  expect([ring.min().item() >= 0.499, ring.max().item() <= 0.991]).toEqual([true, true]);
  // γ² = 1 − |λ|² for the LRU; S5's γ is nearly Δ for slow waves, of which λ tells Δ.
  expectClose(radius(lru.scale).square(), ring.square().neg().add(1), 1e-5);
  const step = radius(s5.decay).log().mul(-2);
  expect(step.max().item()).toBeLessThan(0.101);
  expectClose(radius(s5.scale).narrow(0, 0, 1), step.narrow(0, 0, 1), 0.05);
});
