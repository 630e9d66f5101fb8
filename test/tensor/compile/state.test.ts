/** State that others see or change between calls, failing calls, and what results share with it. */
import { crossEntropy, Embedding, Parameter } from '@mambagrad/nn';
import {
  arange, backward, compile, type CompileOptions, grad, ones, type Tensor, tensor, zeros,
} from '@mambagrad/tensor';
import { describe, expect, it, vi } from 'vitest';
import { expectSame } from '../../support/compare.ts';

const indices = (...values: number[]) => tensor(values, { dtype: 'i32' });

const backends: CompileOptions[] = [{ backend: 'wasm' }, { backend: 'js' }];

describe.each(backends)('state, %o', (options) => {
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
      const take = fresh.compile((x: Tensor) => [state.sub(x), x.flip(0)], { backend });
      count();
      take(fresh.tensor([5, 5]));
      expect(state.data.buffer).toBeInstanceOf(ArrayBuffer);
      for (const size of [1e5, 2e6]) {
        const large = fresh.compile(() => fresh.ones([size]).flip(0).add(state.sum()), { backend });
        large();
        expect(state.data).toHaveLength(2);
        const [none, swapped] = take(fresh.tensor(state.data.slice()));
        expect([...none.data, ...swapped.data.toReversed()]).toEqual([0, 0, ...state.data]);
        count();
      }
    }
    expect(state.toArray()).toEqual([7, 8]);
    expect(String(state)).toBe('f32[2] [7., 8.]');
    vi.unstubAllGlobals();
    vi.resetModules();
  });
});

describe.each(backends)('a failing call, %o', (options) => {
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

  it('looks at all indices, also where a part of them has been looked at', () => {
    const table = arange(0, 3);
    const f = compile((index: Tensor) => [
      table.gather(0, index.narrow(0, 0, 1)), table.gather(0, index), table.gather(0, index).exp(),
    ], options);
    expect(f(indices(2, 1))[1].toArray()).toEqual([2, 1]);
    expect(() => f(indices(0, 7))).toThrow('index 7 (element 1) is out of range');
    expect(f.explain().match(/check/g)?.length).toBe(2);
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
