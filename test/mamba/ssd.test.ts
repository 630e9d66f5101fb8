/** State space duality: chunks, the recurrence, single steps and the selective scan agree. */
import { selectiveScan, ssd, type SSDOptions } from '@mambagrad/mamba';
import { concat, gradcheck, stack, type Tensor, tensor, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compiledValueAndGradients, expectClose, valueAndGradients } from '../support/compare.ts';
import { type Draw, drawInteger, drawTensor } from '../support/draw.ts';
import { drawDocuments, drawFlags, drawPlaces, maskOf, take } from '../support/sequences.ts';

const sizes = ['batch', 'heads of a group', 'groups', 'headDim', 'stateSize'];

/** x, dt, A, B, C, D and the initial state, in this order. */
function drawInputs(g: Draw, length: number): Tensor[] {
  const [batch, perGroup, groups, headDim, stateSize] = sizes.map(() => drawInteger(g, 1, 3));
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

const joined = (gradients: readonly Tensor[]) => concat(gradients.map((x) => x.flatten()));

describe('ssd', () => {
  it('in chunks of any size, as a recurrence, and as a selective scan, is the same', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 40 }), (g, length) => {
        const inputs = drawInputs(g, length);
        const expected = valueAndGradients(asSelectiveScan, inputs);
        const chunkSize = drawInteger(g, 1, length + 3);
        for (const options of [{ chunkSize }, {}, { algorithm: 'recurrent' }] as SSDOptions[]) {
          const { value, gradients } = valueAndGradients(both(options), inputs);
          expectClose(value, expected.value, 1e-12);
          gradients.forEach((x, i) => expect(x.shape).toEqual(expected.gradients[i].shape));
          expectClose(joined(gradients), joined(expected.gradients), 1e-12);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('has the gradients of finite differences, for every input', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 5 }), (g, length) => {
        gradcheck(both({ chunkSize: drawInteger(g, 1, 4) }), drawInputs(g, length));
      }),
      { numRuns: 10 },
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
      { numRuns: 40 },
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
        for (const algorithm of ['chunked', 'recurrent'] as const) {
          const options = { ...flags, algorithm, chunkSize: drawInteger(g, 1, length + 1) };
          const { value, gradients } = valueAndGradients(both(options), inputs);
          expectClose(value, expected.value, 1e-12);
          expectClose(joined(gradients), joined(expected.gradients), 1e-12);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('passes over padding, wherever it is', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 20 }), (g, length) => {
        const inputs = drawInputs(g, length);
        const places = drawPlaces(g, inputs[0].shape);
        const algorithm = g(fc.boolean) ? 'chunked' : 'recurrent';
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
      { numRuns: 30 },
    );
  });

  it('in float32 keeps to float64 over long sequences, however slow the decay', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(1000, 16384), (g, length) => {
        const rate = 10 ** drawInteger(g, -6, 0);
        const [x, B, C] = [0, 1, 2].map(() => drawTensor(g, [1, length, 1, 2]));
        const inputs = [x, drawTensor(g, [1, length, 1], 0.001, 0.1), tensor([-rate]), B, C];
        const run = (dtype: 'f32' | 'f64', options: SSDOptions) => {
          const [x1, dt, A, B1, C1] = inputs.map((input) => input.cast(dtype));
          return ssd(x1, dt, A, B1, C1, options).y;
        };
        expectClose(run('f32', {}), run('f64', { algorithm: 'recurrent' }), 1e-5);
      }),
      { numRuns: 8 },
    );
  });

  it('stays exact where states decay to nothing within a chunk', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [x, dt, A, ...rest] = drawInputs(g, 50);
        const inputs = [x, dt.mul(100), A, ...rest];
        const fast = valueAndGradients(both({ chunkSize: 32 }), inputs, 'f32');
        const exact = valueAndGradients(both({ algorithm: 'recurrent' }), inputs);
        expectClose(fast.value, exact.value, 1e-5);
        expectClose(joined(fast.gradients), joined(exact.gradients), 1e-5);
      }),
      { numRuns: 20 },
    );
  });

  it('compiles to the same, in values and gradients, with flags or without', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 12 }), (g, length) => {
        const inputs = drawInputs(g, length);
        const f = both({ ...drawFlags(g, inputs[0].shape), chunkSize: drawInteger(g, 1, 6) });
        const expected = valueAndGradients(f, inputs);
        const found = compiledValueAndGradients(f, inputs);
        expectClose(found.value, expected.value, 1e-5);
        expectClose(joined(found.gradients), joined(expected.gradients), 1e-5);
      }),
      { numRuns: 10 },
    );
  });

  it('names the argument that does not fit', () => {
    const x = zeros([1, 2, 3, 4]);
    const [dt, A, B] = [zeros([1, 2, 3]), zeros([3]), zeros([1, 2, 1, 5])];
    expect(() => ssd(x, dt, A, zeros([1, 2, 2, 5]), B)).toThrow('heads a multiple of groups');
    expect(() => ssd(x, dt, A, B, zeros([1, 2, 3, 5]))).toThrow(
      'ssd: C is f32[1, 2, 3, 5], expected f32[1, 2, 1, 5]',
    );
    expect(() => ssd(x, dt, A, B, B, { D: zeros([3], { dtype: 'f64' }) })).toThrow('D is f64');
    expect(() => ssd(x, dt, A, B, B, { chunkSize: 0 })).toThrow('chunkSize 0; expected');
  });
});
