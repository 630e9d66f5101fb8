/** grad, backward, noGrad and gradcheck: what they give, leave alone, and refuse. */
import {
  backward, concat, grad, gradcheck, noGrad, ones, stopGradient, Tensor, tensor,
} from '@mambagrad/tensor';
import { definePrimitive } from '@mambagrad/tensor/extend';
import { describe, expect, it } from 'vitest';
import { expectClose } from '../../support/compare.ts';

const x = () => tensor([1, 2, 3], { dtype: 'f64', requiresGrad: true });

describe('grad', () => {
  it('adds up over every path from an input to the output', () => {
    const a = x();
    const y = a.mul(a).add(a.exp()).sum();
    const [g] = grad(y, [a]);
    const expected = Array.from(a.data, (value) => 2 * value + Math.exp(value));
    expectClose(g, tensor(expected, { dtype: 'f64' }), 1e-15);
    expect(a.grad).toBeUndefined();
  });

  it('takes intermediate results as inputs', () => {
    const a = x();
    const middle = a.mul(2);
    const [g] = grad(middle.square().sum(), [middle]);
    expect(g.toArray()).toEqual([4, 8, 12]);
  });

  it('does not flow through stopGradient', () => {
    const a = x();
    const [g] = grad(a.mul(stopGradient(a)).sum(), [a]);
    expect(g.toArray()).toEqual([1, 2, 3]);
  });

  it('can be asked for the output itself', () => {
    const y = x().sum();
    expect(grad(y, [y])[0].item()).toBe(1);
  });

  it('is differentiable with createGraph, and a constant without', () => {
    const a = x();
    const [first] = grad(a.mul(a).mul(a).sum(), [a], { createGraph: true });
    const [second] = grad(first.sum(), [a], { createGraph: true });
    const [third] = grad(second.sum(), [a]);
    expect(second.toArray()).toEqual([6, 12, 18]);
    expect(third.toArray()).toEqual([6, 6, 6]);
    expect(third.requiresGrad).toBe(false);
  });

  it('weighs a result of many elements by a cotangent', () => {
    const a = x();
    const cotangent = tensor([1, 10, 100], { dtype: 'f64' });
    expect(grad(a.mul(2), [a], { cotangent })[0].toArray()).toEqual([2, 20, 200]);
    expect(() => grad(a.mul(2), [a])).toThrow('grad: f64[3] is not a scalar; reduce it');
    expect(() => grad(a.mul(2), [a], { cotangent: ones([3]) })).toThrow(
      'grad: the cotangent is f32[3], expected f64[3]',
    );
  });

  it('refuses inputs that the output does not depend on, unless zeros are asked for', () => {
    const [a, b] = [x(), x()];
    const loss = a.sum();
    expect(() => grad(loss, [b])).toThrow('grad: the output does not depend on input 0, f64[3]');
    expect(() => grad(loss, [a, a.detach()])).toThrow('grad: input 1, f64[3], does not require');
    expect(grad(loss, [b], { allowUnused: true })[0].toArray()).toEqual([0, 0, 0]);
    expect(grad(loss.detach(), [b], { allowUnused: true })[0].toArray()).toEqual([0, 0, 0]);
    expect(() => grad(noGrad(() => a.sum()), [a])).toThrow('was it computed under noGrad');
  });

  it('visits graphs of a hundred thousand nodes without recursion', () => {
    const a = tensor(1, { dtype: 'f64', requiresGrad: true });
    let y = a;
    for (let i = 0; i < 100_000; i++) y = y.add(1e-5);
    expect(grad(y, [a])[0].item()).toBe(1);
  });
});

describe('backward', () => {
  it('adds to the grad of every leaf, and of leaves only', () => {
    const [a, b] = [x(), x()];
    const middle = a.mul(b);
    middle.sum().backward();
    backward(middle.sum());
    expect(a.grad?.toArray()).toEqual([2, 4, 6]);
    expect(b.grad?.toArray()).toEqual([2, 4, 6]);
    expect(middle.grad).toBeUndefined();
  });

  it('gives each leaf its own gradient: assigning to one changes no other', () => {
    const [a, b, cotangent] = [x(), x(), x().detach()];
    a.add(b).backward({ cotangent });
    a.grad?.assign(a.grad.mul(10));
    expect(b.grad?.toArray()).toEqual(cotangent.toArray());
    expect(cotangent.toArray()).toEqual([1, 2, 3]);
    const [c, d] = [x(), x()];
    c.add(d).backward({ cotangent: a, createGraph: true });
    const through = c.grad ?? a;
    expect(grad(through.square().sum(), [a])[0].toArray()).toEqual([2, 4, 6]);
  });

  it('goes back through lists as they were given, whatever became of them since', () => {
    const [a, b] = [x(), x()];
    const calls: readonly ((list: (values: readonly number[]) => number[]) => Tensor)[] = [
      (list) => a.pad(list([1]), list([2]), { spread: list([2]) }),
      (list) => a.slice(list([0]), list([3]), list([2])),
      (list) => a.reshape(list([3, 1])).permute(list([1, 0])).flip(list([1])),
      (list) => a.broadcastTo(list([2, 3])).sum(list([0])).square(),
      (list) => a.tile(list([2])).reshape(list([2, 3])).sumTo(list([1, 3])).square(),
      (list) => concat(a.split(list([1, 2])).toReversed()).mul(b),
    ];
    for (const call of calls) {
      const lists: number[][] = [];
      const y = call((values) => {
        lists.push([...values]);
        return lists[lists.length - 1];
      });
      for (const list of lists) list.fill(1).push(1);
      const [found] = grad(y.sum(), [a]);
      const [expected] = grad(call((values) => [...values]).sum(), [a]);
      expect(found.data).toEqual(expected.data);
    }
    const parts = [a, b];
    const joined = concat(parts);
    parts.length = 0;
    expect(grad(joined.square().sum(), [b])[0].toArray()).toEqual([2, 4, 6]);
  });

  it('throws where a value is needed that was assigned over, and only there', () => {
    const [a, b] = [x(), x()];
    const needed = a.mul(b).sum();
    const notNeeded = a.add(b).sum();
    b.assign(b.detach().mul(2));
    expect(() => grad(needed, [a])).toThrow(
      'backward: mul needs the value that its input 1, f64[3], had before it was assigned another',
    );
    expect(grad(needed, [b])[0].toArray()).toEqual([1, 2, 3]);
    expect(grad(notNeeded, [a])[0].toArray()).toEqual([1, 1, 1]);
    expect(grad(a.mul(b).sum(), [a])[0].toArray()).toEqual([2, 4, 6]);
  });
});

describe('noGrad', () => {
  it('leaves no nodes, and puts recording back also after an error', () => {
    const a = x();
    expect(noGrad(() => a.mul(2)).requiresGrad).toBe(false);
    expect(() => noGrad(() => tensor([1]).item.call(a))).toThrow('item');
    expect(a.mul(2).requiresGrad).toBe(true);
  });

  it('refuses an async function', () => {
    expect(() => noGrad(async () => 1)).toThrow('noGrad: the function is async');
  });
});

describe('leaves and state', () => {
  it('only leaves of a floating dtype can require gradients', () => {
    expect(() => tensor([1], { dtype: 'i32', requiresGrad: true })).toThrow(
      'requiresGrad: i32[1] has no gradient; expected f32 or f64',
    );
    const y = x().mul(2);
    expect(() => (y.requiresGrad = false)).toThrow('requiresGrad: f64[3] is the result of mul');
  });

  it('assign takes a value of the same shape and dtype, on leaves', () => {
    const a = tensor([1, 2]);
    const view = a.reshape([2, 1]);
    expect(a.assign(tensor([3, 4]))).toBe(a);
    expect(a.toArray()).toEqual([3, 4]);
    expect(view.toArray()).toEqual([[1], [2]]);
    expect(() => a.assign(tensor([1]))).toThrow('assign: the value is f32[1], expected f32[2]');
    expect(() => x().mul(2).assign(x())).toThrow('assign: f64[3] is the result of mul');
  });
});

describe('definePrimitive', () => {
  const shapeOf = ([input]: readonly Tensor[]) => input;

  it('lets an op in by the door that all ops use', () => {
    const cube = definePrimitive<null>({
      name: 'test.cube',
      infer: shapeOf,
      compute: ([input], output) => output.data.set(input.data.map((value) => value ** 3)),
      gradient: (g, _y, [input]) => [() => g.mul(input.square()).mul(3)],
    });
    gradcheck((a) => cube([a], null), [x()]);
    const name = { name: 'test.cube', infer: shapeOf, compute: () => {} };
    expect(() => definePrimitive<null>(name)).toThrow("a primitive named 'test.cube' already");
  });

  it('is found out by gradcheck when its gradient rule is wrong', () => {
    const wrong = definePrimitive<null>({
      name: 'test.wrong',
      infer: shapeOf,
      compute: ([input], output) => output.data.set(input.data.map((value) => value ** 2)),
      gradient: (g, _y, [input]) => [() => g.mul(input)],
    });
    expect(() => gradcheck((a) => wrong([a], null), [x()])).toThrow('of input 0, f64[3], has');
    const index = tensor([0], { dtype: 'i32' });
    expect(() => gradcheck((_, a) => wrong([a], null), [index, x()])).toThrow(
      'of input 1, f64[3], has',
    );
    expect(() => gradcheck((i) => i, [index])).toThrow('inputs has no f64 tensor');
    expect(() => gradcheck((a) => a.exp(), [tensor([1])])).toThrow('inputs must be f64');
  });

  it('names the op whose gradient rule leaves out an input, or gives no list', () => {
    const rules: [object | undefined, string][] = [
      [[() => ones([3])], 'gave [a function], which has nothing for input 1, f64[3]; expected'],
      [undefined, 'gave [], which has nothing for input 0, f64[3]; expected'],
      [() => 1, 'gave a function, which has nothing for input 0, f64[3]; expected'],
    ];
    rules.forEach(([given, message], i) => {
      const name = `test.short${i}`;
      const short = definePrimitive<null>({
        name, infer: shapeOf, compute: () => {}, gradient: () => given as never,
      });
      const [a, b] = [x(), x()];
      expect(() => grad(short([a, b], null).sum(), [a, b])).toThrow(
        `${name}: its gradient rule ${message}`,
      );
    });
  });

  it('names the op whose gradient has a wrong shape or dtype', () => {
    const misshaped = definePrimitive<null>({
      name: 'test.misshaped',
      infer: shapeOf,
      compute: () => {},
      gradient: (g) => [() => g.concat([g])],
    });
    expect(() => grad(misshaped([x()], null).sum(), [x()], { allowUnused: true })).not.toThrow();
    const a = x();
    expect(() => grad(misshaped([a], null).sum(), [a])).toThrow(
      'test.misshaped: its gradient rule gave the shape [6] for input 0, f64[3]',
    );
  });
});
