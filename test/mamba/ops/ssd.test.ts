/** State space duality: all algorithms, single steps and the selective scan agree. */
import { selectiveScan, ssd, type SSDAlgorithm, type SSDOptions } from '@mambagrad/mamba';
import {
  compile, type CompileOptions, concat, grad, ones, stack, type Tensor, tensor, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compiledValueAndGradients, expectClose, expectSame, leaf, valueAndGradients,
} from '../../support/compare.ts';
import { type Draw, drawInteger, drawShape, drawSizes, drawTensor } from '../../support/draw.ts';
import { checkGradients, checkSecondGradients, joined } from '../../support/gradients.ts';
import { drawDocuments, drawFlags, drawPlaces, maskOf, take } from '../../support/sequences.ts';
import { asTwins } from '../../support/sharing.ts';
import { runs } from '../../support/soak.ts';

const algorithms: readonly SSDAlgorithm[] = ['fused', 'chunked', 'recurrent'];

/** x, dt, A, B, C, D and the initial state, in this order. */
function drawInputs(g: Draw, length: number, sizes = drawSizes(g, 3, 3, 3, 3, 3)): Tensor[] {
  const [batch, groups, perGroup, headDim, stateSize] = sizes;
  const heads = perGroup * groups;
  return [
    drawTensor(g, [batch, length, heads, headDim]),
    drawTensor(g, [batch, length, heads], 0, 2),
    drawTensor(g, [heads], -2, -0.1),
    drawTensor(g, [batch, length, groups, stateSize]),
    drawTensor(g, [batch, length, groups, stateSize]),
    drawTensor(g, [heads]),
    drawTensor(g, [batch, heads, headDim, stateSize]),
  ];
}

/** y and the last state in one tensor, so that both take part in the gradients. */
const both =
  (options: SSDOptions = {}) =>
  (...[x, dt, A, B, C, D, initialState]: Tensor[]): Tensor => {
    const { y, lastState } = ssd(x, dt, A, B, C, { D, initialState, ...options });
    return concat([y.flatten(), lastState.flatten()]);
  };

/** The same by the selective scan, in which every channel has rates of its own. */
function asSelectiveScan(...[x, dt, A, B, C, D, initialState]: Tensor[]): Tensor {
  const [, , heads, headDim] = x.shape;
  const [groups, stateSize] = B.shape.slice(2);
  const parts = Array.from({ length: heads }, (_, head) => {
    const of = (x: Tensor, axis: number, at = head) => x.narrow(axis, at, 1).squeeze(axis);
    const group = Math.floor((head * groups) / heads);
    const { y, lastState } = selectiveScan(
      of(x, 2),
      of(dt, 2).unsqueeze(-1).repeatInterleave(headDim, 2),
      of(A, 0).broadcastTo([headDim, stateSize]),
      of(B, 2, group),
      of(C, 2, group),
      { D: of(D, 0).broadcastTo([headDim]), initialState: of(initialState, 1) },
    );
    return [y, lastState];
  });
  const [ys, states] = [0, 1].map((i) => parts.map((part) => part[i]));
  return concat([stack(ys, 2).flatten(), stack(states, 1).flatten()]);
}

describe('ssd', () => {
  it('fused, in chunks, as a recurrence, and as a selective scan, is the same', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 40 }), (g, length) => {
        const inputs = drawInputs(g, length);
        const expected = valueAndGradients(asSelectiveScan, inputs);
        const chunkSize = drawInteger(g, 1, length + 3);
        const sized = algorithms.map((algorithm): SSDOptions => ({ algorithm, chunkSize }));
        for (const options of [{}, ...sized]) {
          const { value, gradients } = valueAndGradients(both(options), inputs);
          expectClose(value, expected.value, 1e-12);
          gradients.forEach((x, i) => expect(x.shape).toEqual(expected.gradients[i].shape));
          expectClose(joined(gradients), joined(expected.gradients), 1e-12);
        }
      }),
      { numRuns: runs(60) },
    );
  });

  it('is the same for sizes of 0', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 3 }), (g, length) => {
        const [batch, ...sizes] = drawShape(g, { minRank: 4, maxRank: 4 });
        const inputs = drawInputs(g, length, [batch, drawInteger(g, 1, 2), ...sizes]);
        const expected = valueAndGradients(both({ algorithm: 'recurrent' }), inputs);
        const found = valueAndGradients(both(), inputs);
        const compiled = compiledValueAndGradients(both(), inputs);
        [found, compiled].forEach(({ value, gradients }, i) => {
          expectClose(value, expected.value, [1e-12, 1e-5][i]);
          expectClose(joined(gradients), joined(expected.gradients), [1e-12, 1e-5][i]);
        });
      }),
      { numRuns: runs(10) },
    );
  });

  it('has the gradients of finite differences, for every input', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(...algorithms), (g, algorithm) => {
        const inputs = drawInputs(g, drawInteger(g, 0, 5));
        const chunkSize = drawInteger(g, 1, 4);
        checkGradients(both({ ...drawFlags(g, inputs[0].shape), algorithm, chunkSize }), inputs);
      }),
      { numRuns: runs(20) },
    );
  });

  it('has second derivatives', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const inputs = drawInputs(g, drawInteger(g, 2, 6), drawSizes(g, 1, 2, 2, 2, 2));
        const f = both({ ...drawFlags(g, inputs[0].shape), chunkSize: 4 });
        checkSecondGradients(f, inputs);
      }),
      { numRuns: 5 },
    );
  });

  it('is its own continuation, and one step at a time', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 20 }), (g, length) => {
        const [x, dt, A, B, C, D, initialState] = drawInputs(g, length);
        const whole = ssd(x, dt, A, B, C, { D, initialState, chunkSize: 4 });
        const cut = drawInteger(g, 0, length);
        const first = [x, dt, B, C].map((input) => input.narrow(1, 0, cut));
        const start = ssd(first[0], first[1], A, first[2], first[3], { D, initialState });
        let state = start.lastState;
        const ys = [start.y];
        for (let t = cut; t < length; t++) {
          const [xt, dtt, Bt, Ct] = [x, dt, B, C].map((input) => input.narrow(1, t, 1));
          const after = ssd(xt, dtt, A, Bt, Ct, { D, initialState: state });
          state = after.lastState;
          ys.push(after.y);
        }
        expectClose(concat(ys, 1), whole.y, 1e-12);
        expectClose(state, whole.lastState, 1e-12);
      }),
      { numRuns: runs(40) },
    );
  });

  it('keeps packed documents apart, in values and gradients', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 20 }), (g, length) => {
        const inputs = drawInputs(g, length);
        const { lengths, flags } = drawDocuments(g, inputs[0].shape);
        const alone = (...[x, dt, A, B, C, D, initialState]: Tensor[]): Tensor => {
          let start = 0;
          const parts = lengths.map((count, i) => {
            const from = (start += count) - count;
            const [x1, dt1, B1, C1] = [x, dt, B, C].map((input) => input.narrow(1, from, count));
            return ssd(x1, dt1, A, B1, C1, { D, ...(i === 0 && { initialState }) });
          });
          const last = parts[parts.length - 1].lastState;
          return concat([concat(parts.map(({ y }) => y), 1).flatten(), last.flatten()]);
        };
        const expected = valueAndGradients(alone, inputs);
        for (const algorithm of algorithms) {
          const options = { ...flags, algorithm, chunkSize: drawInteger(g, 1, length + 1) };
          const { value, gradients } = valueAndGradients(both(options), inputs);
          expectClose(value, expected.value, 1e-12);
          expectClose(joined(gradients), joined(expected.gradients), 1e-12);
        }
      }),
      { numRuns: runs(30) },
    );
  });

  it('passes over padding, wherever it is', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 20 }), (g, length) => {
        const inputs = drawInputs(g, length);
        const places = drawPlaces(g, inputs[0].shape);
        const algorithm = algorithms[drawInteger(g, 0, 2)];
        const run = (mask?: Tensor) => (...[x, dt, A, B, C, D, initialState]: Tensor[]): Tensor => {
          const cut = (input: Tensor) => (mask ? input : take(input, places));
          const options = { D, initialState, mask, algorithm, chunkSize: 4 } as const;
          const { y, lastState } = ssd(cut(x), cut(dt), A, cut(B), cut(C), options);
          return concat([(mask ? take(y, places) : y).flatten(), lastState.flatten()]);
        };
        const found = valueAndGradients(run(maskOf(places, length)), inputs);
        const expected = valueAndGradients(run(), inputs);
        expectClose(found.value, expected.value, 1e-12);
        expectClose(joined(found.gradients), joined(expected.gradients), 1e-12);
      }),
      { numRuns: runs(30) },
    );
  });

  it('in float32 keeps to float64 over long sequences, however slow the decay', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(1000, 16384), (g, length) => {
        const rate = 10 ** drawInteger(g, -6, 0);
        const [x, B, C] = [0, 1, 2].map(() => drawTensor(g, [1, length, 1, 2]));
        const inputs = [x, drawTensor(g, [1, length, 1], 0.001, 0.1), tensor([-rate]), B, C];
        const run = (options?: SSDOptions) => (...[x1, dt, A, B1, C1]: Tensor[]) =>
          ssd(x1, dt, A, B1, C1, options).y;
        const exact = run({ algorithm: 'recurrent' })(...inputs.map((one) => one.cast('f64')));
        const single = inputs.map((one) => one.cast('f32'));
        for (const f of [run(), run({ algorithm: 'chunked' }), compile(run())]) {
          expectClose(f(...single), exact, 1e-5);
        }
      }),
      { numRuns: runs(8) },
    );
  });

  it('stays exact where states decay to nothing within a chunk, in some steps or in all', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [x, dt, A, ...rest] = drawInputs(g, 50);
        const often = drawTensor(g, dt.shape, 0, drawInteger(g, 1, 4)).greater(1);
        const inputs = [x, often.where(dt.mul(100), dt.mul(0.001)), A, ...rest];
        const exact = valueAndGradients(both({ algorithm: 'recurrent' }), inputs);
        const results = [
          valueAndGradients(both({ algorithm: 'chunked', chunkSize: 32 }), inputs, 'f32'),
          valueAndGradients(both(), inputs, 'f32'),
          compiledValueAndGradients(both(), inputs),
        ];
        for (const { value, gradients } of results) {
          expectClose(value, exact.value, 1e-5);
          expectClose(joined(gradients), joined(exact.gradients), 1e-5);
        }
      }),
      { numRuns: runs(20) },
    );
  });

  it('compiles to the same, in values and gradients, and to the same bits on both backends', () => {
    const backends: readonly CompileOptions[] = [
      { backend: 'wasm' },
      { backend: 'wasm', deterministic: true },
      { backend: 'js', deterministic: true },
    ];
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 90 }), (g, length) => {
        // Channels and states that fill tiles, or a part of one.
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
      { numRuns: runs(10) },
    );
  });

  it('computes the same bits of a sequence alone as beside others', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 90 }), (g, length) => {
        const all = drawInputs(g, length, [3, ...drawSizes(g, 2, 2, 9, 9)]);
        const [x, dt, A, B, C, _D, start] = all.map((input) => leaf(input, 'f32'));
        const program = compile((...args: Tensor[]) => {
          const [x1, dt1, B1, C1, initialState] = args;
          const { y, lastState } = ssd(x1, dt1, A, B1, C1, { initialState });
          return [y, lastState, ...grad(y.square().sum().add(lastState.sum()), args)];
        });
        const inputs = [x, dt, B, C, start];
        const row = drawInteger(g, 0, 2);
        const alone = program(...inputs.map((input) => leaf(input.narrow(0, row, 1), 'f32')));
        program(...inputs).forEach((found, i) => expectSame(found.narrow(0, row, 1), alone[i]));
      }),
      { numRuns: runs(10) },
    );
  });

  it('keeps fading states, and gradients, clear of denormal numbers', () => {
    const [x, dt] = [zeros([1, 400, 1, 4]), ones([1, 400, 1])];
    const [A, B, C] = [tensor([-1]), ones([1, 400, 1, 4]), ones([1, 400, 1, 4])];
    const initialState = ones([1, 1, 4, 4], { requiresGrad: true });
    const ends = compile(() => {
      const { lastState } = ssd(x, dt, A, B, C, { initialState });
      return concat([lastState, ...grad(lastState.sum(), [initialState])]);
    })();
    expect(ends.min().item()).toBeGreaterThan(1e-19);
    expect(ends.max().item()).toBeLessThan(1e-17);
  });

  it('compiled, lets no NaN of a decay vanish', () => {
    const A = tensor([NaN]);
    const [x, dt, B] = [ones([1, 9, 1, 1]), ones([1, 9, 1]), ones([1, 9, 1, 1])];
    const { y, lastState } = compile(() => ssd(x, dt, A, B, B))();
    expect([...y.data.subarray(1), ...lastState.data].every(Number.isNaN)).toBe(true);
  });

  it('names the argument that does not fit', () => {
    const x = zeros([1, 2, 3, 4]);
    const [dt, A, B] = [zeros([1, 2, 3]), zeros([3]), zeros([1, 2, 1, 5])];
    expect(() => ssd(x, dt, A, zeros([1, 2, 2, 5]), B)).toThrow('heads a multiple of groups');
    expect(() => ssd(x, dt, A, B, zeros([1, 2, 3, 5]))).toThrow(
      'ssd: C is f32[1, 2, 3, 5], expected f32[1, 2, 1, 5]',
    );
    expect(() => ssd(x, dt, A, B, B, { D: zeros([3], { dtype: 'f64' }) })).toThrow('D is f64');
    expect(() => ssd(x, dt, A, B, B, { chunkSize: 0 })).toThrow('ssd: chunkSize is 0, expected');
  });
});
