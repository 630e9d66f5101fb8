/** Losses: each number by itself, their sum and their mean, and what cannot be averaged. */
import { binaryCrossEntropyWithLogits, crossEntropy, mseLoss } from '@mambagrad/nn';
import { gradcheck, ones, type Tensor, tensor, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose } from '../../support/compare.ts';
import { drawShape, drawTensor } from '../../support/draw.ts';
import { runs } from '../../support/soak.ts';

const i32 = { dtype: 'i32' } as const;

describe('losses', () => {
  const reductions = (loss: (reduction: 'none' | 'sum' | 'mean') => Tensor) =>
    (['none', 'sum', 'mean'] as const).map(loss);

  it('are each number by itself, their sum and their mean', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const shape = drawShape(g, { empty: false });
        const x = drawTensor(g, shape, -5, 5);
        const z = drawTensor(g, shape, 0, 1);
        const all = [
          reductions((reduction) => mseLoss(x, z, { reduction })),
          reductions((reduction) => binaryCrossEntropyWithLogits(x, z, { reduction })),
          reductions((reduction) =>
            crossEntropy(x.unsqueeze(-1).concat([z.unsqueeze(-1)], -1), zeros(shape, i32), {
              reduction,
            }),
          ),
        ];
        for (const [each, sum, mean] of all) {
          expect(each.shape).toEqual(shape);
          expectClose(sum, each.sum(), 1e-14);
          expectClose(mean, each.mean(), 1e-14);
        }
        expectClose(all[0][0], x.sub(z).square(), 0);
        const [one, zero] = [x.sigmoid().log(), x.neg().sigmoid().log()];
        const expected = z.mul(one).add(z.neg().add(1).mul(zero)).neg();
        expectClose(all[1][0], expected, 1e-12);
        gradcheck((logits) => binaryCrossEntropyWithLogits(logits, z), [x]);
      }),
      { numRuns: runs(40) },
    );
  });

  it('keep their digits where the answer is right and sure', () => {
    const sure = tensor([40, -40, 1000], { dtype: 'f64' });
    const targets = tensor([1, 0, 1], { dtype: 'f64' });
    const loss = binaryCrossEntropyWithLogits(sure, targets, { reduction: 'none' });
    expectClose(loss, tensor([Math.exp(-40), Math.exp(-40), 0], { dtype: 'f64' }), 1e-15, 0);
  });

  it('refuse shapes that would broadcast, and nothing to take the mean of', () => {
    expect(() => mseLoss(ones([3]), ones([3, 1]))).toThrow(
      'mseLoss: predictions are f32[3], targets f32[3, 1]; expected the same shape and dtype',
    );
    expect(() => binaryCrossEntropyWithLogits(ones([3]), ones([3], i32))).toThrow(
      'binaryCrossEntropyWithLogits: predictions are f32[3], targets i32[3]',
    );
    expect(() => mseLoss(ones([0]), ones([0]))).toThrow('mean');
  });
});
describe('crossEntropy', () => {
  it('is 0 where every target is to be ignored, and refuses shapes that do not fit', () => {
    const logits = zeros([2, 3]);
    expect(crossEntropy(logits, tensor([-100, -100], i32)).item()).toBe(0);
    const [first, ignored] = crossEntropy(logits, tensor([2, 9], i32), {
      ignoreIndex: 9,
      reduction: 'none',
    }).data;
    expect([first, ignored]).toEqual([Math.fround(Math.log(3)), 0]);
    expect(() => crossEntropy(logits, tensor([0, 1, 2], i32))).toThrow(
      'crossEntropy: logits are f32[2, 3], targets i32[3]; expected [..., classes] and i32[...]',
    );
    expect(() => crossEntropy(logits, tensor([0, 3], i32))).toThrow('index 3');
  });
});
