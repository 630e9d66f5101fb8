/**
 * The scans: every algorithm gives the plain recurrence, forwards and in reverse, in values and in
 * gradients, at every length; sequences can be cut anywhere; the future does not change the past.
 */
import {
  arange,
  associativeScan,
  concat,
  linearScan,
  type LinearScanOptions,
  type ScanAlgorithm,
  Tensor,
  tensor,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compiledValueAndGradients, expectClose, expectSame, valueAndGradients,
} from '../../support/compare.ts';
import { type Draw, drawIndices, drawInteger, drawTensor } from '../../support/draw.ts';
import { runs } from '../../support/soak.ts';

const algorithms: readonly ScanAlgorithm[] = [
  'sequential',
  'blelloch',
  'hillisSteele',
  'chunked',
];

/** Any length from 1 to 200; powers of two and their neighbours come up often. */
const lengths = () =>
  fc.oneof(
    fc.integer({ min: 1, max: 200 }),
    fc.integer({ min: 0, max: 7 }).map((power) => 2 ** power),
    fc.integer({ min: 1, max: 7 }).map((power) => 2 ** power + 1),
    fc.integer({ min: 1, max: 7 }).map((power) => 2 ** power - 1),
  );

interface Sequences {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly initialState: Tensor | undefined;
  readonly reset?: Tensor;
  readonly reverse: boolean;
  readonly length: number;
  /** From one step to more than there are. */
  readonly chunkSize: number;
}

/** [batch, length, channels, state] with |a| ≤ 1. */
function drawSequences(g: Draw): Sequences {
  const length = g(lengths);
  const [batch, channels, state] = [1, 2, 3].map((max) => drawInteger(g, 1, max));
  const shape = [batch, length, channels, state];
  return {
    a: drawTensor(g, shape, -1, 1),
    b: drawTensor(g, shape),
    initialState: g(fc.boolean) ? drawTensor(g, shape.toSpliced(1, 1)) : undefined,
    reverse: g(fc.boolean),
    length,
    chunkSize: drawInteger(g, 1, length + 1),
  };
}

/** The definition, one number at a time. */
function recurrence({ a, b, initialState, reset, reverse, length }: Sequences): Tensor {
  const width = a.numel / length / a.shape[0];
  const h = new Float64Array(a.numel);
  for (let batch = 0; batch < a.shape[0]; batch++) {
    for (let lane = 0; lane < width; lane++) {
      let state = initialState?.data[batch * width + lane] ?? 0;
      for (let step = 0; step < length; step++) {
        const t = reverse ? length - 1 - step : step;
        const at = (batch * length + t) * width + lane;
        state = (reset?.data[at] ? 0 : a.data[at] * state) + b.data[at];
        h[at] = state;
      }
    }
  }
  return tensor(h, { shape: a.shape });
}

function scanAll(sequences: Sequences, algorithm: ScanAlgorithm, dtype: 'f32' | 'f64') {
  const { a, b, initialState, reverse, chunkSize } = sequences;
  const options = { axis: 1, reverse, algorithm, chunkSize };
  return valueAndGradients(
    (decay, x, state) => linearScan(decay, x, { ...options, initialState: state }),
    initialState ? [a, b, initialState] : [a, b],
    dtype,
  );
}

describe('linearScan', () => {
  it.each(algorithms)('%s is the recurrence', (algorithm) => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const sequences = drawSequences(g);
        const { value } = scanAll(sequences, algorithm, 'f64');
        expectClose(value, recurrence(sequences), 1e-12);
      }),
    );
  });

  it.each([
    ['f64', 1e-12, 2 ** -52],
    ['f32', 1e-5, 2 ** -23],
  ] as const)('agrees over all algorithms in %s, values and gradients', (dtype, tolerance, ulp) => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const sequences = drawSequences(g);
        const expected = scanAll(sequences, 'sequential', dtype);
        // Terms of about this size make a gradient, which may be all that they leave.
        const scale = Math.max(1, ...expected.value.data.map(Math.abs));
        for (const algorithm of algorithms) {
          const found = scanAll(sequences, algorithm, dtype);
          expectClose(found.value, expected.value, tolerance);
          expect(found.gradients).toHaveLength(expected.gradients.length);
          found.gradients.forEach((gradient, i) =>
            expectClose(gradient, expected.gradients[i], tolerance, ulp * scale),
          );
        }
      }),
    );
  });

  it('can be cut anywhere, carrying the state', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(...algorithms), (g, algorithm) => {
        const { a, b, initialState, length, chunkSize } = drawSequences(g);
        const cut = drawInteger(g, 0, length);
        const options = { axis: 1, algorithm, chunkSize };
        const inOne = (decay: Tensor, x: Tensor) =>
          linearScan(decay, x, { ...options, initialState });
        const inTwo = (decay: Tensor, x: Tensor) => {
          const [a0, a1] = decay.split([cut, length - cut], 1);
          const [b0, b1] = x.split([cut, length - cut], 1);
          const first = linearScan(a0, b0, { ...options, initialState });
          const carried = cut > 0 ? first.narrow(1, cut - 1, 1).squeeze(1) : initialState;
          return concat([first, linearScan(a1, b1, { ...options, initialState: carried })], 1);
        };
        const whole = valueAndGradients(inOne, [a, b]);
        const parts = valueAndGradients(inTwo, [a, b]);
        expectClose(parts.value, whole.value, 1e-12);
        parts.gradients.forEach((gradient, i) => expectClose(gradient, whole.gradients[i], 1e-12));
      }),
    );
  });

  it('drops the past at a reset, whatever it holds, in values and gradients', () => {
    const odd = [NaN, Infinity, -Infinity];
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(...algorithms), (g, algorithm) => {
        const { a, b, length, reverse, chunkSize } = drawSequences(g);
        const start = drawTensor(g, a.shape.toSpliced(1, 1));
        const options = { axis: 1, reverse, algorithm, chunkSize };
        // Steps before the last reset of each row of states hold anything.
        const at = drawInteger(g, 0, length - 1);
        const steps = arange(0, length, 1, { dtype: 'i32' }).reshape([length, 1, 1]);
        const order = reverse ? steps.flip(0) : steps;
        const early = drawIndices(g, [length, 1, 1], 2).maximum(order.equal(at));
        const reset = order.lessEqual(at).mul(early).maximum(0);
        const isOld = order.less(at);
        const run = (fill: number) => {
          const inputs = [isOld.where(fill, a), isOld.where(fill, b), start.mul(0).add(fill)];
          const scan = (...[decay, x, initialState]: Tensor[]): Tensor => {
            const h = linearScan(decay, x, { ...options, initialState, reset });
            return isOld.where(0, h);
          };
          const eager = valueAndGradients(scan, inputs);
          const compiled = compiledValueAndGradients(scan, inputs, { deterministic: true });
          return [eager, compiled].flatMap(({ value, gradients: [da, db] }) =>
            [value, ...[da, db].map((x) => isOld.where(0, x))],
          );
        };
        const expected = run(0);
        expectClose(expected[0], isOld.where(0, recurrence({
          a, b, initialState: undefined, reset: reset.broadcastTo(a.shape), reverse, length,
          chunkSize,
        })), 1e-12);
        run(odd[drawInteger(g, 0, 2)]).forEach((x, i) => expectSame(x, expected[i]));
      }),
      { numRuns: runs(12) },
    );
  });

  it('leaves everything before a change untouched', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(...algorithms), (g, algorithm) => {
        const { a, b, length, chunkSize } = drawSequences(g);
        const t = drawInteger(g, 0, length - 1);
        const options: LinearScanOptions = { axis: 1, algorithm, chunkSize };
        const before = linearScan(a, b, options);
        const changed = b.data.slice();
        const width = b.numel / length / b.shape[0];
        for (let i = 0; i < b.shape[0] * width; i++) {
          const at = (Math.floor(i / width) * length + t) * width + (i % width);
          changed[at] += 1;
        }
        const after = linearScan(a, tensor(changed, { shape: b.shape }), options);
        expectSame(after.narrow(1, 0, t), before.narrow(1, 0, t));
        expect(after.narrow(1, t, 1).sub(before.narrow(1, t, 1)).min().item()).toBeGreaterThan(0.5);
      }),
    );
  });

  it('refuses what does not fit', () => {
    const x = tensor([[1, 2, 3]]);
    expect(() => linearScan(x, x, { initialState: tensor([1, 2]) })).toThrow(
      'linearScan: initialState is f32[2], expected f32[3]',
    );
    expect(() => linearScan(x, x, { algorithm: 'parallel' as ScanAlgorithm })).toThrow(
      "linearScan: algorithm is 'parallel', expected 'sequential' or 'blelloch' or 'hillisSteele'",
    );
    expect(() => linearScan(x, x, { algorithm: 'chunked', chunkSize: 0 })).toThrow(
      'linearScan: chunkSize is 0, expected a whole number from 1',
    );
    expect(() => linearScan(x, tensor([1, 2]))).toThrow('linearScan: shapes do not broadcast');
    expect(() => linearScan(x, x, { axis: 2 })).toThrow('linearScan: axis 2 is out of range');
  });
});

/** Products of 2×2 matrices [..., length, 2, 2]: associative, not commutative. */
const matrixProduct = ([earlier]: readonly Tensor[], [later]: readonly Tensor[]) => [
  earlier.matmul(later),
];

/** Pairs of the linear recurrence, as the combine of the generic scan. */
const linearPairs = ([a1, b1]: readonly Tensor[], [a2, b2]: readonly Tensor[]) => [
  a1.mul(a2),
  a2.mul(b1).add(b2),
];

describe('the pairs of the linear recurrence', () => {
  it('combine associatively, with the identity (1, 0)', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const draw = () => [drawTensor(g, [3], -1, 1), drawTensor(g, [3])];
        const [p, q, r] = [draw(), draw(), draw()];
        const left = linearPairs(linearPairs(p, q), r);
        const right = linearPairs(p, linearPairs(q, r));
        left.forEach((part, i) => expectClose(part, right[i], 1e-14));
        const one = [tensor([1, 1, 1], { dtype: 'f64' }), tensor([0, 0, 0], { dtype: 'f64' })];
        linearPairs(one, p).forEach((part, i) => expectSame(part, p[i]));
        linearPairs(p, one).forEach((part, i) => expectSame(part, p[i]));
      }),
    );
  });
});

describe('associativeScan', () => {
  const both = ['blelloch', 'hillisSteele'] as const;

  it.each(both)('%s is the sequential fold, for products of matrices', (algorithm) => {
    fc.assert(
      fc.property(fc.gen(), fc.boolean(), (g, reverse) => {
        const length = drawInteger(g, 0, 40);
        const x = drawTensor(g, [length, 2, 2], -1, 1);
        const fold = (matrices: Tensor): Tensor => {
          const steps = matrices.split(1, 0);
          const ordered = reverse ? steps.toReversed() : steps;
          const running: Tensor[] = [];
          for (const step of ordered) {
            const last = running.at(-1);
            running.push(last ? last.matmul(step) : step);
          }
          return running.length === 0 ? matrices : concat(reverse ? running.reverse() : running);
        };
        const scan = (matrices: Tensor) =>
          associativeScan(matrixProduct, [matrices], { reverse, algorithm })[0];
        const expected = valueAndGradients(fold, [x]);
        const found = valueAndGradients(scan, [x]);
        expectClose(found.value, expected.value, 1e-12);
        expectClose(found.gradients[0], expected.gradients[0], 1e-12);
      }),
      { numRuns: runs(60) },
    );
  });

  it.each(both)('%s on pairs is linearScan, along any axis', (algorithm) => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { a, b, reverse, chunkSize } = drawSequences(g);
        const found = valueAndGradients(
          (...pair) => associativeScan(linearPairs, pair, { axis: 1, reverse, algorithm })[1],
          [a, b],
        );
        const sequences = { a, b, reverse, chunkSize, length: 0, initialState: undefined };
        const expected = scanAll(sequences, 'sequential', 'f64');
        expectClose(found.value, expected.value, 1e-12);
        found.gradients.forEach((gradient, i) =>
          expectClose(gradient, expected.gradients[i], 1e-12),
        );
      }),
      { numRuns: runs(40) },
    );
  });

  it('refuses elements of different lengths, and none', () => {
    const x = tensor([1, 2, 3]);
    expect(() => associativeScan(linearPairs, [x, tensor([1, 2])])).toThrow(
      'associativeScan: tensor 1 has 2 elements along axis 0, the first has 3',
    );
    expect(() => associativeScan(linearPairs, [])).toThrow('expected at least one tensor');
  });
});
