/** What can be seen of a program: its ops, kernels, memory and stages, as values and as text. */
import { withFinestChunks } from '@mambagrad/kernel';
import {
  type AllocationReport, compile, formatKernels, formatMemory, formatStages, type Inspection,
  normal, ones, type Tensor, tensor, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inspectionOf } from '../../../packages/tensor/src/compile/inspect/inspection.ts';
import { baseOf } from '../../../packages/tensor/src/compile/fusion/materialization.ts';
import {
  eliminateCommonSubexpressions,
} from '../../../packages/tensor/src/compile/passes/commonSubexpressions.ts';
import { eliminateDeadCode } from '../../../packages/tensor/src/compile/passes/deadCode.ts';
import { type Executable, link } from '../../../packages/tensor/src/compile/run/run.ts';
import { type Step, trace } from '../../../packages/tensor/src/compile/trace/trace.ts';
import { leaf } from '../../support/compare.ts';
import { withGradients } from '../../support/compiled.ts';
import { programs } from '../../support/program.ts';

interface Drawn {
  readonly executable: Executable;
  readonly inspection: Inspection;
}

type Body = (...inputs: Tensor[]) => readonly (Tensor | undefined)[];

const drawn: fc.Arbitrary<{ inputs: readonly Tensor[]; run: Body }> = fc.oneof(
  programs({ smooth: false }),
  programs().map(({ run, ...program }) => ({ ...program, run: withGradients(run) })),
);

/** Programs with state that they assign to, of float32, and of float64, which has no kernels. */
function forPrograms(expectOf: (drawn: Drawn) => void, backend: 'wasm' | 'js' = 'js'): void {
  fc.assert(
    fc.property(drawn, fc.constantFrom('f32', 'f32', 'f64'), ({ inputs, run }, dtype) => {
      const leaves = inputs.map((input) => leaf(input, dtype));
      const state = leaves[0].detach();
      const f = (...args: unknown[]) => {
        const results = run(...(args as Tensor[]));
        const isLike = (x?: Tensor) => x?.dtype === dtype && `${x.shape}` === `${state.shape}`;
        state.assign(state.sub(results.find(isLike) ?? 1));
        return results;
      };
      const program = eliminateDeadCode(eliminateCommonSubexpressions(trace(f, leaves)));
      const executable = link(program, { backend, fuse: false });
      expectOf({ executable, inspection: inspectionOf(executable, () => undefined) });
    }),
    { numRuns: 30 },
  );
}

const sizeOf = (shape: readonly number[]) => shape.reduce((size, one) => size * one, 1);

describe('kernels', () => {
  it('hold all ops that elements depend on, but for those that give a value another shape', () => {
    forPrograms(({ executable: { program, schedule: { calls, materialization } }, inspection }) => {
      const needed = new Set([...program.results, ...program.writes.map(({ value }) => value)]);
      const results = program.steps.toReversed().flatMap(({ outputs, inputs }) => {
        const used = outputs.filter((one) => needed.has(one) && sizeOf(one.shape) > 0);
        if (used.length > 0) for (const input of inputs) needed.add(input);
        return used.filter((one) => baseOf(materialization, one) === one);
      });
      const held = new Set<Step>(calls.flatMap((call) => call.steps));
      const made = new Set([...held].flatMap(({ outputs }) => outputs));
      expect(results.filter((one) => !made.has(one))).toEqual([]);
      const ops = inspection.kernels().flatMap((kernel) => kernel.ops);
      expect(new Set(ops)).toEqual(new Set([...held].map(({ primitive }) => primitive.name)));
    });
  });

  it('read what is there from the start, or an earlier one has written', () => {
    forPrograms(({ inspection }) => {
      const sources = inspection.listing().matchAll(/^(%\d+) = (?:argument|captured|constant)/gm);
      const there = new Set(Array.from(sources, ([, name]) => name));
      for (const { reads, writes } of inspection.kernels()) {
        for (const { name, shape } of reads) {
          if (sizeOf(shape) > 0) expect(there).toContain(name);
        }
        for (const { name } of writes) there.add(name);
      }
    });
  });

  it('have what they read and write as the parameters of their text', () => {
    forPrograms(({ inspection }) => {
      for (const { name, kind, text = '', reads, writes } of inspection.kernels()) {
        const [, found, parameters] = /^kernel (\w+)\((.*)\)/.exec(text) ?? [];
        const lengths = parameters?.matchAll(/\[(\d+)\]/g) ?? [];
        const expected = [...reads, ...writes].map(({ shape }) => sizeOf(shape));
        if (kind === 'reference') expect(text).toBe('');
        else expect(found).toBe(name);
        if (kind === 'kernel') {
          expect(Array.from(lengths, ([, length]) => +length)).toEqual(expected);
        }
      }
    });
  });
});

describe('memory', () => {
  const start = ({ from }: AllocationReport) => from ?? -1;
  const end = ({ to }: AllocationReport) => to ?? Infinity;
  /** Whether two lie in the arena, in some of the same bytes. */
  const overlap = (a: AllocationReport, b: AllocationReport) =>
    a.offset !== undefined && b.offset !== undefined &&
    Math.max(a.offset, b.offset) < Math.min(a.offset + a.bytes, b.offset + b.bytes);

  it('has no two values at the same time in the same bytes, but where one replaces another', () => {
    let replaced = 0;
    forPrograms(({ inspection }) => {
      const all = inspection.memory().filter(({ kind }) => kind !== 'alias');
      for (const a of all) {
        if (a.offset !== undefined) {
          expect(a.offset + a.bytes).toBeLessThanOrEqual(inspection.arenaBytes());
        }
        for (const b of all) {
          if (a === b || !overlap(a, b)) continue;
          const [first, second] = start(a) < start(b) ? [a, b] : [b, a];
          if (end(first) < start(second)) continue;
          replaced++;
          // The one is read for the last time by the kernel that makes the other.
          expect(second.kind).toBe('inPlace');
          expect(second.of).toEqual(first.value);
          expect(end(first)).toBe(start(second));
        }
      }
    });
    expect(replaced).toBeGreaterThan(0);
  });

  it('is all that kernels read, write and use, from the first that does to the last', () => {
    forPrograms(({ executable: { plan, program }, inspection }) => {
      const memory = inspection.memory();
      const byName = new Map(memory.map((one) => [one.value?.name, one]));
      const named = memory.filter(({ value }) => value);
      expect(byName.size - Number(byName.has(undefined))).toBe(named.length);
      const placed = named.filter(({ kind }) => kind !== 'alias');
      expect(placed.length).toBe(plan.offsets.size + plan.donated.size);
      const offsets = placed.flatMap(({ offset }) => offset ?? []);
      expect(offsets.sort()).toEqual([...plan.offsets.values()].sort());
      inspection.kernels().forEach(({ reads, writes }, i) => {
        for (const { name } of writes) expect(byName.get(name)?.from).toBe(i);
        for (const { name } of [...reads, ...writes]) {
          const one = byName.get(name);
          if (one) expect(start(one) <= i && i <= end(one)).toBe(true);
        }
      });
      const donated = memory.filter(({ kind }) => kind === 'donated');
      expect(donated.length).toBeLessThanOrEqual(program.writes.length);
      for (const { offset } of donated) expect(offset).toBeUndefined();
    });
  });

  it('shows where aliases lie in the value that they are a part of', () => {
    const f = compile((x: Tensor) => x.exp().slice([1, 0], [3, 4]).argsort());
    const memory = f.inspect(ones([3, 4])).memory();
    const alias = memory.find(({ kind }) => kind === 'alias');
    const source = memory.find(({ value }) => value?.name === alias?.of?.name);
    expect(alias?.value?.shape).toEqual([2, 4]);
    expect((alias?.offset ?? 0) - (source?.offset ?? 0)).toBe(16);
  });
});

describe('stages', () => {
  it('hold each region of each kernel once, in order, and together only what is apart', () => {
    let together = 0;
    withFinestChunks(() => forPrograms(({ executable: { schedule: { calls } }, inspection }) => {
      const stages = inspection.stages();
      const kernels = inspection.kernels();
      const found = stages.flatMap(({ parts }) => parts);
      expect(found.map(({ kernel, region }) => [kernel, region])).toEqual(
        calls.flatMap(({ kernel }, i) => (kernel?.regions ?? [{}]).map((_, region) => [i, region])),
      );
      for (const { parts } of stages) {
        together += parts.length - 1;
        for (const a of parts) {
          const { reads, writes } = kernels[a.kernel];
          const touched = new Set([...reads, ...writes].map(({ name }) => name));
          for (const b of parts) {
            if (a === b) continue;
            for (const { name } of kernels[b.kernel].writes) expect(touched).not.toContain(name);
          }
        }
      }
    }, 'wasm'));
    expect(together).toBeGreaterThan(0);
  });

  it('are shared by threads where there are several chunks, and never in JavaScript', () => {
    const f = (x: Tensor) => x.exp();
    const x = normal([1000, 1000]);
    const [wasm, js] = (['wasm', 'js'] as const).map((backend) =>
      compile(f, { backend }).inspect(x).stages());
    const shared = wasm.filter(({ isShared }) => isShared);
    expect(shared.length).toBeGreaterThan(0);
    for (const { parts: [{ chunks }] } of shared) expect(chunks).toBeGreaterThan(1);
    for (const stage of js) expect([stage.parts.length, stage.isShared]).toEqual([1, false]);
  });
});

describe('a compiled function', () => {
  it('shows the program of the latest call, and with inspect that of any arguments', () => {
    const f = compile((x: Tensor) => x.exp());
    expect(f.inspect(ones([2])).listing()).toContain('f32[2]');
    f(ones([3]));
    expect(f.inspect(ones([2])).listing()).toContain('f32[2]');
    for (const text of [f.listing(), f.explain(), formatMemory(f.memory())]) {
      expect(text).toContain('f32[3]');
    }
  });

  it('is not run by inspect', () => {
    const state = zeros([]);
    const count = compile(() => void state.assign(state.add(1)), { check: true });
    expect(count.inspect().kernels()).toHaveLength(1);
    expect(state.item()).toBe(0);
    for (let i = 0; i < 3; i++) count();
    expect(state.item()).toBe(3);
    expect(count.memory()).toMatchObject([{ kind: 'donated', offset: undefined, from: 0 }]);
  });

  it('shows times once it has been profiled', () => {
    const f = compile((x: Tensor) => x.exp());
    f(ones([3]));
    expect(f.kernels()[0].milliseconds).toBeUndefined();
    expect(f.explain()).not.toContain(' ms');
    const profiled = f.profile(ones([3]));
    expect(profiled[0].milliseconds).toBeGreaterThanOrEqual(0);
    expect(f.kernels()).toEqual(profiled);
    expect(f.explain()).toContain(' ms');
    f(ones([4]));
    expect(f.explain()).not.toContain(' ms');
  });

  it('is printed as tables', () => {
    const [state, index] = [tensor([1, 2, 3]), tensor([0], { dtype: 'i32' })];
    const f = compile((x: Tensor, i: Tensor) => {
      state.assign(state.mul(0.5));
      return x.gather(0, i).reshape([1, 1]).exp();
    });
    const program = f.inspect(ones([3]), index);
    expect(formatKernels(program.kernels())).toContain('check of gather');
    expect(formatMemory(program.memory())).toContain('in place of ');
    expect(formatStages(program.stages())).toMatch(/^main thread {2}1 chunk {2}kernels? 0/);
    for (const format of [formatMemory, formatStages]) expect(format([])).toBe('');
  });
});
