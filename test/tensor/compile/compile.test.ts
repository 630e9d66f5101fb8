/**
 * Compiled functions do what the functions do: whole training steps, and each rule of what a
 * function may do with tensors while it is traced.
 */
import {
  arange, bernoulli, compile, type Compiled, type CompileOptions, detectAnomaly, Generator, grad,
  guard, integers, noGrad, normal, ones, permutation, Tensor, tensor, uniform, zeros,
} from '@mambagrad/tensor';
import { AdamW, crossEntropy, Linear } from '@mambagrad/nn';
import { MambaLM, selectiveCopying } from '@mambagrad/mamba';
import { describe, expect, it, vi } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { expectAllSame } from '../../support/compiled.ts';

describe('a compiled training step', () => {
  const sizes = { vocabSize: 6, hiddenSize: 8, stateSize: 3, numLayers: 2 };

  /** The losses of so many steps and the parameters they lead to, compiled if there are options. */
  function train(steps: number, options?: CompileOptions) {
    const generator = new Generator(3);
    const model = new MambaLM({ ...sizes, generator });
    const optimizer = new AdamW(model.parameters());
    const eager = (inputs: Tensor, targets: Tensor): Tensor => {
      const loss = crossEntropy(model.forward(inputs).narrow(1, 6, 2), targets);
      optimizer.minimize(loss, { maxNorm: 1 });
      return loss;
    };
    const step = options ? compile(eager, options) : eager;
    const losses = Array.from({ length: steps }, (_, i) => {
      // The rate changes between calls, and the batch once in a while.
      optimizer.lr = 0.01 * 0.99 ** i;
      const batch = selectiveCopying(i % 30 === 29 ? 3 : 4, {
        tokens: 2,
        places: 6,
        vocabSize: 6,
        generator,
      });
      return step(batch.inputs, batch.targets);
    });
    return { losses, parameters: model.parameters() };
  }

  it('gives the losses of the eager one, within 1e-4 over 100 steps', () => {
    const { losses } = train(100);
    const found = train(100, {}).losses;
    found.forEach((loss, i) => expectClose(loss, losses[i], 0, 1e-4));
    expect(found[99].item()).toBeLessThan(0.9 * found[0].item());
  });

  it('gives the same bits in WebAssembly and JavaScript: 20 losses and all parameters', () => {
    const [wasm, js] = (['wasm', 'js'] as const).map((backend) =>
      train(20, { backend, deterministic: true }),
    );
    expectAllSame(wasm.losses, js.losses);
    expectAllSame(wasm.parameters, js.parameters);
  });

  it('may go by backward, step and zeroGrad as well', () => {
    const losses = (isCompiled: boolean) => {
      const layer = new Linear(2, 2, { generator: new Generator(1) });
      const optimizer = new AdamW(layer.parameters(), { lr: 0.1 });
      const eager = (x: Tensor) => {
        optimizer.zeroGrad();
        const loss = layer.forward(x).square().mean();
        loss.backward();
        optimizer.step();
        return loss;
      };
      const step = isCompiled ? compile(eager) : eager;
      return [1, 2, 3, 4].map((scale) => step(ones([1, 2]).mul(scale)).item());
    };
    const eager = losses(false);
    losses(true).forEach((loss, i) => expect(loss).toBeCloseTo(eager[i], 6));
  });
});

describe('state', () => {
  it('is read at each call, and written when the call ends', () => {
    const counter = zeros([]);
    const step = compile((by: Tensor) => {
      counter.assign(counter.add(by));
      const once = counter.mul(1);
      counter.assign(counter.add(by));
      return { once, twice: counter.mul(1) };
    });
    const { once, twice } = step(tensor(2));
    expect([once.item(), twice.item(), counter.item()]).toEqual([2, 4, 4]);
    counter.assign(tensor(10));
    expect(step(tensor(1)).twice.item()).toBe(12);
    expect(counter.item()).toBe(12);
  });

  it('can swap, as all new values are taken before any is written', () => {
    const [a, b] = [tensor([1, 2]), tensor([3, 4])];
    const swap = compile(() => {
      const old = a.mul(1);
      a.assign(b);
      b.assign(old);
    });
    swap();
    expect([a.toArray(), b.toArray()]).toEqual([
      [3, 4],
      [1, 2],
    ]);
  });

  it('is left alone when a call fails', () => {
    const total = zeros([]);
    const table = arange(0, 3);
    const step = compile((index: Tensor) => {
      total.assign(total.add(1));
      return table.gather(0, index);
    });
    step(tensor([1], { dtype: 'i32' }));
    expect(() => step(tensor([7], { dtype: 'i32' }))).toThrow('gather: index 7 (element 0)');
    expect(total.item()).toBe(1);
  });

  it('that is an argument is written as well', () => {
    const double = compile((x: Tensor) => {
      x.assign(x.mul(2));
      return x;
    });
    const x = tensor([1, 2]);
    expect(double(x)).toBe(x);
    expect(x.toArray()).toEqual([2, 4]);
  });

  it('is returned as itself, and so are arguments', () => {
    const state = ones([2]);
    const f = compile((x: Tensor) => ({ state, x, sum: state.add(x) }));
    const x = ones([2]);
    const result = f(x);
    expect(result.state).toBe(state);
    expect(result.x).toBe(x);
  });
});

describe('results', () => {
  it('are fresh: no later call changes what was handed out', () => {
    const f = compile((x: Tensor) => [x.mul(2), x.reshape([1, 2])]);
    const [first, shaped] = f(tensor([1, 2]));
    f(tensor([5, 6]));
    expect(first.toArray()).toEqual([2, 4]);
    expect(shaped.toArray()).toEqual([[1, 2]]);
    expect(first.requiresGrad).toBe(false);
  });

  it('keep the form of objects and arrays, with what else is in them', () => {
    const f = compile((batch: { x: Tensor; parts: Tensor[] }, name: string) => ({
      name,
      nested: { sums: [batch.x.add(batch.parts[0])], others: [null, 3] },
    }));
    const { name, nested } = f({ x: tensor([1]), parts: [tensor([2])] }, 'n');
    expect(name).toBe('n');
    expect(nested.others).toEqual([null, 3]);
    expect(nested.sums[0].toArray()).toEqual([3]);
  });

  it('tell a tensor passed twice from two equal ones', () => {
    const f = compile((a: Tensor, b: Tensor) => grad(a.mul(b).sum(), [a])[0]);
    const make = () => tensor([3], { requiresGrad: true });
    const x = make();
    expect(f(x, x).item()).toBe(6);
    expect(f(make(), make()).item()).toBe(3);
  });
});

describe('programs', () => {
  function counted(): { f: Compiled<[Tensor, number?], Tensor>; traces: () => number } {
    let traces = 0;
    const f = compile((x: Tensor, scale?: number) => {
      traces += 1;
      return x.mul(scale ?? 1);
    });
    return { f, traces: () => traces };
  }

  it('are made once for each kind of arguments and mode', () => {
    const { f, traces } = counted();
    f(ones([2]));
    f(zeros([2]));
    expect(traces()).toBe(1);
    f(ones([3]));
    f(ones([2], { dtype: 'f64' }));
    f(ones([2]), 0);
    f(ones([2]), -0);
    f(ones([2], { requiresGrad: true }));
    expect(traces()).toBe(6);
    noGrad(() => f(ones([2])));
    expect(traces()).toBe(7);
    expect(f(ones([2]), -0).data[0]).toBe(-0);
    expect(traces()).toBe(7);
  });

  it('are used only while the settings that the function read are the same', () => {
    const { f: plain, traces } = counted();
    const settings = { scale: 1, unread: 1 };
    const inner = compile((x: Tensor) => plain(x, guard(() => settings.scale)));
    const f = compile((x: Tensor) => noGrad(() => inner(x)));
    const results = [1, 2, NaN, 1, NaN, 2].map((scale) => {
      settings.scale = scale;
      settings.unread += 1;
      return f(ones([])).item();
    });
    expect(results).toEqual([1, 2, NaN, 1, NaN, 2]);
    expect(traces()).toBe(3);
    expect(guard(() => settings.scale)).toBe(2);
  });

  it('know what was frozen and thawed', () => {
    const layers = [1, 2].map((seed) => new Linear(2, 2, { generator: new Generator(seed) }));
    const step = compile((x: Tensor) => {
      layers.reduce((y, layer) => layer.forward(y), x).sum().backward();
      return layers.flatMap((layer) => layer.parameters()).map((parameter) => parameter.grad);
    });
    const received = [true, false, false, true].map((requiresGrad) => {
      for (const parameter of layers[0].parameters()) parameter.requiresGrad = requiresGrad;
      return step(ones([1, 2])).map((gradient) => gradient !== undefined);
    });
    const [all, second] = [[true, true, true, true], [false, false, true, true]];
    expect(received).toEqual([all, second, second, all]);
  });

  it('have a kernel of its own for each dtype, also where only what is read differs in it', () => {
    const numbers = [[-1, -2, 3, 4], [-2, 5, 2, 4]];
    const [whole, floats] = (['i32', 'f32'] as const).map((dtype) =>
      numbers.map((one) => tensor(one, { dtype })),
    );
    const f = compile((...[a, b, c, d]: Tensor[]) => [a.less(b), c.less(d)]);
    for (const one of f(...whole, ...floats)) expect([...one.data]).toEqual([0, 1, 0, 0]);
  });

  it('that get many come with a warning, once', () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const { f } = counted();
    for (let i = 0; i < 20; i++) f(ones([1]), i);
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0][0]).toContain('pass a number that changes as a tensor');
    warn.mockRestore();
  });

  it('are part of the program that calls them', () => {
    const inner = compile((x: Tensor) => x.mul(2));
    const outer = compile((x: Tensor) => inner(x).add(1));
    expect(outer(ones([1])).item()).toBe(3);
    expect(outer.listing()).toContain('mul(');
    expect(() => inner.explain()).toThrow('explain: the function was not called yet');
  });

  it('are random as the function is', () => {
    const draw = (generator: Generator) => [
      normal([3], 0, 1, { generator }),
      uniform([2], 0, 1, { generator }),
      bernoulli([4], 0.5, { generator }),
      integers([3], -5, 9, generator),
      permutation(6, generator),
    ];
    const [eager, replayed] = [new Generator(9), new Generator(9)];
    const f = compile(() => draw(replayed));
    for (let call = 0; call < 3; call++) {
      const expected = draw(eager);
      f().forEach((x, i) => expectClose(x, expected[i], 1e-6));
    }
    expectSame(replayed.state, eager.state);
  });

  it('run line by line where anomalies are looked for', () => {
    const f = compile((x: Tensor) => x.log());
    f(ones([1]));
    expect(() => detectAnomaly(() => f(zeros([1])))).toThrow('detectAnomaly: log gave -Infinity');
  });
});
