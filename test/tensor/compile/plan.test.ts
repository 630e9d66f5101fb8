/** What happens between tracing and running: passes keep the meaning, plans are sound. */
import { Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkPlan, planMemory } from '../../../packages/tensor/src/compile/plan.ts';
import { bind } from '../../../packages/tensor/src/compile/run.ts';
import {
  dropUnused,
  formatProgram,
  shareEqual,
} from '../../../packages/tensor/src/compile/simplify.ts';
import { trace } from '../../../packages/tensor/src/compile/trace.ts';
import { expectSame } from '../../support/compare.ts';
import { programs } from '../../support/program.ts';

const traceOf = (f: (...inputs: Tensor[]) => unknown, inputs: readonly Tensor[]) =>
  trace((...args) => f(...(args as Tensor[])), inputs);

describe('passes', () => {
  const passes = { dropUnused, shareEqual };

  it.each(Object.entries(passes))('%s changes no bit, and never adds steps', (_name, pass) => {
    fc.assert(
      fc.property(programs({ smooth: false }), ({ inputs, run }) => {
        const program = traceOf(run, inputs);
        const shorter = pass(program);
        expect(shorter.steps.length).toBeLessThanOrEqual(program.steps.length);
        const expected = run(...inputs);
        const distinct = [...new Set(inputs)];
        const found = bind(shorter).run(distinct) as Tensor[];
        found.forEach((output, i) => expectSame(output, expected[i]));
        // Done once, there is nothing left to do.
        expect(formatProgram(pass(shorter))).toBe(formatProgram(shorter));
      }),
      { numRuns: 100 },
    );
  });

  it('can be read before and after', () => {
    const x = tensor([1, 2]);
    const twice = (a: Tensor) => {
      a.exp();
      return a.mul(a).sum().add(a.mul(a).sum());
    };
    const program = traceOf(twice, [x]);
    expect(formatProgram(program)).toBe(
      [
        '%0 = argument 0  f32[2]',
        '%1 = exp(%0)  f32[2]',
        '%2 = mul(%0, %0)  f32[2]',
        '%3 = sum(%2, axes=[0], keepDims=false)  f32[]',
        '%4 = mul(%0, %0)  f32[2]',
        '%5 = sum(%4, axes=[0], keepDims=false)  f32[]',
        '%6 = add(%3, %5)  f32[]',
        'return %6',
      ].join('\n'),
    );
    expect(formatProgram(dropUnused(shareEqual(program)))).toBe(
      [
        '%0 = argument 0  f32[2]',
        '%1 = mul(%0, %0)  f32[2]',
        '%2 = sum(%1, axes=[0], keepDims=false)  f32[]',
        '%3 = add(%2, %2)  f32[]',
        'return %3',
      ].join('\n'),
    );
  });

  it('keep apart what differs in an attribute alone, −0 from 0 and NaN from null', () => {
    const program = traceOf(
      (x) => [0, -0, NaN, Infinity].map((value) => x.pad([1], [0], { value })),
      [tensor([1])],
    );
    expect(shareEqual(program).steps).toHaveLength(4);
  });
});

describe('the memory plan', () => {
  it('is sound for every program, and no larger than all values side by side', () => {
    fc.assert(
      fc.property(programs({ smooth: false }), ({ inputs, run }) => {
        const program = traceOf(run, inputs);
        const plan = planMemory(program);
        checkPlan(program, plan);
        const all = program.steps.reduce((sum, { output: { shape } }) => {
          const bytes = 8 * shape.reduce((product, size) => product * size, 1);
          return sum + 64 * Math.ceil(bytes / 64);
        }, 0);
        expect(plan.bytes).toBeLessThanOrEqual(all);
      }),
      { numRuns: 200 },
    );
  });

  it('gives one place to values that are never needed together', () => {
    const program = traceOf(
      (x) => {
        let y = x;
        for (let i = 0; i < 100; i++) y = y.mul(1.5);
        return y;
      },
      [tensor(new Float32Array(1000))],
    );
    // Two places of 4,000 bytes, rounded up to whole cache lines.
    expect(planMemory(program).bytes).toBe(2 * 4032);
  });

  it('is found out by its check when it is not sound', () => {
    const program = traceOf((x) => x.mul(2).add(x.mul(3)), [tensor([1, 2])]);
    const { offsets, bytes } = planMemory(program);
    const squeezed = new Map(Array.from(offsets, ([value]) => [value, 0]));
    expect(() => checkPlan(program, { offsets: squeezed, bytes })).toThrow('overwrites f32[2]');
    expect(() => checkPlan(program, { offsets: new Map(), bytes })).toThrow('has no place');
    const backwards = { ...program, steps: program.steps.toReversed() };
    expect(() => checkPlan(backwards, { offsets, bytes })).toThrow('is read unmade');
  });
});
