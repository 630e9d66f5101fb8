/**
 * The exports for authors of ops. The ops that their docstrings define pass `checkPrimitive`, and
 * so does one with a kernel. Each function has an example.
 */
import * as k from '@mambagrad/kernel';
import { compile, grad, type Tensor, tensor } from '@mambagrad/tensor';
import * as extend from '@mambagrad/tensor/extend';
import {
  type Apply, binary, check, checkPrimitive, defineMultiPrimitive, definePrimitive, flatIndex,
  forEach, move, requireFloat,
  truth, unary,
} from '@mambagrad/tensor/extend';
import { describe, expect, it } from 'vitest';
import { sourceFiles } from '../support/source.ts';

const x = tensor([[-2, 0.5, 1.3], [3, -0.1, 0.7]]);

describe('the ops of the docstrings', () => {
  it('softsign', () => {
    const softsign = unary(
      'mine.softsign', (x) => x / (1 + Math.abs(x)), (x) => k.div(x, k.add(1, k.abs(x))),
      (g, y) => g.mul(y.abs().sub(1).square()),
    );
    checkPrimitive(softsign, [x]);
  });

  it('cube', () => {
    const cube = unary(
      'mine.cube', (x) => x ** 3, (x) => k.mul(x, k.mul(x, x)),
      (g, _y, x) => g.mul(x).mul(x).mul(3),
    );
    checkPrimitive(cube, [x]);
    const tower = compile((x: Tensor) => cube(cube(x)).sum());
    expect(tower(tensor([1, 2])).item()).toBe(1 + 2 ** 9);
    expect(tower.explain()).toMatch(/^1 kernel,/m);
  });

  it('hypot', () => {
    const hypot = binary(
      'mine.hypot', Math.hypot, (a, b) => k.sqrt(k.add(k.mul(a, a), k.mul(b, b))),
      [(g, y, a) => g.mul(a).div(y), (g, y, _a, b) => g.mul(b).div(y)],
    );
    const { checked, refused } = checkPrimitive(hypot, [x, tensor([0.4, -1, 2])]);
    expect(checked).toContain('f32[2, 0], f32[0]');
    expect(refused).toContain('i32[2, 3], f32[3]');
  });

  it('evens', () => {
    const evens = move<null>('mine.evens', {
      shape: (x) => [Math.ceil(x.shape[0] / 2)],
      from: () => ([i]) => [k.times(i, 2)],
      gradient: (g, _attributes, x) => g.pad([0], [1 - (x[0] % 2)], { spread: [2] }),
    });
    const apply = (x: Tensor) => {
      check(x.ndim === 1 && x.numel > 0)`evens: x is ${x}, expected one axis, not empty`;
      return evens([x], null);
    };
    const { refused } = checkPrimitive(apply, [tensor([1, 2, 3, 4, 5, 6])]);
    expect(refused).toEqual(['f32[0]', 'f32[2, 6]', 'f32[]']);
  });
});

describe('the primitives of the docstrings', () => {
  it('scale', () => {
    const apply = definePrimitive<{ times: number }>({
      name: 'mine.scale',
      infer: ([x]) => {
        requireFloat('scale', 'x', x);
        return { shape: x.shape, dtype: x.dtype };
      },
      compute: ([x], y, { times }) => y.data.set(x.data.map((value) => value * times)),
      gradient: (g, _y, _inputs, { times }) => [() => g.mul(times)],
      lower: (_inputs, { times }) => ({ map: (x) => k.mul(x, times) }),
    });
    const scale = (x: Tensor, times: number) => apply([x], { times });
    expect(checkPrimitive((x) => scale(x, 3), [x]).refused).toEqual(['i32[2, 3]']);
  });

  it('sinCos, which has two results', () => {
    const apply = defineMultiPrimitive<null>({
      name: 'mine.sinCos',
      infer: ([x]) => [x, x],
      compute: ([x], [sin, cos]) => {
        sin.data.set(x.data.map(Math.sin));
        cos.data.set(x.data.map(Math.cos));
      },
      gradient: ([gSin, gCos], [sin, cos]) => [() => {
        const parts = [gSin?.mul(cos), gCos?.mul(sin).neg()];
        return parts.filter((part) => part !== undefined).reduce((sum, part) => sum.add(part));
      }],
      lower: () => [{ map: k.sin }, { map: k.cos }],
    });
    const both = (x: Tensor) => {
      requireFloat('sinCos', 'x', x);
      return apply([x], null);
    };
    checkPrimitive(both, [x]);
    checkPrimitive((x) => both(x)[1], [x]);
  });
});

/** yₜ = Σ xₜ₋ᵢ for i below `width`, along the last axis: a kernel with masks. */
const movingSum: Apply<number> = definePrimitive<number>({
  name: 'mine.movingSum',
  infer: ([x]) => {
    requireFloat('movingSum', 'x', x);
    check(x.ndim > 0)`movingSum: x is ${x}, expected an axis`;
    return x;
  },
  compute: ([{ shape, data }], y, width) => {
    const length = shape[shape.length - 1];
    for (let i = 0; i < data.length; i++) {
      for (let back = 0; back < width && back <= i % length; back++) y.data[i] += data[i - back];
    }
  },
  lower: ([{ shape }], width) => ({
    kernel: ([x], y) => forEach(shape, (index) => {
      const last = shape.length - 1;
      const t = index[last];
      const steps = Array.from({ length: width }, (_, back) => {
        const from = typeof t === 'number' ? k.constant('i32', t - back) : k.sub(t, back);
        const value = x.at(index.with(last, k.clampIndex(from, shape[last])));
        return k.select(k.notEqual(truth(k.greaterEqual(from, 0)), 0), value, 0);
      });
      return k.store(y, flatIndex(index, shape), steps.reduce((sum, step) => k.add(sum, step)));
    }),
  }),
  // Backwards in time each step gets what the steps after it were given.
  gradient: (g, _y, [{ ndim }], width) => [
    () => movingSum([g.flip(ndim - 1)], width).flip(ndim - 1),
  ],
});

it('an op with a kernel of its own passes, fused with what comes before it', () => {
  const { checked, refused } = checkPrimitive((x) => movingSum([x], 2), [x]);
  expect(checked).toContain('f32[2, 5]');
  expect(refused).toEqual(['i32[2, 3]']);
  const f = compile((x: Tensor) => {
    const y = movingSum([x.mul(2)], 3);
    return [y, ...grad(y.sum(), [x])];
  });
  const [y, gradient] = f(tensor([1, 2, 3, 4], { requiresGrad: true }));
  expect(y.toArray()).toEqual([2, 6, 12, 18]);
  expect(gradient.toArray()).toEqual([6, 6, 4, 2]);
});

it('shows how each function is used', () => {
  const own = sourceFiles().filter((file) => ['tensor', 'wasm'].includes(file.package));
  const text = own.map((file) => file.text).join('\n');
  const without = Object.keys(extend).filter((name) => {
    const pattern = String.raw`/\*\*((?:(?!\*/)[^])*)\*/\nexport (?:function|const) ${name}\b`;
    const [, doc = ''] = new RegExp(pattern).exec(text) ?? [];
    return !doc.includes('\n *     ');
  });
  expect(without).toEqual([]);
});
