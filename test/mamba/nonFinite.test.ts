/**
 * Steps that do not count may hold anything. Filled with NaN or ±∞, padding, and what lies before a
 * reset, leave everything else bit for bit as it is with zeros there: in values and in gradients,
 * eagerly and compiled. And what comes later does not change what came before.
 */
import { selectiveScan, type SelectiveScanAlgorithm, ssd, type SSDAlgorithm } from '@mambagrad/mamba';
import {
  arange, compile, type CompileOptions, concat, grad, type Tensor, tensor, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectSame, leaf, unevenCotangent } from '../support/compare.ts';
import { type Draw, drawIndices, drawInteger, drawTensor } from '../support/draw.ts';

const odd = [NaN, Infinity, -Infinity];
const ways: readonly (CompileOptions | undefined)[] = [
  undefined,
  { backend: 'wasm' },
  { backend: 'wasm', deterministic: true },
  { backend: 'js', deterministic: true },
];

/** A function of tensors; those with steps are [batch, length, ...]. */
interface Subject {
  readonly inputs: readonly Tensor[];
  /** How many of the inputs, the first, have steps; the last is the state before. */
  readonly withSteps: number;
  /** The results of all steps, and whatever else comes out. */
  run(inputs: readonly Tensor[], flags: Flags): readonly [y: Tensor, rest: Tensor];
}

interface Flags {
  readonly mask?: Tensor;
  readonly reset?: Tensor;
}

type Make<Name> = (g: Draw, algorithm: Name, sizes: readonly [number, number]) => Subject;

const scans: Make<SelectiveScanAlgorithm> = (g, algorithm, [batch, length]) => {
  const [channels, state] = [9, 3].map((max) => drawInteger(g, 1, max));
  const along = [batch, length];
  const chunkSize = drawInteger(g, 1, length);
  return {
    withSteps: 5,
    inputs: [
      drawTensor(g, [...along, channels]), drawTensor(g, [...along, channels]),
      drawTensor(g, [...along, state]), drawTensor(g, [...along, state]),
      drawTensor(g, [...along, channels]), drawTensor(g, [channels, state], -2, -0.1),
      drawTensor(g, [channels]), drawTensor(g, [channels]),
      drawTensor(g, [batch, channels, state]),
    ],
    run: ([u, delta, B, C, z, A, D, deltaBias, initialState], flags) => {
      const options = { D, z, deltaBias, initialState, algorithm, chunkSize };
      const { y, lastState } = selectiveScan(u, delta, A, B, C, {
        ...options, ...flags, deltaSoftplus: true,
      });
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
    withSteps: 4,
    inputs: [
      drawTensor(g, [...along, heads, headDim]), drawTensor(g, [...along, heads], 0, 2),
      drawTensor(g, [...along, groups, state]), drawTensor(g, [...along, groups, state]),
      drawTensor(g, [heads], -2, -0.1), drawTensor(g, [heads]),
      drawTensor(g, [batch, heads, headDim, state]),
    ],
    run: ([x, dt, B, C, A, D, initialState], flags) => {
      const options = { D, initialState, algorithm, chunkSize };
      const { y, lastState } = ssd(x, dt, A, B, C, { ...options, ...flags });
      return [y, lastState];
    },
  };
};

/** For each row and step of x [batch, length, ...], where the flag is not 0, the number. */
function fill(x: Tensor, flags: Tensor, value: number): Tensor {
  return flags.reshape([...flags.shape, ...x.shape.slice(2).map(() => 1)]).where(value, x);
}

/** Values at the steps that count and gradients of all inputs, in one of the ways. */
function measure(
  { run }: Subject, flags: Flags, dead: Tensor, how: CompileOptions | undefined,
): (inputs: readonly Tensor[]) => Tensor[] {
  const f = (...inputs: Tensor[]): Tensor[] => {
    const [y, rest] = run(inputs, flags);
    const value = concat([fill(y, dead, 0).flatten(), rest.flatten()]);
    const options = { cotangent: unevenCotangent(value), allowUnused: true };
    return [value, ...grad(value, inputs, options)];
  };
  const program = how ? compile(f, how) : f;
  return (inputs) => program(...inputs.map((input) => leaf(input, how ? 'f32' : 'f64')));
}

/** Any mask, or ... where at least one step counts. */
function drawMask(g: Draw, [batch, length]: readonly [number, number]): Tensor {
  return drawIndices(g, [batch, length], 2);
}

/** Resets of all rows at one step, and of some before it; and the steps before. */
function drawResets(g: Draw, [batch, length]: readonly [number, number]) {
  const at = drawInteger(g, 0, length - 1);
  const steps = arange(0, length, 1, { dtype: 'i32' }).unsqueeze(0).broadcastTo([batch, length]);
  const earlier = drawIndices(g, [batch, length], 2).mul(steps.less(at));
  return { reset: earlier.maximum(steps.equal(at)), before: steps.less(at) };
}

function expectPadding(subject: Subject, g: Draw, how: CompileOptions | undefined): void {
  const { inputs, withSteps } = subject;
  const [batch, length] = inputs[0].shape;
  const mask = drawMask(g, [batch, length]);
  const dead = mask.equal(0);
  const run = measure(subject, { mask }, dead, how);
  const filled = (value: number) =>
    run(inputs.map((x, i) => (i < withSteps ? fill(x, dead, value) : x)));
  const expected = filled(0);
  for (const value of odd) filled(value).forEach((x, i) => expectSame(x, expected[i]));
  expect(expected.every(({ data }) => data.every(Number.isFinite))).toBe(true);
}

function expectResets(subject: Subject, g: Draw, how: CompileOptions | undefined): void {
  const { inputs, withSteps } = subject;
  const [batch, length] = inputs[0].shape;
  const { reset, before } = drawResets(g, [batch, length]);
  const run = measure(subject, { reset }, before, how);
  const filled = (value: number) => {
    const last = inputs.length - 1;
    const [y, ...gradients] = run(inputs.map((x, i) =>
      i < withSteps ? fill(x, before, value) : i < last ? x : x.mul(0).add(value),
    ));
    // What parameters have in common with the steps before is theirs.
    return [y, ...gradients.slice(0, withSteps).map((x) => fill(x, before, 0))];
  };
  const expected = filled(0);
  for (const value of odd) filled(value).forEach((x, i) => expectSame(x, expected[i]));
  expect(expected.every(({ data }) => data.every(Number.isFinite))).toBe(true);
}

/** NaN from one step on leaves all results before it as they are. */
function expectCausal(subject: Subject, g: Draw, how: CompileOptions | undefined): void {
  const { inputs, withSteps } = subject;
  const [batch, length] = inputs[0].shape;
  const at = drawInteger(g, 0, length - 1);
  const steps = arange(0, length, 1, { dtype: 'i32' }).unsqueeze(0).broadcastTo([batch, length]);
  const from = steps.greaterEqual(at);
  const f = (...all: Tensor[]): Tensor => fill(subject.run(all, {})[0], from, 0);
  const run = how ? compile(f, how) : f;
  const filled = (value: number) => run(...inputs.map((x, i) =>
    (i < withSteps ? fill(x, from, value) : x).cast(how ? 'f32' : 'f64'),
  ));
  for (const value of odd) expectSame(filled(value), filled(0));
}

const laws = [
  ['padding may hold anything', expectPadding],
  ['nothing passes a reset', expectResets],
  ['the future does not change the past', expectCausal],
] as const;

const cases = [
  ...(['fused', 'segmented', 'sequential', 'blelloch', 'hillisSteele', 'chunked'] as const).map(
    (name) => [`selectiveScan, ${name}`, (g: Draw, s: [number, number]) => scans(g, name, s)] as const,
  ),
  ...(['fused', 'chunked', 'recurrent'] as const).map(
    (name) => [`ssd, ${name}`, (g: Draw, s: [number, number]) => duals(g, name, s)] as const,
  ),
];

describe.each(cases)('%s', (name, make) => {
  it.each(laws)('%s', (_law, expectLaw) => {
    for (const how of ways) {
      const isLoop = /fused|segmented|ssd/.test(name);
      fc.assert(
        fc.property(fc.gen(), fc.integer({ min: 1, max: 40 }), (g, length) => {
          expectLaw(make(g, [drawInteger(g, 1, 2), length]), g, how);
        }),
        { numRuns: how ? (isLoop ? 4 : 1) : 10 },
      );
    }
  });
});
