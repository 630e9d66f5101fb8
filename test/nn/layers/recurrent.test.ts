/** GRU and LSTM: PyTorch's golden values and gradients, padding, and sequences in pieces. */
import {
  GRU, LSTM, parseSafetensors, type RecurrentOptions, type RecurrentResult,
} from '@mambagrad/nn';
import {
  compile, concat, Generator, grad, ones, Tensor, tensor, TensorError, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame, leaf, unevenCotangent } from '../../support/compare.ts';
import { type Draw, drawIndices, drawInteger, drawTensor } from '../../support/draw.ts';
import { locate, type RecurrentCase, recurrentCases, type Values } from '../../support/golden.ts';
import { drawPlaces, maskOf, take } from '../../support/sequences.ts';
import { runs } from '../../support/soak.ts';

const i32 = { dtype: 'i32' } as const;
type DType = 'f32' | 'f64';
type Named = Readonly<Record<string, Tensor>>;

const tensorOf = ({ data, shape }: Values, dtype: DType, requiresGrad = false): Tensor =>
  tensor(data, { shape, dtype, requiresGrad });

/** The layer of a case, with the parameters that the case has. */
function layerOf({ kind, options, x, parameters }: RecurrentCase, dtype: DType): GRU | LSTM {
  const inputSize = x.shape[2];
  const hiddenSize = parameters['weight_hh_l0'].shape[1];
  const layer = kind === 'GRU'
    ? new GRU(inputSize, hiddenSize, options)
    : new LSTM(inputSize, hiddenSize, options);
  layer.to(dtype);
  const state = mapValues(parameters, (values) => tensorOf(values, dtype));
  layer.loadStateDict(new Map(Object.entries(state)));
  return layer as GRU | LSTM & GRU;
}

function mapValues<T, U>(of: Readonly<Record<string, T>>, f: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(of).map(([name, value]) => [name, f(value)]));
}

function expectNamed(
  found: Named, expected: Readonly<Record<string, Values>>, tolerance: number,
): void {
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
  for (const name of Object.keys(found)) expectClose(found[name], expected[name], tolerance);
}

/** The results of a case by name, and the gradients of parameters and inputs. */
function run(golden: RecurrentCase, dtype: DType, via = <F>(f: F): F => f) {
  const layer = layerOf(golden, dtype);
  const parameters = Object.fromEntries(layer.namedParameters());
  const f = via((x: Tensor, given: Named) => {
    const state = Object.keys(given).length > 0 ? (given as never) : undefined;
    const lengths = golden.lengths ? tensor(golden.lengths, { dtype: 'i32' }) : undefined;
    const { output, state: last } = layer.forward(x, { state, lengths });
    const values: Named = { output, ...last };
    const terms = Object.entries(values).map(([name, value]) =>
      value.mul(tensorOf(golden.cotangents[name], dtype)).sum(),
    );
    const leaves: Named = { ...parameters, x, ...given };
    const gradients = grad(terms.reduce((sum, term) => sum.add(term)), Object.values(leaves));
    const named = Object.keys(leaves).map((name, i) => [name, gradients[i]] as const);
    return { values, gradients: Object.fromEntries(named) as Named };
  });
  const leaf = (values: Values) => tensorOf(values, dtype, true);
  return f(leaf(golden.x), mapValues(golden.state, leaf));
}

describe.each(recurrentCases())('$kind, golden case $case', (golden) => {
  it.each([
    ['in float64', 'f64', 1e-12, undefined],
    ['compiled, in float32', 'f32', 2e-5, compile],
  ] as const)('has PyTorch’s values and gradients %s', (_name, dtype, tolerance, via) => {
    const { values, gradients } = run(golden, dtype, via as never);
    expectNamed(values, { output: golden.output, ...golden.last }, tolerance);
    expectNamed(gradients, golden.gradients, tolerance);
  });
});

/** Random sizes and options of a layer in float64, with weights that let the gates move. */
function drawLayer(g: Draw, directions: readonly boolean[] = [false, true]) {
  const [inputSize, hiddenSize, numLayers] = [3, 3, 2].map((most) => drawInteger(g, 1, most));
  const [bias, batchFirst] = [g(fc.boolean), g(fc.boolean)];
  const bidirectional = g(fc.constantFrom, ...directions);
  const Layer = g(fc.constantFrom, GRU, LSTM);
  const options = { numLayers, bias, batchFirst, bidirectional };
  const layer = new Layer(inputSize, hiddenSize, options).to('f64');
  for (const parameter of layer.parameters()) {
    parameter.assign(drawTensor(g, parameter.shape, -1.5, 1.5));
  }
  return layer as Layer;
}

/** GRU and LSTM alike: the state is any that the layer gave. */
type Layer = Omit<GRU, 'forward' | 'step'> & {
  forward(x: Tensor, options?: RecurrentOptions<unknown>): RecurrentResult<unknown>;
  step(x: Tensor, state?: unknown): RecurrentResult<unknown>;
};

/** Sequences for a layer, from [batch, length, features] and back: only the first two axes. */
function arranged({ batchFirst }: Layer, x: Tensor): Tensor {
  return batchFirst ? x : x.transpose(0, 1);
}

/** Every tensor of a result, one after the other. */
function flat(tree: unknown): Tensor {
  return tree instanceof Tensor ? tree.flatten() : concat(Object.values(Object(tree)).map(flat));
}

/** Values that f gives, and their gradients with respect to the parameters and other inputs. */
function measure(layer: Layer, inputs: readonly Tensor[], f: (...inputs: Tensor[]) => unknown) {
  const leaves = inputs.map((x) => leaf(x));
  const value = flat(f(...leaves));
  const cotangent = unevenCotangent(value);
  const gradients = grad(value, [...layer.parameters(), ...leaves], { cotangent });
  return [value, ...gradients];
}

function expectAllClose(found: readonly Tensor[], expected: readonly Tensor[]): void {
  expect(found).toHaveLength(expected.length);
  found.forEach((x, i) => expectClose(x, expected[i], 1e-12, 1e-13));
}

const rounds = { numRuns: runs(15) };

describe('GRU and LSTM', () => {
  it('read in pieces, and step by step, what they read at once', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const layer = drawLayer(g, [false]);
        const [batch, length] = [drawInteger(g, 1, 2), drawInteger(g, 1, 5)];
        const x = arranged(layer, drawTensor(g, [batch, length, layer.inputSize]));
        const axis = layer.batchFirst ? 1 : 0;
        const inPieces = (...counts: number[]) => measure(layer, [x], (whole) => {
          let state: unknown;
          const outputs = whole.split(counts, axis).map((piece) => {
            const isStep = counts.length === length;
            const result = isStep
              ? layer.step(piece.squeeze(axis), state)
              : layer.forward(piece, { state });
            state = result.state;
            return isStep ? result.output.unsqueeze(axis) : result.output;
          });
          return [concat(outputs, axis), state];
        });
        const whole = measure(layer, [x], (given) => {
          const { output, state } = layer.forward(given);
          return [output, state];
        });
        for (let cut = 1; cut < length; cut++) {
          expectAllClose(inPieces(cut, length - cut), whole);
        }
        expectAllClose(inPieces(...new Array<number>(length).fill(1)), whole);
      }),
      rounds,
    );
  });

  it('pass over padding, wherever it is, in both directions', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const layer = drawLayer(g);
        const [batch, length] = [drawInteger(g, 1, 3), drawInteger(g, 1, 6)];
        const places = drawPlaces(g, [batch, length], 1);
        const mask = maskOf(places, length);
        const x = drawTensor(g, [batch, length, layer.inputSize]);
        const padded = measure(layer, [x], (given) => {
          const options = { mask: arranged(layer, mask) };
          const { output, state } = layer.forward(arranged(layer, given), options);
          const results = arranged(layer, output);
          const atPadding = mask.unsqueeze(-1).where(0, results);
          expectSame(atPadding, atPadding.mul(0));
          return [take(results, places), state];
        });
        const alone = measure(layer, [x], (given) => {
          const { output, state } = layer.forward(arranged(layer, take(given, places)));
          return [arranged(layer, output), state];
        });
        expectAllClose(padded, alone);
      }),
      rounds,
    );
  });

  it('take lengths for the mask that has so many ones at the start', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const layer = drawLayer(g);
        const [batch, length] = [drawInteger(g, 1, 3), drawInteger(g, 1, 5)];
        const x = arranged(layer, drawTensor(g, [batch, length, layer.inputSize]));
        const lengths = drawIndices(g, [batch], length + 1);
        const steps = tensor(Int32Array.from({ length }, (_, t) => t));
        const mask = arranged(layer, steps.less(lengths.unsqueeze(1)));
        const found = layer.forward(x, { lengths });
        expectSame(flat(found), flat(layer.forward(x, { mask })));
        // No step at all leaves the state as it was.
        const state = layer.forward(x).state;
        const none = layer.forward(x, { state, lengths: zeros([batch], i32) });
        expectSame(flat(none), flat({ output: none.output.mul(0), state }));
      }),
      rounds,
    );
  });

  it('let nothing through from padding, whatever is there, bit for bit', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(NaN, Infinity, 1e300), (g, odd) => {
        const layer = drawLayer(g);
        const [batch, length] = [drawInteger(g, 1, 3), drawInteger(g, 1, 5)];
        const x = drawTensor(g, [batch, length, layer.inputSize]);
        const mask = drawIndices(g, [batch, length], 2);
        const read = (fill: number) => {
          const filled = mask.unsqueeze(-1).where(x, fill);
          return measure(layer, [filled], (given) =>
            layer.forward(arranged(layer, given), { mask: arranged(layer, mask) }),
          );
        };
        const expected = read(0);
        read(odd).forEach((each, i) => expectSame(each, expected[i]));
      }),
      rounds,
    );
  });

  it('refuse lengths that no row can have, also when they are compiled', () => {
    const layer = new GRU(2, 3);
    const run = (lengths: Tensor) => layer.forward(zeros([4, 2, 2]), { lengths }).output;
    for (const call of [run, compile(run)]) {
      for (const wrong of [[4, 5], [-1, 2]]) {
        expect(() => call(tensor(wrong, i32))).toThrow(
          /^GRU.forward: lengths: index (5|-1) .* 0 to 4/,
        );
      }
      expect(call(tensor([0, 4], i32)).shape).toEqual([4, 2, 3]);
    }
  });

  it('are compiled once for rows of any lengths, and learn nothing from padding', () => {
    const layer = new GRU(2, 5, { bidirectional: true, generator: new Generator(3) });
    const step = (x: Tensor, lengths: Tensor) => {
      const { output, state } = layer.forward(x, { lengths });
      const loss = output.square().sum().add(state.h.sum());
      return { output, gradients: grad(loss, layer.parameters()) };
    };
    let traces = 0;
    const compiled = compile((x: Tensor, lengths: Tensor) => {
      traces += 1;
      return step(x, lengths);
    });
    for (const numbers of [[3, 1], [0, 3], [2, 2]]) {
      const lengths = tensor(numbers, i32);
      const steps = tensor([[0], [1], [2]], i32).less(lengths).unsqueeze(-1);
      const x = steps.where(tensor([[1, -1], [0.5, 2]]).unsqueeze(0), NaN);
      const [found, expected] = [compiled(x, lengths), step(x, lengths)];
      expectClose(found.output, expected.output, 1e-6);
      found.gradients.forEach((each, i) => expectClose(each, expected.gradients[i], 1e-5));
    }
    expect(traces).toBe(1);
  });

  it('drop numbers between layers, in training', () => {
    const layer = new GRU(2, 3, { numLayers: 2, dropout: 1, generator: new Generator(1) });
    const x = ones([4, 1, 2]);
    const upper = new GRU(3, 3);
    const above = layer.namedParameters().filter(([name]) => name.endsWith('_l1'));
    upper.loadStateDict(new Map(above.map(([name, x]) => [name.replace('_l1', '_l0'), x])));
    expectSame(layer.forward(x).output, upper.forward(zeros([4, 1, 3])).output);
    const inUse = layer.eval().forward(x).output;
    expect(inUse.equal(layer.train().forward(x).output).min().item()).toBe(0);
    const one = new GRU(2, 3, { dropout: 1, generator: new Generator(1) });
    expectSame(one.forward(x).output, one.eval().forward(x).output);
  });

  it('start within PyTorch’s bounds, repeatably, and load its checkpoints', () => {
    const make = () => new LSTM(3, 16, { generator: new Generator(2), bidirectional: true });
    const layer = make();
    for (const [i, parameter] of layer.parameters().entries()) {
      expect(parameter.abs().max().item()).toBeLessThanOrEqual(1 / 4);
      expect(parameter.abs().max().item()).toBeGreaterThan(0.8 / 4);
      expectSame(make().parameters()[i], parameter);
    }
    const names = ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'];
    expect(layer.namedParameters().map(([name]) => name)).toEqual(
      ['_l0', '_l0_reverse'].flatMap((end) => names.map((name) => name + end)),
    );
    const file = parseSafetensors(readFileSync(locate('recurrent/cases.safetensors')));
    const saved = [...file.readAll()].flatMap(([name, x]): [string, Tensor][] => {
      const [number, group, parameter] = name.split('.');
      return number === '9' && group === 'param' ? [[parameter, x]] : [];
    });
    const loaded = new GRU(2, 3, { numLayers: 2, bidirectional: true }).to('f64');
    loaded.loadStateDict(new Map(saved));
    expect(saved).toHaveLength(16);
    for (const [name, x] of saved) expectSame(loaded[name as 'weight_ih_l0'], x);
  });

  it('refuse what cannot be right', () => {
    const layer = new LSTM(2, 3, { bidirectional: true });
    const x = zeros([4, 5, 2]);
    const h = zeros([2, 5, 3]);
    const wrong: readonly [() => unknown, string][] = [
      [() => new GRU(0, 3), 'GRU: inputSize is 0, expected a whole number from 1'],
      [() => new LSTM(2, 3, { dropout: 2 }), 'LSTM: dropout is 2, expected a number from 0 to 1'],
      [
        () => layer.forward(zeros([5, 2])),
        'LSTM.forward: x is f32[5, 2], expected f32[length, batch, 2] that is not empty',
      ],
      [
        () => new GRU(2, 3, { batchFirst: true }).forward(zeros([4, 0, 2])),
        'GRU.forward: x is f32[4, 0, 2], expected f32[batch, length, 2] that is not empty',
      ],
      [() => layer.forward(x.cast('f64')), 'LSTM.forward: x is f64[4, 5, 2], expected f32[length'],
      [
        () => layer.forward(x, { state: h as never }),
        'LSTM.forward: state.h is undefined, expected f32[2, 5, 3]',
      ],
      [
        () => layer.forward(x, { state: { h, c: zeros([1, 5, 3]) } }),
        'LSTM.forward: state.c is f32[1, 5, 3], expected f32[2, 5, 3]',
      ],
      [
        () => layer.forward(x, { lengths: ones([5]) }),
        'LSTM.forward: lengths is f32[5], expected i32[5]',
      ],
      [
        () => layer.forward(x, { mask: ones([5, 4], i32) }),
        'LSTM.forward: mask is i32[5, 4], expected i32[4, 5]',
      ],
      [
        () => layer.forward(x, { mask: ones([4, 5], i32), lengths: ones([5], i32) }),
        'LSTM.forward: lengths and mask are both given, expected one of them',
      ],
      [
        () => layer.step(zeros([5, 2])),
        'LSTM.step: the layer is bidirectional: its second direction begins at the end',
      ],
      [() => new GRU(2, 3).step(x), 'GRU.step: x is f32[4, 5, 2], expected f32[batch, 2]'],
    ];
    for (const [call, message] of wrong) {
      expect(call).toThrow(TensorError);
      expect(call).toThrow(message);
    }
  });
});
