/**
 * The programs of a compiled function: found by what they are for, dropped when there are too many,
 * and the same when they are made again.
 */
import {
  arange, compile, type CompileOptions, integers, ones, type Tensor, tensor,
} from '@mambagrad/tensor';
import { definePrimitive } from '@mambagrad/tensor/extend';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type CachedProgram, ProgramCache,
} from '../../../packages/tensor/src/compile/cache/programCache.ts';
import { expectSame, leaf } from '../../support/compare.ts';
import { expectAllSame } from '../../support/compiled.ts';
import { programs } from '../../support/program.ts';
import { runs } from '../../support/soak.ts';

const warnings = vi.spyOn(console, 'warn');
beforeEach(() => void warnings.mockReset().mockImplementation(() => undefined));

describe('a cache of programs', () => {
  class Fake implements CachedProgram {
    running = false;
    released = 0;
    readonly key: string;
    readonly setting: number;
    readonly now: () => number;

    constructor(key: string, now: () => number) {
      this.key = key;
      this.setting = now();
      this.now = now;
    }

    holds = () => this.setting === this.now();
    isRunning = () => this.running;
    release = () => void (this.released += 1);
  }

  /** A call with a key, in a setting; or one that is over, so that its program may go. */
  const events = fc.record({
    key: fc.constantFrom('a', 'b', 'c', 'd'),
    setting: fc.nat({ max: 2 }),
    isLong: fc.boolean(),
    isOver: fc.boolean(),
  });

  it('keeps those that were used last, and those that run', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(events), (most, list) => {
        let setting = 0;
        const cache = new ProgramCache<Fake>(most);
        const all: Fake[] = [];
        /** What should be kept, the one used longest ago first. */
        let kept: Fake[] = [];
        for (const event of list) {
          ({ setting } = event);
          if (event.isOver) for (const program of all) program.running = false;
          const isRight = ({ key, setting: its }: Fake) => key === event.key && its === setting;
          const expected = kept.find(isRight);
          const found = cache.find(event.key);
          expect(found).toBe(expected);
          const used = found ?? new Fake(event.key, () => setting);
          if (!found) {
            all.push(used);
            cache.add(used);
          }
          kept = [...kept.filter((program) => program !== used), used];
          for (const program of [...kept]) {
            if (found || kept.length <= most || program === used || program.running) continue;
            kept = kept.filter((other) => other !== program);
          }
          used.running ||= event.isLong;
          expect(cache.size).toBe(kept.length);
          for (const program of all) expect(program.released).toBe(kept.includes(program) ? 0 : 1);
        }
      }),
    );
  });

  it('knows whether one was dropped before, of as many as it says', () => {
    const cache = new ProgramCache<Fake>(2);
    for (let i = 0; i < 20; i++) cache.add(new Fake(`${i}`, () => 0));
    const known = Array.from({ length: 20 }, (_, i) => cache.wasDropped(`${i}`));
    // 18 and 19 are there; of the others the latest eight are known.
    expect(known.map(Number).join('')).toBe('00000000001111111100');
    cache.add(new Fake('10', () => 0));
    expect(cache.wasDropped('10')).toBe(false);
  });
});

describe('a program that was dropped and made again', () => {
  it('gives the same bits, whatever it is', () => {
    const lists = fc.array(programs({ smooth: false }), { minLength: 2, maxLength: 4 });
    const options = fc.record({
      backend: fc.constantFrom('wasm', 'js'),
      threads: fc.integer({ min: 1, max: 3 }),
      maxPrograms: fc.integer({ min: 1, max: 2 }),
    });
    fc.assert(
      fc.property(lists, options, fc.array(fc.nat(), { maxLength: 8 }), (list, how, order) => {
        const inputs = list.map((program) => program.inputs.map((input) => leaf(input, 'f32')));
        const fresh = list.map(({ run }, i) => compile(run, how as CompileOptions)(...inputs[i]));
        const f = compile(
          (which: number, given: Tensor[]) => list[which].run(...given), how as CompileOptions,
        );
        for (const number of [...order, 0, 1, 0]) {
          const which = number % list.length;
          expectAllSame(f(which, inputs[which]), fresh[which]);
        }
      }),
      { numRuns: runs(15) },
    );
  });

  it('goes on from its state, through hundreds of shapes in random order', () => {
    /** A step with a constant of each length, and a state that all programs change. */
    const make = () => {
      const state = tensor([1, 2]);
      const body = (x: Tensor): Tensor => {
        const y = x.mul(state).add(arange(0, x.shape[0]).unsqueeze(1));
        state.assign(x.sum(0).sub(state));
        return y;
      };
      return { state, body };
    };
    const [kept, fresh, eager] = [make(), make(), make()];
    const step = compile(kept.body, { maxPrograms: 20, threads: 1 });
    const lengths = Array.from({ length: runs(1000) }, (_, i) => i + 1);
    const [order] = fc.sample(fc.shuffledSubarray(lengths, { minLength: lengths.length }), 1);
    order.forEach((length, i) => {
      // Each once, and now and then one of before, which is there or was dropped.
      const again = i % 10 === 9 ? [order[i - 3], order[i >> 1]] : [];
      for (const rows of [length, ...again]) {
        // Whole numbers, so that all sums are exact.
        const x = integers([rows, 2], -1, 2).cast('f32');
        const expected = eager.body(x);
        expectSame(step(x), expected);
        if (i % 10 === 9) expectSame(compile(fresh.body, { threads: 1 })(x), expected);
        else fresh.body(x);
        expectSame(kept.state, eager.state);
        expectSame(fresh.state, eager.state);
      }
    });
  });

  it.each([1, 2])('stays while it runs, and calls itself, with %i kept', (maxPrograms) => {
    const calling = definePrimitive<null>({
      name: `test.calls.itself.${maxPrograms}`,
      infer: ([x]) => x,
      compute: ([x], output) => {
        output.data.set(x.data);
        const rest = x.data.slice(1);
        if (rest.length > 0) output.data[0] += f(tensor(rest)).sum().item();
      },
    });
    const body = (x: Tensor): Tensor => {
      const constant = arange(0, x.shape[0]).add(1);
      const inner = calling([x.mul(constant)], null);
      return inner.mul(constant).add(x.flip(0));
    };
    const f = compile(body, { maxPrograms });
    const expected = (x: number[]): number[] => {
      const inner = x.map((value, i) => value * (i + 1));
      if (x.length > 1) inner[0] += expected(inner.slice(1)).reduce((sum, value) => sum + value, 0);
      return inner.map((value, i) => value * (i + 1) + x[x.length - 1 - i]);
    };
    // Whole numbers, so that all sums are exact.
    for (const length of [5, 3, 6, 5, 1, 6]) {
      const x = Array.from({ length }, (_, i) => (i % 3) - 1);
      expect(f(tensor(x)).toArray()).toEqual(expected(x));
    }
  });

  it('can still be looked at, if it was', () => {
    const f = compile((x: Tensor) => x.add(arange(0, x.shape[0])), { maxPrograms: 1 });
    const seen = f.inspect(ones([3]));
    const look = () => [seen.listing(), seen.explain(), seen.memory(), seen.stages(), seen.wat()];
    const before = look();
    for (let length = 4; length < 9; length++) f(ones([length]));
    expect(look()).toEqual(before);
    expect(f(ones([3])).toArray()).toEqual([1, 2, 3]);
  });
});

describe('a function that gets many programs', () => {
  const said = () => warnings.mock.calls.flat();
  /** A function of this name, called in turn with each of these arguments. */
  const callWith = (calls: readonly unknown[][], options: CompileOptions = {}) => {
    const step = (x: Tensor, ..._rest: unknown[]): Tensor => x.sum();
    const compiled = compile(step, { backend: 'js', ...options }) as (...args: unknown[]) => Tensor;
    for (const args of calls) compiled(...args);
    return compiled;
  };
  const range = (count: number) => Array.from({ length: count }, (_, i) => i);

  it('is told once which shapes there were, and to pad', () => {
    callWith(range(30).map((i) => [ones([2, i + 1]), 'a']));
    expect(said()).toEqual([
      'compile: step has been compiled 8 times, for 8 shapes of argument 0 (f32[2, 1], f32[2, ' +
      '2], ' +
      'f32[2, 3], …); pad to a few lengths (`padToMultipleOf` of collate and `bucketBy` of ' +
      'DataLoader do so for data)',
    ]);
  });

  it('is told once which numbers changed, wherever they are, and to pass tensors', () => {
    callWith(range(30).map((i) => [ones([2]), { flag: i % 2 === 0, list: ['a', i] }]));
    expect(said()).toEqual([
      'compile: step has been compiled 8 times, for 8 values of argument 1.list[1] ' +
      '(0, 1, 2, …); pass a number that changes as a tensor',
    ]);
  });

  it('is told of shapes and numbers that change together', () => {
    callWith(range(30).map((i) => [ones([i + 1]), i]));
    expect(said()).toEqual([
      expect.stringMatching(
        /8 shapes of argument 0 \(.*\) and 8 values of argument 1 \(.*pad.*, and pass/,
      ),
    ]);
  });

  it('is told of settings, where the arguments are the same', () => {
    const weight = tensor([1, 2], { requiresGrad: true });
    const f = compile((x: Tensor) => x.mul(weight.grad ?? 0), { backend: 'js' });
    for (let i = 0; i < 10; i++) {
      weight.grad = ones([2]);
      f(ones([2]));
    }
    expect(said()).toEqual([expect.stringContaining('for the same arguments, but other settings')]);
  });

  it('is left alone if shapes were padded, or calls are many', () => {
    callWith(range(40).map((i) => [ones([16 * (i % 20) + 16, 3]), i % 2 === 0]));
    callWith(range(40).flatMap((i) => range(25).map(() => [ones([i + 1])])));
    callWith(range(100).map((i) => [ones([(i % 7) + 1])]));
    expect(said()).toEqual([]);
  });

  it('is told if programs are dropped that are needed again', () => {
    const calls = range(40).map((i) => [ones([16 * (i % 10) + 16])]);
    callWith(calls, { maxPrograms: 10 });
    expect(said()).toEqual([]);
    callWith(calls, { maxPrograms: 9 });
    expect(said()).toEqual([
      'compile: step is called with more kinds of arguments in turn than programs are kept, 9, ' +
      'so ' +
      'they are made again and again; pad to a few lengths (`padToMultipleOf` of collate and ' +
      '`bucketBy` of DataLoader do so for data), or set maxPrograms to more',
    ]);
  });

  it('needs at least one', () => {
    expect(() => compile((x: Tensor) => x, { maxPrograms: 0 })).toThrow(
      'compile: maxPrograms is 0, expected a whole number from 1',
    );
  });
});

afterEach(() => void warnings.mockReset());
