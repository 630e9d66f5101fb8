/** What happens between tracing and running: passes keep the meaning, plans are sound. */
import { compile, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { theHeap } from '../../../packages/tensor/src/compile/memory/heap.ts';
import {
  checkPlan, planMemory, type Plan,
} from '../../../packages/tensor/src/compile/memory/plan.ts';
import { link } from '../../../packages/tensor/src/compile/run/run.ts';
import { schedule } from '../../../packages/tensor/src/compile/schedule/schedule.ts';
import { formatProgram } from '../../../packages/tensor/src/compile/inspect/listing.ts';
import {
  eliminateCommonSubexpressions,
} from '../../../packages/tensor/src/compile/passes/commonSubexpressions.ts';
import { eliminateDeadCode } from '../../../packages/tensor/src/compile/passes/deadCode.ts';
import { type Program, trace } from '../../../packages/tensor/src/compile/trace/trace.ts';
import { expectSame, leaf } from '../../support/compare.ts';
import { expectAllSame, expectCompiled, twins, withGradients } from '../../support/compiled.ts';
import { withoutSharing } from '../../support/plans.ts';
import { programs } from '../../support/program.ts';
import { runs } from '../../support/soak.ts';

const traceOf = (f: (...inputs: Tensor[]) => unknown, inputs: readonly Tensor[]) =>
  trace((...args) => f(...(args as Tensor[])), inputs);

const linkExact = (program: Program) => link(program, { backend: 'wasm', fuse: false });

describe('passes', () => {
  const passes = { eliminateDeadCode, eliminateCommonSubexpressions };

  it.each(Object.entries(passes))('%s changes no bit, and never adds steps', (_name, pass) => {
    fc.assert(
      fc.property(programs({ smooth: false }), ({ inputs, run }) => {
        // float64, which has no kernels, and so the bits of eager ops.
        const program = traceOf(run, inputs);
        const shorter = pass(program);
        expect(shorter.steps.length).toBeLessThanOrEqual(program.steps.length);
        const expected = run(...inputs);
        const distinct = [...new Set(inputs)];
        const found = linkExact(shorter).run(distinct) as Tensor[];
        found.forEach((output, i) => expectSame(output, expected[i]));
        // Done once, there is nothing left to do.
        expect(formatProgram(pass(shorter))).toBe(formatProgram(shorter));
      }),
      { numRuns: runs(100) },
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
    expect(formatProgram(eliminateDeadCode(eliminateCommonSubexpressions(program)))).toBe(
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
    expect(eliminateCommonSubexpressions(program).steps).toHaveLength(4);
  });
});

describe('the memory plan', () => {
  const planned = (program: Program) => {
    const scheduled = schedule(program, new Map());
    return { scheduled, plan: planMemory(program, scheduled) };
  };

  it('is sound for every program, and no larger than all values side by side', () => {
    fc.assert(
      fc.property(programs({ smooth: false }), fc.constantFrom('f32', 'f64'), (program, dtype) => {
        const inputs = program.inputs.map((input) => input.cast(dtype));
        const made = traceOf(program.run, inputs);
        const { scheduled, plan } = planned(made);
        checkPlan(made, scheduled, plan);
        const values = [...new Set(inputs), ...made.steps.flatMap(({ outputs }) => outputs)];
        const all = values.reduce((sum, { shape }) => {
          const bytes = 8 * shape.reduce((product, size) => product * size, 1);
          return sum + 64 * Math.ceil(bytes / 64);
        }, 0);
        expect(plan.bytes).toBeLessThanOrEqual(all);
      }),
      { numRuns: runs(100) },
    );
  });

  it('gives one place to values that are never needed together, and new state the old place', () => {
    const state = tensor(new Float32Array(1000));
    const program = traceOf(
      (x) => {
        let y = x;
        for (let i = 0; i < 100; i++) y = y.flip(0).sub(y);
        state.assign(state.add(y));
      },
      [tensor(new Float32Array(1000))],
    );
    const { scheduled, plan } = planned(program);
    checkPlan(program, scheduled, plan);
    // Two addresses of 4,000 bytes, rounded up to whole cache lines.
    expect(plan.bytes).toBe(2 * 4032);
    expect(plan.donated.size).toBe(1);
  });

  it('does not write state in place that is read once more, or that a failure must leave', () => {
    const state = tensor([1, 2, 3]);
    const inPlace = (f: (x: Tensor) => unknown) =>
      planned(traceOf(f, [tensor([1, 2, 0], { dtype: 'i32' })])).plan.donated.size;
    const next = () => state.add(1);
    expect(inPlace(() => void state.assign(next()))).toBe(1);
    expect(inPlace(() => void state.assign(state.flip(0)))).toBe(0);
    expect(inPlace((i) => [state.assign(next()), state.gather(0, i)])).toBe(0);
    expect(
      inPlace(() => {
        const old = state.detach();
        state.assign(next());
        return old.flip(0);
      }),
    ).toBe(0);
  });

  it('is checked for every program of every test', () => {
    expect(planMemory.name).toBe('checkedPlan');
  });

  it('changes no bit of what a plan without sharing gives, whatever lay there before', () => {
    const bodies = fc.oneof(
      programs({ smooth: false }),
      programs().map(({ run, ...program }) => ({ ...program, run: withGradients(run) })),
    );
    fc.assert(
      fc.property(bodies, ({ inputs, run }) => {
        const leaves = inputs.map((input) => leaf(input, 'f32'));
        const calling = (filling: number) => {
          const state = leaves[0].detach();
          const compiled = compile((...args: Tensor[]) => {
            const results = run(...args);
            const isLike = (x?: Tensor) => x?.dtype === 'f32' && `${x.shape}` === `${state.shape}`;
            state.assign(state.sub(results.find(isLike) ?? 1));
            return [...results, state.mul(1)];
          });
          return () => {
            state.assign(leaves[0]);
            const heap = theHeap();
            heap.withArena(2 ** 17, (start) => heap.view('f32', start, 2 ** 15).fill(filling));
            return [...compiled(...leaves), state];
          };
        };
        const [shared, apart] = [calling(NaN), calling(1)];
        const expected = withoutSharing(apart);
        for (let call = 0; call < 2; call++) expectAllSame(shared(), expected);
      }),
      { numRuns: runs(100) },
    );
  });

  it('keeps what belongs to a row until its elements are written, also if there is one', () => {
    const body = withGradients((a, b) => [a.div(b.sigmoid().add(0.5))]);
    const inputs = [tensor([0.7]), tensor(0.3)];
    expectCompiled(twins(body), body, inputs);
  });

  it('is found out by its check when it is not sound', () => {
    const program = traceOf((x) => x.flip(0).matmul(x.mul(3).flip(0)), [tensor([1, 2])]);
    const { scheduled, plan } = planned(program);
    const faulty = (change: Partial<Plan>) =>
      () => checkPlan(program, scheduled, { ...plan, ...change });
    const squeezed = new Map(Array.from(plan.offsets, ([value]) => [value, 0]));
    expect(faulty({})).not.toThrow();
    expect(faulty({ offsets: squeezed })).toThrow('is read unmade, or overwritten');
    const flip = traceOf((x) => x.flip(0), [tensor([1, 2])]);
    const own = planned(flip);
    const over = new Map(Array.from(own.plan.offsets, ([value]) => [value, 0]));
    expect(() => checkPlan(flip, own.scheduled, { ...own.plan, offsets: over })).toThrow(
      'writes over f32[2] while it runs',
    );
    const passed = new Map([...plan.offsets].filter(([{ from }]) => from !== 'step'));
    expect(faulty({ offsets: passed })).toThrow('has no place');
    const backwards = { ...scheduled, calls: scheduled.calls.toReversed() };
    expect(() => checkPlan(program, backwards, plan)).toThrow('is read unmade');
  });
});
