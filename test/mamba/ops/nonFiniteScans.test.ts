/**
 * The scans in all algorithms: steps that do not count may hold anything, and what comes later does
 * not change what came before.
 */
import {
  discreteSSD, selectiveScan, type SelectiveScanAlgorithm, ssd, type SSDAlgorithm,
} from '@mambagrad/mamba';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile, setThreads, type Tensor, tensor, uniform } from '@mambagrad/tensor';
import { expectSame } from '../../support/compare.ts';
import { type Draw, drawInteger, drawTensor } from '../../support/draw.ts';
import {
  expectCausal, expectNothingPasses, fill, type Subject, ways,
} from '../../support/nonFinite.ts';
import { runs, someOf } from '../../support/soak.ts';

type Make<Name> = (g: Draw, algorithm: Name, sizes: readonly [number, number]) => Subject;

const scans: Make<SelectiveScanAlgorithm> = (g, algorithm, [batch, length]) => {
  const [inGroup, state] = [9, 3].map((max) => drawInteger(g, 1, max));
  const groups = drawInteger(g, 0, 2);
  const channels = inGroup * Math.max(groups, 1);
  const shared = [batch, length, ...(groups > 0 ? [groups] : []), state];
  const along = [batch, length];
  const chunkSize = drawInteger(g, 1, length);
  return {
    withSteps: [
      drawTensor(g, [...along, channels]), drawTensor(g, [...along, channels]),
      drawTensor(g, shared), drawTensor(g, shared), drawTensor(g, [...along, channels]),
    ],
    others: [
      drawTensor(g, [channels, state], -2, -0.1), drawTensor(g, [channels]),
      drawTensor(g, [channels]),
    ],
    initialState: drawTensor(g, [batch, channels, state]),
    run: ([u, delta, B, C, z, A, D, deltaBias, initialState], flags) => {
      const options = { D, z, deltaBias, initialState, algorithm, chunkSize, deltaSoftplus: true };
      const { y, lastState } = selectiveScan(u, delta, A, B, C, { ...options, ...flags });
      return [y, lastState];
    },
  };
};

const duals: Make<SSDAlgorithm> = (g, algorithm, [batch, length]) => {
  const [groups, perGroup, headDim, state] = [2, 2, 5, 5].map((max) => drawInteger(g, 1, max));
  const heads = groups * perGroup;
  const along = [batch, length];
  const chunkSize = drawInteger(g, 1, length);
  return {
    withSteps: [
      drawTensor(g, [...along, heads, headDim]), drawTensor(g, [...along, heads], 0, 2),
      drawTensor(g, [...along, groups, state]), drawTensor(g, [...along, groups, state]),
    ],
    others: [drawTensor(g, [heads], -2, -0.1), drawTensor(g, [heads])],
    initialState: drawTensor(g, [batch, heads, headDim, state]),
    run: ([x, dt, B, C, A, D, initialState], flags) => {
      const options = { D, initialState, algorithm, chunkSize };
      const { y, lastState } = ssd(x, dt, A, B, C, { ...options, ...flags });
      return [y, lastState];
    },
  };
};

const discretes: Make<SSDAlgorithm> = (g, algorithm, sizes) => {
  const dual = duals(g, algorithm, sizes);
  const [x, logDecay, B, C] = dual.withSteps;
  const options = { algorithm, chunkSize: drawInteger(g, 1, sizes[1]) };
  return {
    ...dual,
    withSteps: [x, logDecay.neg(), B, C],
    others: [drawTensor(g, x.shape.slice(2))],
    run: ([x1, a, B1, C1, D, initialState], flags) => {
      const { y, lastState } =
        discreteSSD(x1, a, B1, C1, { D, initialState, ...options, ...flags });
      return [y, lastState];
    },
  };
};

const scanNames = [
  'fused', 'segmented', 'sequential', 'blelloch', 'hillisSteele', 'chunked',
] as const satisfies readonly SelectiveScanAlgorithm[];
const dualNames = ['fused', 'chunked', 'recurrent'] as const satisfies readonly SSDAlgorithm[];

type Sizes = readonly [number, number];
const cases: readonly (readonly [string, (g: Draw, sizes: Sizes) => Subject])[] = [
  ...scanNames.map((name) =>
    [`selectiveScan, ${name}`, (g: Draw, sizes: Sizes) => scans(g, name, sizes)] as const,
  ),
  ...dualNames.map((name) =>
    [`ssd, ${name}`, (g: Draw, sizes: Sizes) => duals(g, name, sizes)] as const,
  ),
  ...dualNames.map((name) =>
    [`discreteSSD, ${name}`, (g: Draw, sizes: Sizes) => discretes(g, name, sizes)] as const,
  ),
];

/** Lengths within a chunk and beyond. */
const lengths = [1, 3, 7, 33, 40];

describe.each(someOf(cases))('%s', (name, make) => {
  const isKernel = /fused|segmented|ssd|SSD/.test(name);
  it.each([
    ['padding and other documents may hold anything', expectNothingPasses],
    ['the future does not change the past', expectCausal],
  ])('%s', (_law, expectLaw) => {
    for (const how of ways) {
      fc.assert(
        fc.property(fc.gen(), fc.constantFrom(...lengths), (g, length) => {
          expectLaw(g, make(g, [drawInteger(g, 1, 2), length]), how);
        }),
        { numRuns: runs(how ? (isKernel ? 3 : 1) : 5) },
      );
    }
  });
});

describe('selectiveScan', () => {
  it.each(scanNames)('%s passes over a missing frame, and forgets at a reset', (algorithm) => {
    const one = tensor([[[1], [1], [1]]]);
    const run = (u: number[], flag: 'mask' | 'reset', flags: number[], start: number) =>
      selectiveScan(tensor(u, { shape: [1, 3, 1] }), one, tensor([[-1]]), one, one, {
        algorithm, [flag]: tensor([flags], { dtype: 'i32' }), initialState: tensor([[[start]]]),
      }).y.flatten().toArray() as number[];
    const [first, , last] = run([7, NaN, 5], 'mask', [1, 0, 1], 0);
    expect(first).toBe(7);
    expect(last).toBeCloseTo(7 * Math.exp(-1) + 5, 6);
    expect(run([3, NaN, 5], 'reset', [1, 0, 1], NaN)).toEqual([3, NaN, 5]);
  });

  it('is as clean on several threads', () => {
    const [batch, length, channels, state] = [2, 40, 48, 16];
    const [u, B] = [channels, state].map((width) => uniform([batch, length, width], -1, 1));
    const A = uniform([channels, state], -2, -1);
    const mask = uniform([batch, length], 0, 1).less(0.5);
    const run = (count: number, value: number) => {
      setThreads(count);
      const [dirty, other] = [u, B].map((x) => fill(x, mask.equal(0), value));
      return compile((x: Tensor, y: Tensor) => selectiveScan(x, x.abs(), A, y, y, { mask }).y)(
        dirty, other,
      );
    };
    const expected = run(1, 0);
    for (const count of [1, 2]) expectSame(run(count, NaN), expected);
  });
});
