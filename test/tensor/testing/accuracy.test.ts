/**
 * Lost digits, as `checkPrimitive` finds them: each function is written in two ways that are the
 * same in exact arithmetic. One rounds a number that is large beside the result, the other does
 * not.
 */
import * as k from '@mambagrad/kernel';
import { type Tensor, tensor, TensorError, where } from '@mambagrad/tensor';
import { binary, checkPrimitive, unary } from '@mambagrad/tensor/extend';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs } from '../../support/soak.ts';

type Unary = (x: Tensor) => Tensor;

interface TwoWays {
  readonly naive: Unary;
  readonly accurate: Unary;
}

const functions: Readonly<Record<string, TwoWays>> = {
  'log(1 − e⁻ˣ)': {
    naive: (x) => x.neg().exp().neg().add(1).log(),
    accurate: (x) =>
      where(x.less(Math.LN2), x.neg().expm1().neg().log(), x.neg().exp().neg().log1p()),
  },
  'log(1 + x)': { naive: (x) => x.add(1).log(), accurate: (x) => x.log1p() },
  'eˣ − 1': { naive: (x) => x.exp().sub(1), accurate: (x) => x.expm1() },
  '1 − cos x': {
    naive: (x) => x.cos().neg().add(1),
    accurate: (x) => x.mul(0.5).sin().square().mul(2),
  },
  'sinh x': {
    naive: (x) => x.exp().sub(x.neg().exp()).mul(0.5),
    accurate: (x) => x.expm1().add(x.expm1().div(x.exp())).mul(0.5),
  },
  '√(x² + 1) − x': {
    naive: (x) => x.square().add(1).sqrt().sub(x),
    accurate: (x) => x.square().add(1).sqrt().add(x).reciprocal(),
  },
  '√(1 + x) − 1': {
    naive: (x) => x.add(1).sqrt().sub(1),
    accurate: (x) => x.div(x.add(1).sqrt().add(1)),
  },
  '1 − tanh x': {
    naive: (x) => x.tanh().neg().add(1),
    accurate: (x) => x.mul(-2).sigmoid().mul(2),
  },
};

/** A few numbers that are positive, and reach beyond 8. */
const numbers = fc.array(fc.double({ min: 0.01, max: 30, noNaN: true }), { maxLength: 5 })
  .map((all) => tensor([...all, 8.7, 12.1]));

const only = ['accuracy'] as const;

describe.each(Object.entries(functions))('%s', (_name, { naive, accurate }) => {
  it('passes where all digits are kept, and does not where they are lost', () => {
    fc.assert(
      fc.property(numbers, (x) => {
        checkPrimitive(accurate, [x], { only });
        expect(() => checkPrimitive(naive, [x], { only })).toThrow(TensorError);
      }),
      { numRuns: runs(5) },
    );
  });
});

/** log(1 − e⁻ˣ) with an exact reference loop and some kernel. */
function withKernel(name: string, map: (x: k.Expr) => k.Expr) {
  const exact = (x: number): number =>
    x < Math.LN2 ? Math.log(-Math.expm1(-x)) : Math.log1p(-Math.exp(-x));
  return unary(name, exact, map, (g, _y, x) => g.div(x.expm1()));
}

describe('checkPrimitive', () => {
  const x = tensor([0.2, 0.5, 1, 3, 8]);

  it('finds digits that only the kernel loses, and says where', () => {
    const kept = withKernel('mine.kept', (at) => k.select(
      k.less(at, Math.LN2), k.log(k.neg(k.expm1(k.neg(at)))), k.log1p(k.neg(k.exp(k.neg(at)))),
    ));
    checkPrimitive(kept, [x]);
    const lost = withKernel('mine.lost', (at) => k.log(k.sub(1, k.exp(k.neg(at)))));
    const what = 'mine\\.lost\\(f32\\[5\\]\\): accuracy: element 4 of result 0, f32\\[5\\]';
    const numbers = 'is -0\\.00033551\\d* compiled, of 8, expected -0\\.000335518';
    expect(() => checkPrimitive(lost, [x])).toThrow(new RegExp(`${what}, ${numbers}`));
  });

  it('allows for what the function makes of a rounded input', () => {
    // Near each other, a and b leave few digits in their difference, however it is computed.
    const difference = binary('mine.difference', (a, b) => a ** 2 - b ** 2,
      (a, b) => k.sub(k.mul(a, a), k.mul(b, b)),
      [(g, _y, a) => g.mul(a).mul(2), (g, _y, _a, b) => g.mul(b).mul(-2)],
    );
    checkPrimitive(difference, [tensor([1, 2.3, -0.7]), tensor([1.0001, 2.2999, 0.7001])]);
    checkPrimitive((a) => a.mul(20).sin(), [tensor([3.1, -6.3, 0.4])], { only });
  });

  it('names the numbers of each input', () => {
    const naive = (a: Tensor, b: Tensor): Tensor => a.mul(b).add(1).log();
    expect(() => checkPrimitive(naive, [tensor([1 / 3]), tensor([0.001])], { only })).toThrow(
      /is 0\.00033\d* in float32, of 0\.33333\d* and 0\.001\d*, expected 0\.00033/,
    );
  });

  it('holds reductions to their largest term only', () => {
    const one = (a: Tensor): Tensor => a.add(1).sum().sub(a.numel);
    checkPrimitive(one, [tensor([0.0001, 0.0002])], { only });
    expect(() => checkPrimitive(one, [tensor([0.0001])], { only })).toThrow('accuracy');
  });

  it('allows more where the tolerance is larger', () => {
    const rough = withKernel('mine.rough', (x) => k.mul(k.log(k.neg(k.expm1(k.neg(x)))), 1.0001));
    const check = (tolerance: number) => checkPrimitive(rough, [x], { only, tolerance });
    check(1e-3);
    expect(() => check(1e-5)).toThrow('accuracy');
  });
});
