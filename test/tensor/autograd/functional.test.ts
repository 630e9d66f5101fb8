/** valueAndGrad, jacobian and hessianVectorProduct: by definition, by each other, and composed. */
import {
  grad,
  gradcheck,
  hessianVectorProduct,
  jacobian,
  noGrad,
  Tensor,
  tensor,
  valueAndGrad,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame, leaf, unevenCotangent } from '../../support/compare.ts';
import { type Draw, drawBroadcastable, drawShape, drawTensor } from '../../support/draw.ts';

type Map = (x: Tensor) => Tensor;

/** Smooth functions of a tensor with at least one axis, with results of other shapes. */
const maps: readonly Map[] = [
  (x) => x.sin().mul(x),
  (x) => x.exp().sum(0).square(),
  (x) => x.reshape([...x.shape, 1]).mul(tensor([0.3, -1.1, 0.7], { dtype: 'f64' })).tanh(),
  (x) => x.square().sum().reshape([1, 1]),
  (x) => x.flip(0).mul(x.cos().sum()),
];

const drawMap = (g: Draw): Map => g(() => fc.constantFrom(...maps));

/** A scalar function, with a Hessian that is not diagonal. */
const drawScalarFunction = (g: Draw): Map => {
  const map = drawMap(g);
  return (x) => {
    const y = map(x);
    return y.mul(unevenCotangent(y)).sum();
  };
};

const drawPoint = (g: Draw): Tensor => drawTensor(g, drawShape(g, { minRank: 1 }), -1, 1);

const check = (property: (g: Draw) => void): void => {
  fc.assert(fc.property(fc.gen(), property), { numRuns: 60 });
};

const constant = (...values: number[]): Tensor => tensor(values, { dtype: 'f64' });

describe('valueAndGrad', () => {
  it('gives what grad gives for leaves, and leaves the arguments alone', () => {
    check((g) => {
      const shape = drawShape(g);
      const a = drawTensor(g, shape);
      const b = drawTensor(g, drawBroadcastable(g, shape));
      const f = (p: Tensor, q: Tensor) => p.sin().mul(q.exp()).mul(unevenCotangent(a)).sum();
      const { value, gradients } = valueAndGrad(f)(a, b);
      const leaves = [a, b].map((x) => leaf(x));
      const expected = f(leaves[0], leaves[1]);
      expectSame(value, expected);
      grad(expected, leaves).forEach((gradient, i) => expectSame(gradients[i], gradient));
      expect([a, b, value, ...gradients].some((x) => x.requiresGrad)).toBe(false);
    });
  });

  it('passes arguments of dtype i32 on, without a gradient', () => {
    const index = tensor([2, 0], { dtype: 'i32' });
    const f = valueAndGrad((i: Tensor, x: Tensor) => x.square().mul(i.cast('f64')).sum());
    const { value, gradients } = f(index, constant(3, 5));
    expect(value.item()).toBe(18);
    expect(gradients.map(String)).toEqual(['f64[2] [12.,  0.]']);
  });

  it('can be differentiated with createGraph, through arguments and what f reads', () => {
    const scale = constant(2, -1, 0.5);
    gradcheck((x, s) => {
      const f = valueAndGrad((p: Tensor) => p.mul(s).sin().sum(), { createGraph: true });
      const { value, gradients } = f(x);
      return gradients[0].mul(value);
    }, [constant(0.3, 0.8, -0.4), scale]);
  });

  it('refuses what is no scalar and what does not depend on an argument', () => {
    const x = constant(1, 2);
    expect(() => valueAndGrad((p: Tensor) => p.mul(2))(x)).toThrow(
      'valueAndGrad: the function returned f64[2], expected a scalar; reduce it (sum, mean)',
    );
    const first = (p: Tensor, _q: Tensor): Tensor => p.sum();
    expect(() => valueAndGrad(first)(x, x)).toThrow('does not depend on input 1, f64[2]');
    const { gradients } = valueAndGrad(first, { allowUnused: true })(x, x);
    expect(gradients.map((gradient) => gradient.toArray())).toEqual([[1, 1], [0, 0]]);
    expect(() => valueAndGrad((p: Tensor) => p.detach().sum())(x)).toThrow('or detached?');
  });
});

describe('jacobian', () => {
  it('maps a small step of x to the step of y', () => {
    check((g) => {
      const [f, x] = [drawMap(g), drawPoint(g)];
      const direction = drawTensor(g, x.shape);
      const h = 1e-5;
      const above = f(x.add(direction.mul(h)));
      const difference = above.sub(f(x.sub(direction.mul(h)))).div(2 * h);
      const found = jacobian(f, x);
      expect(found.shape).toEqual([...difference.shape, ...x.shape]);
      const matrix = found.reshape([difference.numel, x.numel]);
      const step = matrix.matmul(direction.reshape([x.numel, 1]));
      expectClose(step.reshape(difference.shape), difference, 1e-7, 1e-7);
    });
  });

  it('weighs its rows by a cotangent to what grad gives', () => {
    check((g) => {
      const [f, x] = [drawMap(g), drawPoint(g)];
      const input = leaf(x);
      const y = f(input);
      const cotangent = unevenCotangent(y);
      const row = cotangent.reshape([1, y.numel]);
      const found = row.matmul(jacobian(f, x).reshape([y.numel, x.numel])).reshape(x.shape);
      const [expected] = grad(y, [input], { cotangent });
      expectClose(found, expected, 1e-12);
    });
  });

  it('can be differentiated with createGraph, also by itself', () => {
    const x = constant(0.3, -0.8, 1.2);
    gradcheck((p) => jacobian((q) => q.mul(p).sin(), p, { createGraph: true }), [x]);
    const cube = (p: Tensor): Tensor => p.square().mul(p).sum();
    const slope = (p: Tensor): Tensor => jacobian(cube, p, { createGraph: true });
    expectClose(jacobian(slope, x).sum(0), x.mul(6), 1e-15);
    expect(jacobian(cube, leaf(x)).requiresGrad).toBe(false);
  });

  it('counts only what f does with its argument', () => {
    const x = leaf(constant(3, 5));
    expect(jacobian((p) => p.mul(x), x).toArray()).toEqual([[3, 0], [0, 5]]);
    expect(noGrad(() => jacobian((p) => p.mul(x), x)).toArray()).toEqual([[3, 0], [0, 5]]);
  });

  it('refuses what does not depend on x, unless zeros are asked for', () => {
    const x = constant(1, 2);
    expect(() => jacobian((p) => p.detach(), x)).toThrow('depends on nothing that requires');
    expect(jacobian((p) => p.detach(), x, { allowUnused: true }).data).toEqual(new Float64Array(4));
    expect(() => jacobian((p) => p, tensor([1], { dtype: 'i32' }))).toThrow('has no gradient');
  });
});

describe('hessianVectorProduct', () => {
  it('is the Hessian, as the jacobian of the gradient, times v', () => {
    check((g) => {
      const [f, x] = [drawScalarFunction(g), drawPoint(g)];
      const v = drawTensor(g, x.shape);
      const slope = (p: Tensor): Tensor => jacobian(f, p, { createGraph: true });
      const hessian = jacobian(slope, x, { allowUnused: true }).reshape([x.numel, x.numel]);
      const expected = hessian.matmul(v.reshape([x.numel, 1])).reshape(x.shape);
      const found = hessianVectorProduct(f, x, v);
      expectClose(found, expected, 1e-12);
      expect(found.requiresGrad).toBe(false);
    });
  });

  it('is the change of the gradient along v', () => {
    check((g) => {
      const [f, x] = [drawScalarFunction(g), drawPoint(g)];
      const v = drawTensor(g, x.shape);
      const h = 1e-5;
      const slope = (p: Tensor): Tensor => valueAndGrad(f)(p).gradients[0];
      const difference = slope(x.add(v.mul(h))).sub(slope(x.sub(v.mul(h)))).div(2 * h);
      expectClose(hessianVectorProduct(f, x, v), difference, 1e-7, 1e-7);
    });
  });

  it('can be differentiated with createGraph, by x and by v', () => {
    const f = (x: Tensor): Tensor => x.sin().sum().square();
    const product = (x: Tensor, v: Tensor): Tensor =>
      hessianVectorProduct(f, x, v, { createGraph: true });
    gradcheck(product, [constant(0.3, -0.8, 1.2), constant(1, -2, 0.5)]);
  });

  it('is 0 for a linear function', () => {
    const [x, v] = [constant(1, 2), constant(3, 4)];
    expect(hessianVectorProduct((p) => p.sum(), x, v).toArray()).toEqual([0, 0]);
    const scale = leaf(v);
    expect(hessianVectorProduct((p) => p.mul(scale).sum(), x, v).toArray()).toEqual([0, 0]);
  });

  it('refuses a v of another shape, and a function that gives no scalar', () => {
    const x = constant(1, 2);
    expect(() => hessianVectorProduct((p) => p.sum(), x, constant(1))).toThrow(
      'hessianVectorProduct: v is f64[1], expected f64[2]',
    );
    expect(() => hessianVectorProduct((p) => p.sin(), x, x)).toThrow(
      'hessianVectorProduct: the function returned f64[2], expected a scalar',
    );
  });
});
