/**
 * Numbers that are known while tracing: which are folded, to the bits of the run, and which not.
 */
import { compile, type CompileOptions, ones, type Tensor, tensor, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectAllSame } from '../../support/compiled.ts';
import { programs } from '../../support/program.ts';

const opsOf = (f: () => unknown, options?: CompileOptions) =>
  compile(f, options).inspect().listing().match(/(?<= = )\w+(?=\()/g) ?? [];

describe('constants', () => {
  it.each<CompileOptions>([{}, { deterministic: true }, { backend: 'js' }])(
    'are folded to the bits that the run gives: %o',
    (options) => {
      let folded = 0;
      fc.assert(
        fc.property(programs({ smooth: false }), ({ inputs, run }) => {
          // Each input is an argument times a number, so that chains of numbers meet arrays.
          const body = (...args: Tensor[]) => {
            const numbers = args.map((_, i) => tensor(i + 1).div(3).add(0.25).sqrt());
            const results = run(...args.map((arg, i) => arg.mul(numbers[i].neg())));
            return [...results, ...numbers];
          };
          const distinct = [...new Set(inputs)].map((input) => input.cast('f32'));
          const args = inputs.map((input) => distinct[[...new Set(inputs)].indexOf(input)]);
          const [made, plain] =
            [compile(body, options), compile(body, { ...options, without: ['fold'] })];
          expectAllSame(made(...args), plain(...args));
          const steps = (f: typeof made) => f.listing().split('\n').length;
          folded += steps(plain) - steps(made);
        }),
        { numRuns: 20 },
      );
      expect(folded).toBeGreaterThan(20);
    },
  );

  it('are folded in chains, and stay when they are results or new state', () => {
    const state = zeros([]);
    const f = compile(() => {
      const half = tensor(1).add(0).div(2);
      state.assign(half.neg());
      return [half, half.sub(2).abs(), tensor(7, { dtype: 'i32' }).mul(-3)];
    });
    expect(f().map((result) => result.item())).toEqual([0.5, 1.5, -21]);
    expect(state.item()).toBe(-0.5);
    expect(f.listing()).toBe([
      '%0 = captured  f32[]',
      '%1 = constant -0.5  f32[]',
      'assign(%0, %1)',
      '%2 = constant 0.5  f32[]',
      '%3 = constant 1.5  f32[]',
      '%4 = constant -21  i32[]',
      'return %2, %3, %4',
    ].join('\n'));
    const [first, again] = [f()[0], f()[0]];
    expect(first).not.toBe(again);
  });

  it('are left to the run where bits depend on it', () => {
    // An addition that follows may take the product as it was.
    const product = () => tensor(0.1).mul(0.1);
    expect(opsOf(product)).toEqual(['mul']);
    expect(opsOf(product, { deterministic: true })).toEqual([]);
    expect(opsOf(() => tensor(0.5).mul(3))).toEqual([]);
    // Which NaN a NaN is, and what a polynomial gives, is not the same everywhere.
    expect(opsOf(() => tensor(0).div(0))).toEqual(['div']);
    expect(opsOf(() => tensor(0.5).exp())).toEqual(['exp']);
    expect(opsOf(() => tensor(1, { dtype: 'f64' }).add(1))).toEqual(['add']);
    expect(opsOf(() => ones([2]).add(1))).toEqual(['add']);
  });

  it('are no state, nor what is assigned to', () => {
    const state = tensor(3);
    const count = compile((x: Tensor) => {
      const own = tensor(1);
      const before = own.add(1);
      own.assign(own.add(x));
      return [state.add(1), before, own.add(1), tensor(2).add(1)];
    });
    const values = () => count(tensor(10)).map((result) => result.item());
    expect(values()).toEqual([4, 2, 12, 3]);
    state.assign(tensor(5));
    expect(values()).toEqual([6, 2, 12, 3]);
  });

  it('are folded anew if the function hands them out and they change', () => {
    let kept: Tensor | undefined;
    const f = compile((x: Tensor) => {
      kept ??= tensor(2);
      return x.mul(kept.add(1));
    });
    expect(f(tensor(1)).item()).toBe(3);
    kept?.assign(tensor(4));
    expect(f(tensor(1)).item()).toBe(5);
    kept?.assign(tensor(5));
    expect(f(tensor(1)).item()).toBe(6);
  });
});
