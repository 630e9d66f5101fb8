/**
 * Which losses count: `mask` and `sampleWeight` of every loss. What does not count reaches nothing,
 * the mean is over what counts, and weights are repetitions.
 */
import {
  binaryCrossEntropyWithLogits, crossEntropy, huberLoss, klDivergence, l1Loss, type LossOptions,
  mseLoss, nllLoss,
} from '@mambagrad/nn';
import { compile, gradcheck, ones, type Tensor, tensor, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { expectClose, expectSame, leaf, valueAndGradients } from '../../support/compare.ts';
import { type Draw, drawIndices, drawInteger, drawTensor } from '../../support/draw.ts';
import { odd, ways } from '../../support/nonFinite.ts';
import { runs } from '../../support/soak.ts';

const f64 = { dtype: 'f64' } as const;
const i32 = { dtype: 'i32' } as const;
const CLASSES = 3;

type Loss = (x: Tensor, z: Tensor, options?: LossOptions) => Tensor;

/** A loss, and how its predictions and targets are drawn for losses of a shape. */
interface Kind {
  readonly loss: Loss;
  readonly draw: (g: Draw, shape: number[]) => [x: Tensor, z: Tensor];
  /** Whether its tensors have an axis of classes after those of the losses: of which. */
  readonly hasClasses: readonly [x: boolean, z: boolean];
}

const numbers = (loss: Loss): Kind => ({
  loss, hasClasses: [false, false],
  draw: (g, shape) => [drawTensor(g, shape, 1, 2), drawTensor(g, shape, 0.1, 0.9)],
});
const classes = (loss: Loss): Kind => ({
  loss, hasClasses: [true, false],
  draw: (g, shape) => [
    drawTensor(g, [...shape, CLASSES]).logSoftmax(-1), drawIndices(g, shape, CLASSES),
  ],
});
const weight = tensor([1, 0.5, 2], f64);
const kinds: Readonly<Record<string, Kind>> = {
  mseLoss: numbers(mseLoss),
  l1Loss: numbers(l1Loss),
  huberLoss: numbers((x, z, options) => huberLoss(x, z, { delta: 0.7, ...options })),
  binaryCrossEntropyWithLogits: numbers(binaryCrossEntropyWithLogits),
  'binaryCrossEntropyWithLogits with posWeight': numbers(
    (x, z, options) => binaryCrossEntropyWithLogits(x, z, { posWeight: 3, ...options }),
  ),
  crossEntropy: classes(crossEntropy),
  'crossEntropy with label smoothing': classes(
    (x, z, options) => crossEntropy(x, z, { labelSmoothing: 0.2, ...options }),
  ),
  'crossEntropy with weights and an ignored class': classes((x, z, options) => crossEntropy(
    x, z, { weight: weight.cast(x.dtype), ignoreIndex: 1, labelSmoothing: 0.1, ...options },
  )),
  nllLoss: classes(nllLoss),
  klDivergence: {
    loss: klDivergence, hasClasses: [true, true],
    draw: (g, shape) => [0, 1].map((i) => {
      const log = drawTensor(g, [...shape, CLASSES]).logSoftmax(-1);
      return i === 0 ? log : log.exp();
    }) as [Tensor, Tensor],
  },
};

/** The shape of some losses, and a mask of them. */
function drawMask(g: Draw): { shape: number[]; mask: Tensor } {
  const shape = [drawInteger(g, 1, 4), drawInteger(g, 1, 4)];
  return { shape, mask: drawIndices(g, shape, 2) };
}

/** Where the mask is 0 and there is room for it, the number. */
function spoiled(x: Tensor, hasClasses: boolean, mask: Tensor, value: number): Tensor {
  if (x.dtype === 'i32') return mask.where(x, Number.isFinite(value) ? 0 : -7);
  return (hasClasses ? mask.unsqueeze(-1) : mask).where(x, value);
}

describe.each(Object.entries(kinds))('%s', (_name, { loss, draw, hasClasses }) => {
  it('lets nothing through that does not count, into values and gradients', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(...odd), fc.constantFrom(...ways), (g, bad, way) => {
        const { shape, mask } = drawMask(g);
        const [x, z] = draw(g, shape);
        const weights = drawTensor(g, shape, 0.1, 2);
        const reduction = g(fc.constantFrom, 'mean', 'sum', 'none');
        for (const given of [undefined, weights]) {
          const [clean, dirty] = [0.5, bad].map((value) => {
            const [a, b] = [x, z].map((each, i) => spoiled(each, hasClasses[i], mask, value));
            const w = given && spoiled(given, false, mask, value).cast('f32');
            const run = (p: Tensor, q: Tensor) => loss(p, q, { mask, sampleWeight: w, reduction });
            return valueAndGradients(way ? compile(run, way) : run, [a, b], 'f32');
          });
          expectSame(dirty.value, clean.value);
          dirty.gradients.forEach((gradient, i) => {
            expectSame(gradient, clean.gradients[i]);
            const left = (hasClasses[i] ? mask.unsqueeze(-1) : mask).where(0, gradient);
            expectSame(left.abs(), zeros(left.shape));
          });
        }
      }),
      { numRuns: runs(12) },
    );
  });

  it('has the mean of what counts, as if the rest were not there', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { shape, mask } = drawMask(g);
        const flat = [shape[0] * shape[1]];
        const rows = Array.from(mask.data, (kept, i) => (kept ? i : -1)).filter((i) => i >= 0);
        const [x, z] = draw(g, flat);
        const [kept, keptTargets] = [x, z].map((each) => each.indexSelect(0, tensor(rows, i32)));
        for (const reduction of ['mean', 'sum'] as const) {
          const found = loss(x, z, { mask: mask.flatten(), reduction });
          if (rows.length === 0) expect(found.item()).toBe(0);
          else expectClose(found, loss(kept, keptTargets, { reduction }), 1e-12);
        }
      }),
      { numRuns: runs(20) },
    );
  });

  it('counts a weight of 2 as two samples, and 0 as none', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const counts = Array.from({ length: drawInteger(g, 1, 6) }, () => drawInteger(g, 0, 3));
        const [x, z] = draw(g, [counts.length]);
        const rows = counts.flatMap((count, i) => Array<number>(count).fill(i));
        const [many, manyTargets] = [x, z].map((each) => each.indexSelect(0, tensor(rows, i32)));
        const sampleWeight = tensor(counts, f64);
        for (const reduction of ['mean', 'sum'] as const) {
          const found = loss(x, z, { sampleWeight, reduction });
          if (rows.length === 0) expect(found.item()).toBe(0);
          else expectClose(found, loss(many, manyTargets, { reduction }), 1e-12);
        }
        // Weights that are all equal change no mean.
        const equal = loss(x, z, { sampleWeight: ones([counts.length], f64).mul(7) });
        expectClose(equal, loss(x, z), 1e-12);
      }),
      { numRuns: runs(20) },
    );
  });

  it('takes a mask and weights of the first axes for all that is in them', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom('mean', 'sum', 'none'), (g, reduction) => {
        const shape = [drawInteger(g, 1, 4), drawInteger(g, 1, 4)];
        const [x, z] = draw(g, shape);
        const [mask, sampleWeight] =
          [drawIndices(g, [shape[0]], 2), drawTensor(g, [shape[0]], 0, 2)];
        const [allMask, allWeights] = [mask, sampleWeight]
          .map((each) => each.unsqueeze(-1).broadcastTo(shape));
        expectSame(
          loss(x, z, { mask, sampleWeight, reduction }),
          loss(x, z, { mask: allMask, sampleWeight: allWeights, reduction }),
        );
      }),
      { numRuns: runs(10) },
    );
  });

  it('has the gradients of finite differences', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom('mean', 'none'), (g, reduction) => {
        const { shape, mask } = drawMask(g);
        const [x, z] = draw(g, shape);
        const sampleWeight = drawTensor(g, shape, 0, 2);
        gradcheck((a) => loss(a, z, { mask, sampleWeight, reduction }), [x]);
      }),
      { numRuns: runs(5) },
    );
  });

  it('is 0 without a gradient where nothing counts', () => {
    fc.assert(
      fc.property(fc.gen(), fc.boolean(), (g, isMasked) => {
        const [x, z] = draw(g, [3]);
        const options = isMasked ? { mask: zeros([3], i32) } : { sampleWeight: zeros([3]) };
        for (const way of ways) {
          const run = (p: Tensor, q: Tensor) => loss(p, q, options);
          const { value, gradients } =
            valueAndGradients(way ? compile(run, way) : run, [x, z], 'f32');
          expect(value.item()).toBe(0);
          for (const each of gradients) expectSame(each.abs(), zeros(each.shape));
        }
      }),
      { numRuns: 2 },
    );
  });
});

test('masks and weights that do not fit are refused', () => {
  const x = zeros([2, 3]);
  const wrong: [LossOptions, string][] = [
    [{ mask: ones([3], i32) }, 'mask is i32[3], the losses are [2, 3]; expected i32 in that shape'],
    [{ mask: ones([2, 3, 1], i32) }, 'mask is i32[2, 3, 1], the losses are [2, 3]'],
    [{ mask: ones([2]) }, 'mask is f32[2], the losses are [2, 3]; expected i32'],
    [{ sampleWeight: ones([2, 1]) }, 'sampleWeight is f32[2, 1], the losses are [2, 3]'],
    [
      { sampleWeight: ones([2], f64) },
      'sampleWeight is f64[2], the losses are [2, 3]; expected f32',
    ],
    [{ sampleWeight: leaf(ones([2]), 'f32') }, 'sampleWeight requires gradients, expected a'],
    [{ sampleWeight: tensor([1, -1]) }, 'is not a finite number from 0'],
    [{ sampleWeight: tensor([1, NaN]) }, 'is not a finite number from 0'],
  ];
  for (const [options, message] of wrong) {
    expect(() => mseLoss(x, x, options)).toThrow(message);
    expect(() => crossEntropy(zeros([2, 3, 4]), zeros([2, 3], i32), options)).toThrow(message);
    expect(() => klDivergence(zeros([2, 3, 1]), ones([2, 3, 1]), options)).toThrow(message);
  }
  expect(() => l1Loss(x, x, { sampleWeight: tensor([1, Infinity]) })).toThrow(
    'l1Loss: element 3 of sampleWeight is not a finite number from 0',
  );
});
