/** What a function may do with tensors while it is traced, and what it leaves behind. */
import { compile, grad, ones, Tensor, tensor } from '@mambagrad/tensor';
import { AdamW, Linear } from '@mambagrad/nn';
import { describe, expect, it } from 'vitest';

describe('tracing', () => {
  it('refuses to read what has no value yet, or would be frozen', () => {
    const state = ones([1]);
    expect(() => compile((x: Tensor) => x.mul(x.sum().item()))(ones([1]))).toThrow(
      'compile: this tensor has no value: it stands for one while a function is traced',
    );
    expect(() => compile((x: Tensor) => x.mul(state.item()))(ones([1]))).toThrow(
      'compile: the function reads the data of f32[1], whose value would be frozen',
    );
    const own = compile((x: Tensor) => x.mul(tensor([3]).item()));
    expect(own(ones([1])).item()).toBe(3);
  });

  it('leaves tensors behind that throw when they are touched', () => {
    let kept: Tensor | undefined;
    const f = compile((x: Tensor) => (kept = x.mul(2)));
    f(ones([1]));
    expect(() => kept?.item()).toThrow('it stands for one while a function is traced');
    expect(() => kept?.add(1)).toThrow('it stands for one while a function is traced');
    expect(String(kept)).toBe('f32[1]');
  });

  it('keeps grad fields to itself', () => {
    const layer = new Linear(2, 1);
    const before = ones([1, 2]);
    layer.weight.grad = before;
    const gradientOf = ({ grad: found }: Tensor) => found;
    const f = compile((x: Tensor) => {
      layer.forward(x).sum().backward();
      return gradientOf(layer.weight);
    });
    // As in eager, the new gradient is added to the one that is there.
    expect(f(tensor([[3, 4]]))?.toArray()).toEqual([[4, 5]]);
    expect(layer.weight.grad).toBe(before);
    expect(layer.bias?.grad).toBeUndefined();
  });

  it('leaves no mark outside, neither when it fails nor on gradients set before', () => {
    const [weight, before] = [tensor([1, 2], { requiresGrad: true }), ones([2])];
    const pending = weight.mul(weight).sum();
    weight.grad = before;
    const failing = compile(() => {
      weight.grad = undefined;
      weight.assign(weight.detach().mul(2));
      throw new Error('on purpose');
    });
    expect(failing).toThrow('on purpose');
    expect(weight.grad).toBe(before);
    expect(weight.toArray()).toEqual([1, 2]);
    // The weight was not assigned, so what was computed from it is not stale.
    expect(grad(pending, [weight])[0].toArray()).toEqual([2, 4]);
  });

  it('refuses what it cannot follow', () => {
    expect(() => compile(async (x: Tensor) => x)(ones([1]))).toThrow('the function is async');
    const f = compile((x: Tensor, options: unknown) => (options ? x : x.mul(2)));
    expect(() => f(ones([1]), () => 1)).toThrow(
      'compile: argument 1 of the function is a function; expected tensors, numbers, strings',
    );
    expect(() => f(ones([1]), { on: new Map() })).toThrow(
      'compile: argument 1 of the function holds a Map; expected',
    );
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    expect(() => f(ones([1]), cyclic)).toThrow('nested more than 1000 levels deep; does it hold');
    const lazy = compile(function* (x: Tensor) {
      yield x.mul(2);
    });
    expect(() => lazy(ones([1]))).toThrow('compile: the function gives a generator');
  });

  it('refuses a function that is none, and options that are unknown or wrong', () => {
    const f = (x: Tensor) => x.mul(2);
    for (const [given, message] of [
      [f(ones([1])), 'compile: f is f32[1], expected a function'],
      [undefined, 'compile: f is missing, expected a function'],
    ] as const) expect(() => compile(given as never)).toThrow(message);
    for (const [options, message] of [
      [{ backend: 'gpu' }, "compile: backend is 'gpu', expected 'wasm' or 'js'"],
      [{ Backend: 'js' }, "compile: there is no option 'Backend'; did you mean 'backend'?"],
      [{ threads: 1.5 }, 'compile: threads is 1.5, expected a whole number from 1'],
      [{ deterministic: 1 }, 'compile: deterministic is 1, expected true or false'],
      [{ check: 'yes' }, "compile: check is 'yes', expected true or false"],
      [{ without: ['fuse'] }, "compile: without is ['fuse'], expected an array, each element"],
      [{ without: 'share' }, "compile: without is 'share', expected an array, each element"],
      [4, 'compile: options are 4, expected { backend, deterministic, check, … }'],
    ] as const) expect(() => compile(f, options as never)).toThrow(message);
    const absent = compile(f, { backend: undefined, threads: undefined, without: undefined });
    expect(absent(ones([1])).item()).toBe(2);
  });

  it('refuses a backward pass whose gradients nothing in it uses', () => {
    const layer = new Linear(2, 2);
    const optimizer = new AdamW(layer.parameters());
    const loss = (x: Tensor) => {
      const value = layer.forward(x).square().mean();
      value.backward();
      return value;
    };
    const x = ones([1, 2]);
    const message =
      'compile: the function calls backward(), but reads none of the gradients, such ' +
      'as that of f32[2], which are gone when the call is over; call optimizer.step() in the';
    for (const useless of [
      loss,
      // Gradients that only later ones are added to are not used either.
      (y: Tensor) => loss(loss(y).mul(y)),
      (y: Tensor) => {
        optimizer.zeroGrad();
        const value = loss(y);
        optimizer.zeroGrad();
        return value;
      },
    ]) expect(() => compile(useless)(x)).toThrow(message);
    const before = layer.weight.toArray();
    const step = compile((y: Tensor) => {
      optimizer.zeroGrad();
      const value = loss(y);
      optimizer.step();
      return value;
    });
    step(x);
    expect(layer.weight.toArray()).not.toEqual(before);
    // Where one is read the others may be there for nothing.
    const gradient = compile((y: Tensor) => {
      loss(y);
      return layer.weight.grad;
    });
    expect(gradient(x)?.shape).toEqual([2, 2]);
  });

  it('puts the mode back after an error', () => {
    const f = compile((x: Tensor) => x.matmul(ones([3])));
    expect(() => f(ones([2]))).toThrow('matmul: inner dimensions differ');
    expect(ones([1]).add(1).item()).toBe(2);
  });
});
