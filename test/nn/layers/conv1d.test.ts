/** The convolution over a sequence: its definition by loops, groups, padding, and segments. */
import { causalConv1d, conv1d } from '@mambagrad/nn';
import { concat, gradcheck, ones, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame, valueAndGradients } from '../../support/compare.ts';
import { drawInteger, drawTensor } from '../../support/draw.ts';
import { runs } from '../../support/soak.ts';

const anyPadding = () => fc.constantFrom<number | 'causal'>('causal', 0, 1, 3);

/** y[t, o] = bias[o] + Σₖ Σᵢ weight[o, i, k] · x[t + k − before, i], by loops. */
function convolve(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  { before, after, groups }: Record<'before' | 'after' | 'groups', number>,
): Tensor {
  const [batch, length, channels] = x.shape;
  const [out, inner, kernel] = weight.shape;
  const steps = length + before + after - kernel + 1;
  const values = new Float64Array(batch * steps * out).map((_, at) => {
    const [b, t, o] = [Math.floor(at / (steps * out)), Math.floor(at / out) % steps, at % out];
    const first = Math.floor(o / (out / groups)) * inner;
    let sum = bias.data[o];
    for (let k = 0; k < kernel; k++) {
      const from = t + k - before;
      if (from < 0 || from >= length) continue;
      for (let i = 0; i < inner; i++) {
        const tap = weight.data[(o * inner + i) * kernel + k];
        sum += tap * x.data[(b * length + from) * channels + first + i];
      }
    }
    return sum;
  });
  return tensor(values, { shape: [batch, steps, out] });
}
describe('conv1d', () => {
  it('keeps segments apart, in values and gradients', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const counts = [0, 1, 2].map(() => drawInteger(g, 0, 5));
        const ids = counts.flatMap((count, i) => new Array<number>(count).fill(i));
        const segments = tensor(Float64Array.from(ids)).unsqueeze(0);
        const x = drawTensor(g, [1, ids.length, 4]);
        const groups = 2 ** drawInteger(g, 0, 2);
        const weight = drawTensor(g, [4, 4 / groups, drawInteger(g, 1, 5)]);
        const bias = drawTensor(g, [4]);
        const options = { padding: 'causal', groups } as const;
        const together = (...inputs: Tensor[]) =>
          conv1d(inputs[0], inputs[1], inputs[2], { ...options, segments });
        const alone = (input: Tensor, ...rest: Tensor[]) => {
          const parts = input.split(counts, 1);
          return concat(parts.map((part) => conv1d(part, rest[0], rest[1], options)), 1);
        };
        const found = valueAndGradients(together, [x, weight, bias]);
        const expected = valueAndGradients(alone, [x, weight, bias]);
        expectClose(found.value, expected.value, 1e-14);
        found.gradients.forEach((gradient, i) =>
          expectClose(gradient, expected.gradients[i], 1e-13),
        );
      }),
      { numRuns: runs(40) },
    );
  });

  it('is the sum of its definition, for all groups and paddings, with its gradients', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [groups, inner, multiple, kernel] = [3, 2, 2, 4].map((max) => drawInteger(g, 1, max));
        const padding = g(anyPadding);
        const [before, after] = padding === 'causal' ? [kernel - 1, 0] : [padding, padding];
        const length = drawInteger(g, Math.max(0, kernel - before - after - 1), 6);
        const x = drawTensor(g, [drawInteger(g, 0, 2), length, groups * inner]);
        const weight = drawTensor(g, [groups * multiple, inner, kernel]);
        const bias = drawTensor(g, [groups * multiple]);
        const options = { padding, groups };
        const expected = convolve(x, weight, bias, { before, after, groups });
        expectClose(conv1d(x, weight, bias, options), expected, 1e-13);
        const convolved = (...[a, b, c]: Tensor[]) => conv1d(a, b, c, options);
        gradcheck(convolved, [x, weight, bias]);
      }),
      { numRuns: runs(60) },
    );
  });

  it('is causal, depthwise, as causalConv1d, and sees nothing of the future', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [length, channels, kernel] = [8, 3, 5].map((max) => drawInteger(g, 1, max));
        const x = drawTensor(g, [1, length, channels]);
        const weight = drawTensor(g, [channels, kernel]);
        const bias = drawTensor(g, [channels]);
        const y = causalConv1d(x, weight, bias);
        const sizes = { before: kernel - 1, after: 0, groups: channels };
        expectClose(y, convolve(x, weight.unsqueeze(1), bias, sizes), 1e-14);
        const t = drawInteger(g, 0, length - 1);
        const future = x.narrow(1, t, length - t).add(1);
        const changed = x.narrow(1, 0, t).concat([future], 1);
        const same = causalConv1d(changed, weight, bias).narrow(1, 0, t);
        expectSame(same, y.narrow(1, 0, t));
      }),
    );
  });

  it('refuses shapes that do not fit', () => {
    const wrong: readonly [number[], number[], object][] = [
      [[1, 5, 4], [4, 3, 2], {}],
      [[1, 5, 4], [3, 2, 2], { groups: 2 }],
      [[1, 2, 4], [4, 4, 6], { padding: 1 }],
      [[5, 4], [4, 4, 2], {}],
      [[1, 5, 4], [4, 4], {}],
      [[1, 5, 4], [4, 4, 0], {}],
    ];
    for (const [x, weight, options] of wrong) {
      expect(() => conv1d(ones(x), ones(weight), undefined, options)).toThrow('conv1d: x is f32[');
    }
    expect(() => conv1d(ones([1, 5, 4]), ones([4, 3, 2]))).toThrow(
      'conv1d: x is f32[1, 5, 4], weight f32[4, 3, 2], groups 1, padding 0; expected',
    );
    // It would broadcast.
    expect(() => conv1d(ones([1, 5, 4]), ones([3, 4, 2]), ones([4, 1]))).toThrow(
      'conv1d: bias is f32[4, 1], expected one number for each of the 3 channels, [3]',
    );
  });
});
