/** Shapes of nothing, programs of any size, and what of a program can be looked at. */
import {
  compile, type Compiled, type CompileOptions, concat, formatKernels, ones, stack, type Tensor,
  tensor, uniform, zeros,
} from '@mambagrad/tensor';
import { describe, expect, it } from 'vitest';
import { expectSame } from '../../support/compare.ts';

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

describe('a program', () => {
  const f = (options?: CompileOptions): Compiled<[Tensor], Tensor[]> =>
    compile((x: Tensor) => [x.softmax(), x.matmul(x), x.argsort()], options);

  it.each([[64, 32, 16], [37, 41, 29], [90, 700, 13], [2, 9, 7]])(
    'knows that a product of sizes %i, %i and %i takes twice their product, and adds up long sums',
    (rows, depth, columns) => {
      const product = compile((a: Tensor, b: Tensor) => a.matmul(b));
      const [report] = product.profile(ones([rows, depth]), ones([depth, columns]));
      const parts = depth > 256 ? Math.ceil(depth / 256) : 0;
      expect(report.operations).toBe((2 * depth + parts) * rows * columns);
    },
  );

  it('can be looked at: its kernels, their ops, operations, bytes and time', () => {
    const compiled = f();
    const x = uniform([4, 4]);
    const [expected] = compiled(x);
    const lines = compiled.explain().split('\n');
    expect(lines).toHaveLength(4);
    const kernel = (line: string) => lines.find((each) => each.endsWith(line)) ?? '';
    // 64 multiplications and as many additions; three matrices of 64 bytes.
    expect(kernel('matmul')).toMatch(/^ *128 operations +192 bytes|^ *128 operations +128 bytes/);
    expect(kernel(' sort')).toMatch(
      /^ *reference loop +192 bytes +f32\[4, 4\] → f32\[4, 4\] i32\[4, 4\]/,
    );
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
      expect(functions).toEqual([expect.stringContaining('exp'), '1_matmul', 'run']);
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
    const { listing, kernels, memory, stages, explain, wat, arenaBytes } = f();
    const looks = { listing, kernels, memory, stages, explain, wat, arenaBytes };
    for (const [name, look] of Object.entries(looks)) {
      expect(look).toThrow(`${name}: the function was not called yet; call it first, or use ` +
        `inspect(...).${name}() with the arguments of a call`);
    }
  });

  it('is made in time for what long chains of powers share', () => {
    const powers = compile((x: Tensor) => Array(12).fill(0).reduce<Tensor>((y) => y.pow(y), x));
    expect(powers(ones([3, 3])).toArray()).toEqual(ones([3, 3]).toArray());
  });

  it.each(Array.from({ length: 36 }, (_, i) => i + 1))(
    'may take a part of what %i ops before it compute', (count) => {
      const f = (x: Tensor) => {
        let y = x;
        for (let i = 0; i < count; i++) y = y.neg();
        return y.slice([2], [6]).mul(3);
      };
      const x = uniform([8]);
      expectSame(compile(f)(x), f(x));
    },
  );

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
