/**
 * The layers of examples/layers against their recurrences: values, states and all gradients, in
 * float64 and compiled. kit.test.ts holds them to what a recurrent layer is.
 */
import { compile, grad, gradcheck, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, unevenCotangent } from '../../support/compare.ts';
import { expectNear, nudged } from '../../support/compiled.ts';
import { type Draw, drawInteger, drawTensor } from '../../support/draw.ts';
import { type Layer, layers, reference, type Sizes, type State } from './references.ts';

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
  run: (x: Tensor, state: State) => { y: Tensor; state: State }, layer: Layer, x: Tensor, state: State,
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
      { numRuns: 5 },
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
        gradcheck(run, [x, ...names.map((name) => state[name])]);
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
        const eager = [0, 1, 2, 3].map((seed) => (
          run(...inputs.map((one) => (seed > 0 ? nudged(one, seed) : one)))
        ));
        const found = compile(run)(...inputs);
        layer.to('f64');
        const exact = run(...inputs.map((one) => one.cast('f64')));
        expectNear(found, eager, exact, inputs);
      }),
      { numRuns: 1 },
    );
  });
});
