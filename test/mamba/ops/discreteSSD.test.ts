/** SSD with decays as they are: what the recurrence says, also where nothing or all is left. */
import { discreteSSD, ssd, type SSDAlgorithm, type SSDOptions } from '@mambagrad/mamba';
import {
  compile, type CompileOptions, concat, grad, type Tensor, tensor, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compiledValueAndGradients, expectClose, expectSame, valueAndGradients,
} from '../../support/compare.ts';
import {
  type Draw, drawIndices, drawInteger, drawShape, drawSizes, drawTensor,
} from '../../support/draw.ts';
import { checkGradients, checkSecondGradients, joined } from '../../support/gradients.ts';
import { drawFlags, drawPlaces, maskOf, take } from '../../support/sequences.ts';
import { asTwins } from '../../support/sharing.ts';
import { runs } from '../../support/soak.ts';

const algorithms: readonly SSDAlgorithm[] = ['fused', 'chunked', 'recurrent'];
const backends: readonly CompileOptions[] = [
  { backend: 'wasm' },
  { backend: 'wasm', deterministic: true },
  { backend: 'js', deterministic: true },
];

/** x, log decays up to `most`, B, C, D, for each head or channel, and the initial state. */
function drawInputs(
  g: Draw, length: number, sizes = drawSizes(g, 3, 3, 3, 3, 3), most = 0,
): Tensor[] {
  const [batch, groups, perGroup, headDim, stateSize] = sizes;
  const heads = perGroup * groups;
  return [
    drawTensor(g, [batch, length, heads, headDim]),
    drawTensor(g, [batch, length, heads], -2, most),
    drawTensor(g, [batch, length, groups, stateSize]),
    drawTensor(g, [batch, length, groups, stateSize]),
    drawTensor(g, g(fc.boolean) ? [heads] : [heads, headDim]),
    drawTensor(g, [batch, heads, headDim, stateSize]),
  ];
}

/** y and the last state in one tensor, so that both take part in the gradients. */
const both =
  (options: SSDOptions = {}) =>
  (...[x, logDecay, B, C, D, initialState]: Tensor[]): Tensor => {
    const { y, lastState } = discreteSSD(x, logDecay, B, C, { D, initialState, ...options });
    return concat([y.flatten(), lastState.flatten()]);
  };

/** y and the last state as the recurrence says, number by number. */
function byHand(...[x, logDecay, B, C, D, initialState]: Tensor[]) {
  const [batch, length, heads, headDim] = x.shape;
  const [groups, stateSize] = B.shape.slice(2);
  const states = Float64Array.from(initialState.data);
  const ys = new Float64Array(x.numel);
  for (let row = 0; row < batch * length; row++) {
    for (let head = 0; head < heads; head++) {
      const group = row * groups + Math.floor(head / (heads / groups));
      const decay = Math.exp(logDecay.data[row * heads + head]);
      for (let p = 0; p < headDim; p++) {
        const at = (row * heads + head) * headDim + p;
        const state = ((Math.floor(row / length) * heads + head) * headDim + p) * stateSize;
        ys[at] = D.data[D.ndim === 1 ? head : head * headDim + p] * x.data[at];
        for (let n = 0; n < stateSize; n++) {
          states[state + n] *= decay;
          states[state + n] += x.data[at] * B.data[group * stateSize + n];
          ys[at] += states[state + n] * C.data[group * stateSize + n];
        }
      }
    }
  }
  return tensor([...ys, ...states], { shape: [x.numel + initialState.numel], dtype: 'f64' });
}

/** Log decays in which some steps, or all, of some heads forget everything. */
function forgetful(g: Draw, logDecay: Tensor): { decays: Tensor; forgets: Tensor } {
  const forgets = drawIndices(g, logDecay.shape.slice(0, 2), 2);
  return { forgets, decays: forgets.unsqueeze(-1).where(-Infinity, logDecay) };
}

describe('discreteSSD', () => {
  it('is the recurrence, in every algorithm, also of states that grow', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 40 }), (g, length) => {
        const inputs = drawInputs(g, length, undefined, g(fc.boolean) ? 0 : 0.5);
        const expected = byHand(...inputs);
        const reference = valueAndGradients(both({ algorithm: 'recurrent' }), inputs);
        for (const algorithm of algorithms) {
          const chunkSize = drawInteger(g, 1, length + 3);
          const found = valueAndGradients(both({ algorithm, chunkSize }), inputs);
          expectClose(found.value, expected, 1e-12);
          expectClose(joined(found.gradients), joined(reference.gradients), 1e-12);
        }
      }),
      { numRuns: runs(25) },
    );
  });

  it('is what ssd is after it has discretised, to the last bit', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(...algorithms), fc.nat(40), (g, algorithm, length) => {
        const [x, dt, B, C, , initialState] = drawInputs(g, length);
        const A = drawTensor(g, [x.shape[2]], -2, -0.1);
        const options = { initialState, algorithm, ...drawFlags(g, x.shape) };
        const found = discreteSSD(x.mul(dt.unsqueeze(-1)), dt.mul(A), B, C, options);
        const expected = ssd(x, dt, A, B, C, options);
        expectSame(found.y, expected.y);
        expectSame(found.lastState, expected.lastState);
      }),
      { numRuns: runs(20) },
    );
  });

  it('is the same for sizes of 0', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 3 }), (g, length) => {
        const [batch, ...sizes] = drawShape(g, { minRank: 4, maxRank: 4 });
        const inputs = drawInputs(g, length, [batch, drawInteger(g, 1, 2), ...sizes]);
        const expected = byHand(...inputs);
        for (const algorithm of algorithms) {
          const f = both({ algorithm });
          expectClose(f(...inputs), expected, 1e-12);
          if (algorithm !== 'fused') continue;
          expectClose(compiledValueAndGradients(f, inputs).value, expected, 1e-5);
        }
      }),
      { numRuns: runs(6) },
    );
  });

  it('has the gradients of finite differences, for every input', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(...algorithms), (g, algorithm) => {
        const inputs = drawInputs(g, drawInteger(g, 0, 5), drawSizes(g, 2, 2, 2, 3, 3), 0.5);
        const chunkSize = drawInteger(g, 1, 4);
        checkGradients(both({ ...drawFlags(g, inputs[0].shape), algorithm, chunkSize }), inputs);
      }),
      { numRuns: runs(8) },
    );
  });

  it('has second derivatives', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const inputs = drawInputs(g, drawInteger(g, 2, 6), drawSizes(g, 1, 2, 2, 2, 2));
        const f = both({ ...drawFlags(g, inputs[0].shape), chunkSize: 4 });
        checkSecondGradients(f, inputs);
      }),
      { numRuns: 4 },
    );
  });

  it('forgets everything at a log decay of −∞, as at a reset', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 40 }), (g, length) => {
        const compiledOne = algorithms[drawInteger(g, 0, 2)];
        const [x, logDecay, ...rest] = drawInputs(g, length);
        const { decays, forgets } = forgetful(g, logDecay);
        const flags = { ...drawFlags(g, x.shape), segmentIds: undefined };
        const reset = flags.reset ? flags.reset.maximum(forgets) : forgets;
        // At padding nothing is forgotten, but a reset there would count.
        const mask = flags.mask?.maximum(forgets);
        const inputs = [x, decays, ...rest];
        const exact = valueAndGradients(
          both({ ...flags, mask, reset, algorithm: 'recurrent' }), [x, logDecay, ...rest],
        );
        for (const algorithm of algorithms) {
          const f = both({ ...flags, mask, algorithm, chunkSize: drawInteger(g, 1, length + 1) });
          const double = valueAndGradients(f, inputs);
          expectClose(double.value, exact.value, 1e-12);
          expectClose(joined(double.gradients), joined(exact.gradients), 1e-12);
          const single = valueAndGradients(f, inputs, 'f32');
          expectClose(joined(single.gradients), joined(exact.gradients), 1e-5);
          if (compiledOne !== algorithm) continue;
          const compiled = compiledValueAndGradients(f, inputs);
          expectClose(compiled.value, exact.value, 1e-5);
          expectClose(joined(compiled.gradients), joined(exact.gradients), 1e-5);
        }
      }),
      { numRuns: runs(15) },
    );
  });

  it('has finite second derivatives where it forgets', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [x, logDecay, ...rest] = drawInputs(g, 5, drawSizes(g, 1, 2, 2, 2, 2));
        const inputs = [x, forgetful(g, logDecay).decays, ...rest];
        for (const algorithm of algorithms) {
          const f = (...args: Tensor[]) =>
            joined(grad(both({ algorithm, chunkSize: 3 })(...args).sin().sum(), args, {
              createGraph: true,
            }));
          const { value, gradients } = valueAndGradients(f, inputs);
          expect([value, ...gradients].every((all) => all.data.every(Number.isFinite))).toBe(true);
        }
      }),
      { numRuns: runs(6) },
    );
  });

  it('adds up at log decays of 0', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(...algorithms), fc.nat(80), (g, algorithm, length) => {
        const x = drawTensor(g, [2, length, 1, 3]);
        const [decays, ones] = [zeros([2, length, 1]), x.narrow(3, 0, 1).mul(0).add(1)];
        const f = (...[input, decay, one]: Tensor[]) =>
          discreteSSD(input, decay, one, one, { algorithm }).y;
        const single = [x, decays, ones].map((each) => each.cast('f32'));
        expectClose(compile(f)(...single), x.cumsum(1), 1e-5);
        expectClose(f(x, decays.cast('f64'), ones), x.cumsum(1), 1e-12);
      }),
      { numRuns: runs(10) },
    );
  });

  it('passes over padding, wherever it is', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 20 }), (g, length) => {
        const inputs = drawInputs(g, length);
        const places = drawPlaces(g, inputs[0].shape);
        const algorithm = algorithms[drawInteger(g, 0, 2)];
        const run = (mask?: Tensor) => (...[x, a, B, C, D, initialState]: Tensor[]): Tensor => {
          const cut = (input: Tensor) => (mask ? input : take(input, places));
          const options = { D, initialState, mask, algorithm, chunkSize: 4 } as const;
          const { y, lastState } = discreteSSD(cut(x), cut(a), cut(B), cut(C), options);
          return concat([(mask ? take(y, places) : y).flatten(), lastState.flatten()]);
        };
        const found = valueAndGradients(run(maskOf(places, length)), inputs);
        const expected = valueAndGradients(run(), inputs);
        expectClose(found.value, expected.value, 1e-12);
        expectClose(joined(found.gradients), joined(expected.gradients), 1e-12);
      }),
      { numRuns: runs(20) },
    );
  });

  it('compiles to the same, and to the same bits on both backends', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 90 }), (g, length) => {
        const inputs = drawInputs(g, length, drawSizes(g, 2, 2, 2, 13, 19));
        const f = both({ ...drawFlags(g, inputs[0].shape), chunkSize: drawInteger(g, 1, 40) });
        const exact = valueAndGradients(f, inputs);
        const results = asTwins(
          backends.map((how) => () => compiledValueAndGradients(f, inputs, how)),
        );
        const [fast, one, other] = results.map(({ value, gradients }) => [value, ...gradients]);
        expectClose(fast[0], exact.value, 1e-5);
        expectClose(joined(fast.slice(1)), joined(exact.gradients), 1e-5);
        one.forEach((x, i) => expectSame(x, other[i]));
      }),
      { numRuns: 5 },
    );
  });

  it('names the argument that does not fit', () => {
    const [x, a, B] = [zeros([1, 2, 3, 4]), zeros([1, 2, 3]), zeros([1, 2, 1, 5])];
    expect(() => discreteSSD(x, a, zeros([1, 2, 2, 5]), B)).toThrow(
      'discreteSSD: x is f32[1, 2, 3, 4], B f32[1, 2, 2, 5]; expected',
    );
    expect(() => discreteSSD(x, zeros([3]), B, B)).toThrow(
      'discreteSSD: logDecay is f32[3], expected f32[1, 2, 3]',
    );
    expect(() => discreteSSD(x, a, B, B, { D: zeros([4]) })).toThrow(
      'discreteSSD: D is f32[4], expected f32[3]',
    );
    expect(() => discreteSSD(x, a, B, B, { D: zeros([3, 3]) })).toThrow(
      'discreteSSD: D is f32[3, 3], expected f32[3, 4]',
    );
    expect(() => discreteSSD(x, a, B, B, { chunkSize: 0 })).toThrow('discreteSSD: chunkSize is 0');
    // Integers would be decays of 2 where e is meant.
    const whole = [x, a, B].map((each) => each.cast('i32'));
    expect(() => discreteSSD(whole[0], whole[1], whole[2], whole[2])).toThrow(
      'discreteSSD: x is i32[1, 2, 3, 4], expected f32 or f64',
    );
    expect(() => discreteSSD(x, a, 3 as never, B)).toThrow('discreteSSD: B is 3, expected');
  });
});
