/** States in the middle of a sequence: those of a scan that ends there, in every algorithm. */
import {
  discreteSSD, documentEnds, selectiveScan, type SelectiveScanAlgorithm, type SequenceFlags, ssd,
  type SSDAlgorithm,
} from '@mambagrad/mamba';
import { compile, concat, type Tensor, tensor, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compiledValueAndGradients, expectClose, expectSame, valueAndGradients,
} from '../../support/compare.ts';
import { type Draw, drawInteger, drawTensor } from '../../support/draw.ts';
import { checkGradients, checkSecondGradients, joined } from '../../support/gradients.ts';
import { drawDocuments, drawFlags } from '../../support/sequences.ts';
import { runs } from '../../support/soak.ts';

interface Options extends SequenceFlags {
  readonly statesAt?: Tensor;
  readonly initialState?: Tensor;
}

/** Inputs, first those with steps, then the initial state, then the others; and the scan. */
interface Subject {
  readonly inputs: readonly Tensor[];
  readonly steps: number;
  run(inputs: readonly Tensor[], options: Options): {
    readonly y: Tensor; readonly lastState: Tensor; readonly statesAt?: Tensor;
  };
}

const selective = (algorithm: SelectiveScanAlgorithm) =>
  (g: Draw, [batch, length]: number[]): Subject => {
    const [channels, state] = [4, 3].map((max) => drawInteger(g, 1, max));
    const groups = channels % 2 === 0 ? [[], [2]][drawInteger(g, 0, 1)] : [];
    const chunkSize = drawInteger(g, 1, 20);
    return {
      inputs: [
        drawTensor(g, [batch, length, channels]), drawTensor(g, [batch, length, channels]),
        drawTensor(g, [batch, length, ...groups, state]),
        drawTensor(g, [batch, length, ...groups, state]),
        drawTensor(g, [batch, channels, state]), drawTensor(g, [channels, state], -2, -0.1),
      ],
      steps: 4,
      run: ([u, delta, B, C, initialState, A], options) => selectiveScan(u, delta, A, B, C, {
        initialState, deltaSoftplus: true, algorithm, chunkSize, ...options,
      }),
    };
  };

const dual = (algorithm: SSDAlgorithm, isDiscrete = false) =>
  (g: Draw, [batch, length]: number[]): Subject => {
    const [groups, perGroup, headDim, state] = [2, 2, 3, 3].map((max) => drawInteger(g, 1, max));
    const heads = groups * perGroup;
    const chunkSize = drawInteger(g, 1, 40);
    return {
      inputs: [
        drawTensor(g, [batch, length, heads, headDim]), drawTensor(g, [batch, length, heads], 0, 2),
        drawTensor(g, [batch, length, groups, state]),
        drawTensor(g, [batch, length, groups, state]),
        drawTensor(g, [batch, heads, headDim, state]), drawTensor(g, [heads], -2, -0.1),
      ],
      steps: 4,
      run: ([x, dt, B, C, initialState, A], given) => {
        const options = { initialState, algorithm, chunkSize, ...given };
        if (isDiscrete) return discreteSSD(x, dt.mul(A), B, C, options);
        return ssd(x, dt, A, B, C, options);
      },
    };
  };

const subjects = {
  'selectiveScan, fused': selective('fused'),
  'selectiveScan, segmented': selective('segmented'),
  'selectiveScan, sequential': selective('sequential'),
  'selectiveScan, blelloch': selective('blelloch'),
  'ssd, fused': dual('fused'),
  'ssd, chunked': dual('chunked'),
  'ssd, recurrent': dual('recurrent'),
  'discreteSSD, fused': dual('fused', true),
};

/** Steps of each row, from −1 on, in any order, some of them more than once. */
const drawSteps = (g: Draw, batch: number, length: number, count: number): Tensor =>
  tensor(Int32Array.from({ length: batch * count }, () => drawInteger(g, -1, length - 1)), {
    shape: [batch, count],
  });

/** The state of a row after a step: the last one of a scan of the steps up to it. */
function stateAfter(
  { run, steps }: Subject, inputs: readonly Tensor[], flags: SequenceFlags, row: number,
  step: number,
): Tensor {
  const cut = (x: Tensor, isLong: boolean) =>
    isLong ? x.narrow(0, row, 1).narrow(1, 0, step + 1) : x.narrow(0, row, 1);
  const own = inputs.map((x, i) => (i <= steps ? cut(x, i < steps) : x));
  const ofRow = Object.entries(flags).map(([name, flag]: [string, Tensor | undefined]) =>
    [name, flag && cut(flag, true)]);
  return run(own, Object.fromEntries(ofRow)).lastState;
}

/** y, the last state and states after steps, all in one tensor. */
const all = (subject: Subject, options: Options) => (...inputs: Tensor[]): Tensor => {
  const { y, lastState, statesAt } = subject.run(inputs, options);
  return concat([y.flatten(), lastState.flatten(), ...(statesAt ? [statesAt.flatten()] : [])]);
};

describe.each(Object.entries(subjects))('%s', (name, make) => {
  const isKernel = /fused|segmented/.test(name);

  it('gives states as scans do that end there, and y as without', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(0, 1, 32, 33, 70), (g, length) => {
        const batch = drawInteger(g, 1, 2);
        const subject = make(g, [batch, length]);
        const flags = drawFlags(g, [batch, length]);
        const statesAt = drawSteps(g, batch, length, drawInteger(g, 0, 3));
        const separately = (...inputs: Tensor[]): Tensor => {
          const { y, lastState } = subject.run(inputs, flags);
          const states = Array.from(statesAt.data, (step, i) => {
            const row = Math.floor(i / statesAt.shape[1]);
            return stateAfter(subject, inputs, flags, row, step).flatten();
          });
          return concat([y.flatten(), lastState.flatten(), ...states]);
        };
        const expected = valueAndGradients(separately, subject.inputs);
        const together = all(subject, { ...flags, statesAt });
        const found = valueAndGradients(together, subject.inputs);
        expectClose(found.value, expected.value, 1e-12);
        expectClose(joined(found.gradients), joined(expected.gradients), 1e-12);
        const { y, lastState } = subject.run(subject.inputs, { ...flags, statesAt });
        const without = subject.run(subject.inputs, flags);
        expectSame(y, without.y);
        expectSame(lastState, without.lastState);
        if (!isKernel || length < 33 || statesAt.shape[1] === 0) return;
        const compiled = compiledValueAndGradients(together, subject.inputs);
        expectClose(compiled.value, expected.value, 1e-5);
        expectClose(joined(compiled.gradients), joined(expected.gradients), 1e-5);
      }),
      { numRuns: 4 },
    );
  });

  it('has the gradients of finite differences, kernels also those of second order', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 5 }), (g, length) => {
        const subject = make(g, [1, length]);
        const options = { ...drawFlags(g, [1, length]), statesAt: drawSteps(g, 1, length, 2) };
        const f = all(subject, options);
        checkGradients(f, subject.inputs);
        if (!/, fused/.test(name)) return;
        checkSecondGradients(f, subject.inputs.map((x) => x.mul(0.5)));
      }),
      { numRuns: 1 },
    );
  });

  it('gives the end of each document as if it were alone, whatever is beside it', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 50 }), (g, length) => {
        const subject = make(g, [1, length]);
        const { lengths, flags } = drawDocuments(g, [1, length]);
        const count = lengths.length + drawInteger(g, 0, 2);
        const statesAt = documentEnds(flags, count);
        const [chosen, value] = [drawInteger(g, 0, lengths.length - 1), NaN];
        const first = lengths.slice(0, chosen).reduce((sum, n) => sum + n, 0);
        const isOwn = tensor([Array.from({ length }, (_, t) =>
          Number(t >= first && t < first + lengths[chosen]))], { dtype: 'i32' });
        // Everything but one document is NaN, the initial state as well if it is not the first.
        const dirty = subject.inputs.map((x, i) => {
          if (i > subject.steps) return x;
          if (i === subject.steps) return chosen === 0 ? x : x.mul(NaN);
          return isOwn.reshape([1, length, ...x.shape.slice(2).map(() => 1)]).where(x, value);
        });
        const alone = subject.inputs.map((x, i) => {
          if (i > subject.steps) return x;
          if (i === subject.steps) return chosen === 0 ? x : x.mul(0);
          return x.narrow(1, first, lengths[chosen]);
        });
        const found = subject.run(dirty, { ...flags, statesAt }).statesAt;
        if (!found) throw new Error('there are no states');
        expect(found.shape.slice(0, 2)).toEqual([1, count]);
        expectClose(found.narrow(1, chosen, 1).squeeze(1), subject.run(alone, {}).lastState, 1e-12);
      }),
      { numRuns: runs(8) },
    );
  });
});

describe('statesAt', () => {
  const u = zeros([2, 40, 3]);
  const [A, B] = [zeros([3, 2]), zeros([2, 40, 2])];
  const at = (statesAt: Tensor) => selectiveScan(u, u, A, B, B, { statesAt });
  const steps = (...rows: number[][]) => tensor(rows, { dtype: 'i32' });

  it('is refused if it is not steps of each row', () => {
    expect(() => at(zeros([2, 1]))).toThrow(
      'selectiveScan: statesAt is f32[2, 1], expected i32[2, any], steps for each row',
    );
    expect(() => at(steps([1]))).toThrow('statesAt is i32[1, 1], expected i32[2, any]');
    expect(() => at(steps([1], [40]))).toThrow(
      'selectiveScan: statesAt has the step 40, expected steps from 0 to 39, or −1 for',
    );
    expect(() => at(steps([-2], [0]))).toThrow('statesAt has the step -2');
    const [x, a] = [zeros([2, 40, 1, 3]), zeros([2, 40, 1])];
    expect(() => discreteSSD(x, a, x, x, { statesAt: steps([-2], [0]) })).toThrow(
      'discreteSSD: statesAt has the step -2',
    );
  });

  it('in a program, whose values come later, is checked as it runs', () => {
    const program = compile((statesAt: Tensor) => at(statesAt).statesAt);
    expect(program(steps([-1, 39], [3, 4]))?.shape).toEqual([2, 2, 3, 2]);
    expect(() => program(steps([-2, 0], [0, 0]))).toThrow();
    expect(() => program(steps([40, 0], [0, 0]))).toThrow();
  });
});

describe('documentEnds', () => {
  const flag = (...rows: number[][]) => tensor(rows, { dtype: 'i32' });

  it('is the last step of each document, and −1 where there is none', () => {
    const reset = flag([0, 0, 1, 0, 1], [1, 0, 0, 0, 0]);
    expect(documentEnds({ reset }, 4).toArray()).toEqual([[1, 3, 4, -1], [4, -1, -1, -1]]);
    expect(documentEnds({ segmentIds: flag([7, 7, 2, 7]) }, 2).toArray()).toEqual([[1, 2]]);
    const empty = zeros([2, 0], { dtype: 'i32' });
    expect(documentEnds({ reset: empty }, 1).toArray()).toEqual([[-1], [-1]]);
    expect(documentEnds({ reset }, 0).shape).toEqual([2, 0]);
    expect(compile((x: Tensor) => documentEnds({ reset: x }, 2))(reset).toArray())
      .toEqual([[1, 3], [4, -1]]);
  });

  it('wants to know where documents begin', () => {
    expect(() => documentEnds({}, 2)).toThrow(
      'documentEnds: neither reset nor segmentIds is given',
    );
    expect(() => documentEnds({ reset: flag([1]) }, -1)).toThrow('documentEnds: count is -1');
    expect(() => documentEnds({ reset: zeros([1, 2]) }, 1)).toThrow(
      'documentEnds: reset is f32[1, 2]',
    );
  });
});
