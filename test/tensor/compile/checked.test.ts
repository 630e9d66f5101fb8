/**
 * What a trace takes for granted, and what is noticed when it no longer holds: by a second trace
 * where that is asked for, and at each call what the function made and what it knew of state.
 */
import { AdamW, Linear } from '@mambagrad/nn';
import {
  backward, bernoulli, compile, Generator, normal, ones, type Tensor, tensor, uniform, zeros,
} from '@mambagrad/tensor';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';

describe('a checked function', () => {
  /** Calls the function twice; the second call checks. */
  const twice = (f: (x: Tensor, call: number) => unknown) => () => {
    let calls = 0;
    const compiled = compile((x: Tensor) => f(x, ++calls), { check: true });
    compiled(ones([2]));
    compiled(ones([2]));
  };

  it('may not use a number that changes, as an operand or an attribute', () => {
    const rule = 'what changes from call to call must be an argument or state';
    expect(twice((x) => x.exp().mul(Math.random()))).toThrow(
      /^compile: traced again, input 1 of mul \(step 1\) is constant f32\[\] 0\.\d+, and was /,
    );
    expect(twice((x, call) => x.sub(call))).toThrow(
      `input 1 of sub (step 0) is constant f32[] 2, and was constant f32[] 1; ${rule}`,
    );
    expect(twice((x, call) => x.add(tensor([1, call])))).toThrow('is constant f32[2] 1,2, and was');
    expect(twice((x, call) => x.narrow(0, call - 1, 1))).toThrow(
      'traced again, the attributes of slice (step 0) is start=[1], stop=[2], step=[1], and was',
    );
  });

  it('may not do other ops, or more or fewer', () => {
    expect(twice((x, call) => (call > 1 ? x.sin() : x.cos()))).toThrow(
      'traced again, step 0 is sin, and was cos',
    );
    expect(twice((x, call) => (call > 1 ? x : x.cos()))).toThrow('step 0 is nothing, and was cos');
    expect(twice((x, call) => (call > 1 ? x.cos() : x))).toThrow(
      'the result is "cos (step 0)", and was "argument 0"',
    );
    const [a, b] = [ones([2]), zeros([2])];
    expect(twice((x, call) => x.add(call > 1 ? a : b))).toThrow(
      'input 1 of add (step 0) is state 1 f32[2], and was state 0 f32[2]',
    );
  });

  it('may not return or assign something else, or give back another number', () => {
    const [a, b] = [zeros([2]), zeros([2])];
    const both = (x: Tensor, flag: boolean) => {
      const [sine, cosine] = [x.sin(), x.cos()];
      return flag ? [sine, cosine] : [cosine, sine];
    };
    expect(twice((x, call) => both(x, call > 1))).toThrow(
      'the result is ["sin (step 0)","cos (step 1)"], and was ["cos (step 1)","sin (step 0)"]',
    );
    expect(twice((_x, call) => void a.assign(tensor([call, 1])))).toThrow(
      'what is assigned to state 0 f32[2] is constant f32[2] 2,1, and was constant f32[2] 1,1',
    );
    expect(twice((x, call) => void (call > 1 ? a : b).assign(x))).toThrow(
      'what is assigned to state 0 f32[2] is nothing, and was argument 0',
    );
    expect(twice((x, call) => ({ x, call }))).toThrow(
      'the result is {"call":number 2,"x":"argument 0"}, and was {"call":number 1,',
    );
  });

  it('may be random, train, and do the same otherwise', () => {
    const generator = new Generator(1);
    const layer = new Linear(2, 2, { generator });
    const optimizer = new AdamW(layer.parameters());
    const step = compile(
      (x: Tensor) => {
        const kept = bernoulli([2], 0.5, { generator });
        const noisy = x.add(normal([2], 0, 1, { generator })).mul(kept);
        const loss = layer.forward(noisy).square().sum();
        optimizer.minimize(loss, { maxNorm: 1 });
        return { loss, factor: 2 };
      },
      { check: true },
    );
    for (let call = 0; call < 3; call++) {
      optimizer.lr = 0.1 / (1 + call);
      expect(step(ones([1, 2])).loss.item()).toBeGreaterThanOrEqual(0);
    }
  });
});

describe('a tensor that the function makes', () => {
  it('is a constant until somebody else assigns to it', () => {
    let made: Tensor | undefined;
    const f = compile((x: Tensor) => x.add((made ??= tensor([1, 2]))));
    const expectSum = (numbers: number[]) => expect(f(ones([2])).toArray()).toEqual(numbers);
    expectSum([2, 3]);
    made?.assign(tensor([5, 6]));
    expectSum([6, 7]);
    made?.assign(tensor([7, 8]));
    expectSum([8, 9]);
  });

  it('is made anew by each call, as far as anyone can see', () => {
    const f = compile(() => ({ fresh: zeros([2]), number: tensor(3) }));
    const [first, second] = [f(), f()];
    first.fresh.assign(ones([2]));
    expect(second.fresh.toArray()).toEqual([0, 0]);
    expect(f().fresh.toArray()).toEqual([0, 0]);
    expect(f().number.item()).toBe(3);
  });
});

describe('a tensor that the function assigns to', () => {
  it('starts anew in each call if each call makes it', () => {
    const f = compile((x: Tensor) => {
      const [sum, product] = [zeros([]), x.mul(1)];
      for (let i = 0; i < 3; i++) {
        sum.assign(sum.add(x));
        product.assign(product.mul(x));
      }
      const noise = uniform([2], 0, 1, { generator: new Generator(5) });
      return { sum, product, copy: sum.mul(1), noise };
    });
    for (let call = 0; call < 3; call++) {
      const { sum, product, copy, noise } = f(tensor(2));
      expect([sum, product, copy].map((each) => each.item())).toEqual([6, 16, 6]);
      expectSame(noise, uniform([2], 0, 1, { generator: new Generator(5) }));
    }
  });

  it('is state if the first call alone makes it', () => {
    let total: Tensor | undefined;
    const f = compile((x: Tensor) => {
      total ??= zeros([]);
      total.assign(total.add(x));
      return total.mul(2);
    }, { check: true });
    expect([1, 2, 3].map((x) => f(tensor(x)).item())).toEqual([2, 6, 12]);
    expect(total?.item()).toBe(6);
  });
});

describe('what a trace goes by', () => {
  it('is looked at again: whether state requires gradients, and gradients that it had', () => {
    const [kept, frozen] = [1, 2].map((value) => tensor(value, { requiresGrad: true }));
    let traces = 0;
    const step = compile((x: Tensor) => {
      traces++;
      backward(kept.mul(x).add(frozen.mul(x)));
      return [kept, frozen].map(({ grad: found }) => found?.mul(1));
    });
    const expectGradients = (...expected: (number | undefined)[]) =>
      expect(step(tensor(3)).map((found) => found?.item())).toEqual(expected);
    expectGradients(3, 3);
    expectGradients(3, 3);
    expect(traces).toBe(1);
    frozen.requiresGrad = false;
    expectGradients(3, undefined);
    kept.grad = tensor(10);
    expectGradients(13, undefined);
    kept.grad = tensor(20);
    expectGradients(23, undefined);
  });

  it('is the gradients of an eager backward pass, where only the step is compiled', () => {
    const train = (isCompiled: boolean) => {
      const layer = new Linear(2, 1, { generator: new Generator(1) });
      const optimizer = new AdamW(layer.parameters(), { lr: 0.1 });
      const eager = () => optimizer.step();
      const step = isCompiled ? compile(eager) : eager;
      for (let call = 1; call < 4; call++) {
        optimizer.zeroGrad();
        layer.forward(ones([1, 2])).mul(call).sub(1).square().sum().backward();
        step();
      }
      return layer.weight;
    };
    expectClose(train(true), train(false), 1e-6);
  });
});
