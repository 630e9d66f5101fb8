/**
 * The rules of what a compiled function may count on, at their edges: checked traces, constants,
 * state that others see or change, failing calls, shapes of nothing, and what can be looked at.
 */
import {
  arange, backward, bernoulli, compile, type Compiled, type CompileOptions, concat, formatKernels,
  Generator, grad,
  normal, ones, stack, type Tensor, tensor, uniform, zeros,
} from '@mambagrad/tensor';
import { AdamW, crossEntropy, Embedding, Linear, Parameter } from '@mambagrad/nn';
import { describe, expect, it, vi } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';

const indices = (...values: number[]) => tensor(values, { dtype: 'i32' });

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
    expect(twice((x, call) => x.narrow(0, call - 1, 1))).toThrow('traced again, the attributes of slice (step 0) is start=[1]');
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
        const loss = layer.forward(x.add(normal([2], 0, 1, { generator })).mul(kept)).square().sum();
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

describe.each<CompileOptions>([{ backend: 'wasm' }, { backend: 'js' }])('state, %o', (options) => {
  const counting = (state: Tensor, by = 1) =>
    compile(() => {
      state.assign(state.add(by));
      return state.mul(1);
    }, options);

  it('can be that of two programs, and be assigned to in between', () => {
    const state = zeros([3]);
    const [ones, tens] = [counting(state), counting(state, 10)];
    const expectNow = (result: Tensor, value: number) => {
      expect(result.toArray()).toEqual([value, value, value]);
      expect(state.toArray()).toEqual([value, value, value]);
    };
    expectNow(ones(), 1);
    expectNow(tens(), 11);
    expectNow(ones(), 12);
    state.assign(tensor([100, 100, 100]));
    expectNow(tens(), 110);
    expectNow(ones(), 111);
  });

  it('takes a value over without the array of it', () => {
    const [state, other] = [zeros([2]), ones([2])];
    const count = counting(state);
    count();
    state.assign(other);
    count();
    expect(other.toArray()).toEqual([1, 1]);
    other.assign(state);
    count();
    expect([state.toArray(), other.toArray()]).toEqual([[3, 3], [2, 2]]);
  });

  it('shares nothing with what was made of it, before a call or after', () => {
    const state = tensor([1, 2]);
    const count = counting(state);
    const derive = () => [
      state.detach(),
      state.reshape([2, 1]),
      zeros([2]).assign(state),
      new Parameter(state),
      tensor(state.data),
    ];
    const before = derive();
    count();
    const after = derive();
    count();
    for (const each of before) expect(each.flatten().toArray()).toEqual([1, 2]);
    for (const each of after) expect(each.flatten().toArray()).toEqual([2, 3]);
    expect(state.toArray()).toEqual([3, 4]);
    // Its own array is where programs write.
    const { data } = state;
    count();
    expect([...data]).toEqual([4, 5]);
    expect([...after, ...before].map((each) => each.data.includes(4))).not.toContain(true);
  });

  it('that a call has changed since is found by an eager backward pass', () => {
    const weight = tensor([1, 2], { requiresGrad: true });
    const loss = weight.mul(weight).sum();
    counting(weight)();
    expect(() => backward(loss)).toThrow('assign');
  });

  it('can be shared by a caller as an argument, which is read; what is assigned to may not', () => {
    const state = tensor([1, 2]);
    const sum = compile((x: Tensor) => x.add(state), options);
    expect(sum(state).toArray()).toEqual([2, 4]);
    const f = compile((x: Tensor) => {
      state.assign(state.mul(2));
      return x.mul(1);
    }, options);
    expect(f(tensor([0, 0])).toArray()).toEqual([0, 0]);
    expect(state.toArray()).toEqual([2, 4]);
    expect(() => f(state)).toThrow('compile: argument 0, f32[2], is also captured');
    expect(state.toArray()).toEqual([2, 4]);
    const g = compile((x: Tensor) => void x.assign(state.mul(2)), options);
    expect(() => g(state)).toThrow('compile: argument 0, f32[2], is also captured');
  });

  it('comes in any number', () => {
    const states = Array.from({ length: 1500 }, (_, i) => tensor([i, 1, -i]));
    const add = compile((x: Tensor) => {
      for (const state of states) state.assign(state.add(x));
      return states[7].mul(2);
    }, options);
    for (let call = 1; call <= 2; call++) {
      expect(add(tensor([1, 0, 1])).toArray()).toEqual([14 + 2 * call, 2, 2 * call - 14]);
    }
    states.forEach((state, i) => expect([...state.data]).toEqual([i + 2, 1, 2 - i]));
  });

  it('stays where others can see it when memory grows', () => {
    const [state, x] = [tensor([1, 2]), ones([2])];
    const count = counting(state);
    count();
    const large = compile((y: Tensor) => y.flip(0).mul(2), options);
    for (const size of [1e5, 3e6]) {
      expect(large(ones([size])).data.at(-1)).toBe(2);
      count();
    }
    expect(state.add(x).toArray()).toEqual([5, 6]);
  });
});

describe('memory that cannot be shared', () => {
  it('leaves state readable when it grows', async () => {
    vi.stubGlobal('SharedArrayBuffer', undefined);
    vi.resetModules();
    const fresh = await import('@mambagrad/tensor');
    const state = fresh.tensor([1, 2]);
    for (const backend of ['wasm', 'js'] as const) {
      const count = fresh.compile(() => void state.assign(state.add(1)), { backend });
      count();
      expect(state.data.buffer).toBeInstanceOf(ArrayBuffer);
      for (const size of [1e5, 2e6]) {
        const large = fresh.compile(() => fresh.ones([size]).flip(0).add(state.sum()), { backend });
        large();
        expect(state.data).toHaveLength(2);
        count();
      }
    }
    expect(state.toArray()).toEqual([7, 8]);
    expect(String(state)).toBe('f32[2] [7., 8.]');
    vi.unstubAllGlobals();
    vi.resetModules();
  });
});

describe.each<CompileOptions>([{ backend: 'wasm' }, { backend: 'js' }])('a failing call, %o', (options) => {
  it.each([
    ['gather', (x: Tensor, at: Tensor) => x.gather(0, at)],
    ['scatterAdd', (x: Tensor, at: Tensor) => x.scatterAdd(0, at, ones([2]))],
    ['indexSelect', (x: Tensor, at: Tensor) => x.indexSelect(0, at)],
    ['oneHot', (_x: Tensor, at: Tensor) => at.oneHot(3)],
    ['an index that is computed', (x: Tensor, at: Tensor) => x.gather(0, at.add(1).flip(0).sub(1))],
  ])('of %s throws as eagerly, and changes nothing', (_name, f) => {
    const [total, count] = [tensor([1, 2, 3]), zeros([])];
    const body = (x: Tensor, at: Tensor) => {
      count.assign(count.add(1));
      total.assign(total.add(x));
      const result = f(x, at);
      total.assign(total.mul(2));
      return result;
    };
    const step = compile(body, options);
    const x = arange(0, 3);
    const good = step(x, indices(2, 0));
    const messageOf = (call: () => unknown): string => {
      try {
        call();
      } catch (error) {
        return String(error);
      }
      return 'none';
    };
    for (const wrong of [indices(0, 3), indices(-1, 0), indices(1, 2 ** 31 - 1)]) {
      const before = [total, count].map((state) => state.detach());
      const expected = messageOf(() => f(x, wrong));
      expect(expected).toContain('is out of range');
      expect(messageOf(() => step(x, wrong))).toBe(expected);
      [total, count].forEach((state, i) => expectSame(state, before[i]));
    }
    expectSame(step(x, indices(2, 0)), good);
    expect(count.item()).toBe(2);
  });

  it('names a token or target that is none', () => {
    const layer = new Embedding(3, 2);
    const f = compile((tokens: Tensor, targets: Tensor) => {
      const loss = crossEntropy(layer.forward(tokens), targets);
      return [loss, ...grad(loss, layer.parameters())];
    }, options);
    expect(f(indices(2), indices(1))[0].item()).toBeGreaterThan(0);
    expect(() => f(indices(3), indices(1))).toThrow('is out of range');
    expect(() => f(indices(2), indices(2))).toThrow();
  });
});

describe('shapes of nothing', () => {
  it('go through as arguments, state, results and sums', () => {
    const [none, total] = [zeros([0, 3]), zeros([])];
    const f = compile((x: Tensor) => {
      none.assign(none.add(x));
      total.assign(total.add(x.sum()).add(1));
      return { x, none, doubled: x.mul(2), sum: x.sum(0), joined: x.concat([ones([1, 3])]) };
    });
    for (let call = 1; call < 3; call++) {
      const { x, none: same, doubled, sum, joined } = f(zeros([0, 3]));
      expect([x.shape, doubled.shape, same === none]).toEqual([[0, 3], [0, 3], true]);
      expect([sum.toArray(), joined.toArray()]).toEqual([[0, 0, 0], [[1, 1, 1]]]);
      expect(total.item()).toBe(call);
    }
    expect(f.arenaBytes()).toBeLessThan(1000);
  });

  it('are those of programs without steps, arguments or results', () => {
    const idle = compile(() => {});
    expect(idle()).toBeUndefined();
    expect(idle.explain()).toBe('0 kernels, 0 operations, an arena of 0 bytes');
    expect(idle.listing()).toContain('return');
    expect(idle.arenaBytes()).toBe(0);
    const same = compile((x: Tensor, y: Tensor[]) => [x, x, ...y]);
    const [a, b] = [ones([2]), tensor(1)];
    expect(same(a, [b, a])).toEqual([a, a, b, a]);
    same(a, [b, a]).forEach((result, i) => expect(result).toBe([a, a, b, a][i]));
  });

  it('are those of numbers', () => {
    const state = tensor(2);
    const f = compile((x: Tensor) => {
      state.assign(state.mul(x));
      return [state.sqrt(), x.reshape([1, 1]), x.unsqueeze(0).sum()];
    });
    const [root, matrix, sum] = f(tensor(8));
    expect([root.toArray(), matrix.toArray(), sum.toArray()]).toEqual([4, [[8]], 8]);
  });
});

describe('results', () => {
  it('are apart from state and arguments, even as another look at them', () => {
    const state = tensor([1, 2]);
    const f = compile((x: Tensor) => {
      const old = state.reshape([2, 1]);
      state.assign(state.add(x));
      const copy = x.detach();
      return { old, now: state.reshape([1, 2]), copy, twice: [copy, copy] };
    });
    const x = ones([2]);
    const { old, now, copy, twice } = f(x);
    f(x);
    expect([old.toArray(), now.toArray(), copy.toArray()]).toEqual([[[1], [2]], [[2, 3]], [1, 1]]);
    copy.assign(zeros([2]));
    expect([x.toArray(), twice[0].toArray()]).toEqual([[1, 1], [1, 1]]);
  });

  it('can be assigned to, and be arguments and state of other programs', () => {
    const double = compile((x: Tensor) => x.mul(2));
    const first = double(ones([2]));
    const add = compile(() => void first.assign(first.add(1)));
    add();
    expect(double(first).toArray()).toEqual([6, 6]);
    expect(first.toArray()).toEqual([3, 3]);
    expect(double(ones([2])).toArray()).toEqual([2, 2]);
  });

  it('may be arguments and state that the function assigns to', () => {
    const state = ones([2]);
    const f = compile((x: Tensor) => {
      x.assign(state.mul(2));
      state.assign(x.add(1));
      return [x, state];
    });
    const x = zeros([2]);
    for (const expected of [[2, 3], [6, 7]]) {
      const [first, second] = f(x);
      expect([first, second]).toEqual([x, state]);
      expect([x.data[0], state.data[0]]).toEqual(expected);
    }
  });
});

describe('a program', () => {
  const f = (options?: CompileOptions): Compiled<[Tensor], Tensor[]> =>
    compile((x: Tensor) => [x.softmax(), x.matmul(x), x.argmax(0)], options);

  it('can be looked at: its kernels, their ops, operations, bytes and time', () => {
    const compiled = f();
    const x = uniform([4, 4]);
    const [expected] = compiled(x);
    const lines = compiled.explain().split('\n');
    expect(lines).toHaveLength(4);
    const kernel = (line: string) => lines.find((each) => each.endsWith(line)) ?? '';
    // 64 multiplications and as many additions; three matrices of 64 bytes.
    expect(kernel('matmul')).toMatch(/^ *128 operations +192 bytes|^ *128 operations +128 bytes/);
    expect(kernel('argmax')).toMatch(/^ *reference loop +80 bytes +f32\[4, 4\] → i32\[4\]/);
    expect(kernel('max, sub, exp, sum, div')).toContain('f32[4, 4] → f32[4, 4]');
    expect(lines[3]).toMatch(/^3 kernels, \d+ operations, an arena of \d+ bytes$/);
    expect(lines[3]).toContain(`an arena of ${compiled.arenaBytes()} bytes`);
    const profile = formatKernels(compiled.profile(x)).split('\n');
    expect(profile).toHaveLength(4);
    for (const line of profile.slice(0, 3)) expect(line).toMatch(/^ *\d+\.\d{3} ms /);
    expect(profile[3]).toMatch(/, \d+\.\d{3} ms$/);
    expectSame(compiled(x)[0], expected);
  });

  it('has its kernels in the WebAssembly module', () => {
    for (const options of [{}, { backend: 'js' }] as const) {
      const compiled = f(options);
      compiled(ones([4, 4]));
      const text = compiled.wat();
      const functions = Array.from(text.matchAll(/^ *\(func \$(\S+)/gm), ([, name]) => name);
      expect(functions).toEqual(['run', expect.stringContaining('exp'), '1_matmul']);
      for (const part of ['(module', 'f32x4.mul', '"reference"']) expect(text).toContain(part);
    }
  });

  it('can be profiled instead of called: state changes once', () => {
    const state = zeros([]);
    const count = compile(() => void state.assign(state.add(1)));
    count();
    count.profile();
    count.profile();
    expect(state.item()).toBe(3);
  });

  it('says that it was not called yet', () => {
    const { listing, explain, wat, arenaBytes } = f();
    for (const [name, look] of Object.entries({ listing, explain, wat, arenaBytes })) {
      expect(look).toThrow(`${name}: the function was not called yet`);
    }
  });

  it('is made in time for what long chains of powers share', () => {
    const powers = compile((x: Tensor) => Array(12).fill(0).reduce<Tensor>((y) => y.pow(y), x));
    expect(powers(ones([3, 3])).toArray()).toEqual(ones([3, 3]).toArray());
  });

  it('may be of any depth and read any number of tensors', () => {
    const deep = compile((x: Tensor) => {
      let chain = x.reshape([1, 2]);
      for (let i = 0; i < 1500; i++) chain = i % 3 === 0 ? chain.flip(1) : chain.mul(-1).add(x);
      const levels = (list: Tensor[]): Tensor =>
        list.length === 1
          ? list[0]
          : levels(list.slice(list.length / 2).map((y, i) => y.add(list[i])));
      return [chain, levels(Array.from({ length: 1024 }, (_, i) => x.mul(i)))];
    });
    const x = tensor([1, 2]);
    const [chain, sum] = deep(x);
    // Each three steps turn [a, b] to [b, a].
    expect(chain.toArray()).toEqual([[1, 2]]);
    expect(sum.toArray()).toEqual([1024 * 511.5, 1024 * 1023]);
    const wide = compile((...xs: Tensor[]) => [concat(xs.map((y) => y.neg())), stack(xs)]);
    const [joined, stacked] = wide(...Array.from({ length: 1100 }, (_, i) => tensor([i, 1])));
    expect([joined.shape, joined.data[2198], joined.data[2199]]).toEqual([[2200], -1099, -1]);
    expect([stacked.shape, stacked.data[2198]]).toEqual([[1100, 2], 1099]);
  });
});
