/**
 * Angles that accumulate, counted in turns, so that a whole turn is 1:
 *
 *     τ_t = τ_{t−1} + δ_t   mod 1
 *
 * The wrap is part of the recurrence. Without it τ would grow with the length, and lose a digit for
 * each power of ten. And it is exact: a turn is the number 1, whereas 2π is no float, and to
 * subtract it again and again would add up its rounding error. So half turns are right for ever.
 *
 * A shift by whole turns is constant, so gradients are those of a cumulative sum.
 */
import * as k from '@mambagrad/kernel';
import { linearScan, ones, type Tensor } from '@mambagrad/tensor';
import { type Apply, definePrimitive, flatIndex, forEach, isTrue } from '@mambagrad/tensor/extend';

/** The part of a number of turns that is not whole, from 0 to below 1. */
function wrap(turns: number): number {
  const part = turns - Math.floor(turns);
  return part >= 1 ? 0 : part;
}

/** The inputs: δ [B, L, W], τ before the first step [B, W], and perhaps flags, i32 [B, L]. */
const turnsPrimitive: Apply<null> = definePrimitive<null>({
  name: 'turns',
  infer: ([delta]) => delta,
  compute: ([delta, start, reset], { shape: [batch, length, width], data }) => {
    for (let b = 0; b < batch; b++) {
      for (let i = 0; i < width; i++) {
        let turns = start.data[b * width + i];
        for (let t = 0; t < length; t++) {
          const step = b * length + t;
          const before = reset && reset.data[step] !== 0 ? 0 : turns;
          turns = wrap(before + delta.data[step * width + i]);
          data[step * width + i] = turns;
        }
      }
    }
  },
  lower: (_inputs, _attributes, { shape }) => ({
    kernel: ([delta, start, reset], output) => {
      const [batch, length, width] = shape;
      return forEach([batch, width], ([b, i]) => {
        const turns = k.variable('turns', k.isVector(i) ? 'f32x4' : 'f32');
        return [
          k.set(turns, start.at([b, i])),
          k.loop('t', length, (t) => [
            reset ? k.set(turns, k.select(isTrue(reset.at([b, t])), 0, turns)) : [],
            k.set(turns, k.add(turns, delta.at([b, t, i]))),
            k.set(turns, k.sub(turns, k.floor(turns))),
            k.set(turns, k.select(k.less(turns, 1), turns, 0)),
            k.store(output, flatIndex([b, t, i], shape), turns),
          ]),
        ];
      }, { work: 8 * length });
    },
  }),
  gradient: (g, _y, [, , reset]) => {
    // The gradient of a step goes to all earlier ones of its document.
    const sum = () => linearScan(ones([], { dtype: g.dtype }), g, {
      axis: 1, reverse: true, reset: reset?.pad([0, -1], [0, 1]).unsqueeze(-1),
    });
    const first = (x: Tensor) => x.narrow(1, 0, Math.min(1, x.shape[1]));
    return [
      sum,
      () => (reset ? first(reset.unsqueeze(-1)).where(0, first(sum())) : first(sum())).sum(1),
    ];
  },
});

/**
 * The turns after each step, from 0 to below 1, of the shape of `delta` [B, L, W]: they start from
 * `start` [B, W], and from 0 where `reset`, i32 [B, L], is not 0.
 */
export function turns(delta: Tensor, start: Tensor, reset: Tensor | undefined): Tensor {
  return turnsPrimitive([delta, start, ...(reset ? [reset] : [])], null);
}
