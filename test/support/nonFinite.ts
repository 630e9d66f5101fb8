/**
 * Steps that do not count, filled with NaN or ±∞. Padding, and the documents before or after one of
 * a row, leave everything else bit for bit as it is with zeros there: in values and in gradients.
 */
import {
  arange, compile, type CompileOptions, concat, grad, ones, type Tensor, zeros,
} from '@mambagrad/tensor';
import { expect } from 'vitest';
import { expectSame, leaf, unevenCotangent } from './compare.ts';
import { type Draw, drawIndices, drawInteger } from './draw.ts';

/** What such steps are filled with. */
export const odd = [NaN, Infinity, -Infinity];

/** Eagerly, and compiled by both backends. */
export const ways: readonly (CompileOptions | undefined)[] = [
  undefined, { backend: 'wasm' }, { backend: 'js', deterministic: true },
];

export interface Flags {
  readonly mask?: Tensor | undefined;
  readonly reset?: Tensor | undefined;
}

interface AllFlags {
  readonly mask: Tensor;
  readonly reset: Tensor;
}

/** A function of tensors: first those with steps, [batch, length, ...], then the others. */
export interface Subject {
  readonly withSteps: readonly Tensor[];
  readonly others: readonly Tensor[];
  /** The state before the first step, if there is one. */
  readonly initialState?: Tensor;
  /** What it captures, of which there are gradients, too. */
  readonly parameters?: readonly Tensor[];
  /** The results of all steps, and what comes of the whole. */
  run(inputs: readonly Tensor[], flags: Flags): readonly [y: Tensor, whole: Tensor];
}

/** For each row and step of x [batch, length, ...], where the flag is not 0, the number. */
export function fill(x: Tensor, flags: Tensor, value: number): Tensor {
  return flags.reshape([...flags.shape, ...x.shape.slice(2).map(() => 1)]).where(value, x);
}

/** What a subject gives, and the gradients of all of its inputs. */
interface Measured {
  readonly value: Tensor;
  readonly withSteps: readonly Tensor[];
  readonly others: readonly Tensor[];
  readonly initialState: readonly Tensor[];
}

/** The subject in one of the ways; results of `dead` steps, and of `noWhole` all, do not count. */
function measuring(subject: Subject, how: CompileOptions | undefined) {
  const { withSteps, others } = subject;
  const f = (mask: Tensor, reset: Tensor, dead: Tensor, noWhole: Tensor, ...inputs: Tensor[]) => {
    const [y, whole] = subject.run(inputs, { mask, reset });
    const value = concat([fill(y, dead, 0).flatten(), noWhole.where(0, whole).flatten()]);
    const options = { cotangent: unevenCotangent(value), allowUnused: true };
    const gradients = grad(value, [...inputs, ...(subject.parameters ?? [])], options);
    return [value, ...gradients];
  };
  const program = how ? compile(f, how) : f;
  return (
    { mask, reset }: AllFlags, dead: Tensor, noWhole: boolean, inputs: readonly Tensor[],
  ): Measured => {
    const count = ones([], { dtype: 'i32' }).mul(Number(noWhole));
    const leaves = inputs.map((input) => leaf(input, how ? 'f32' : 'f64'));
    const [value, ...gradients] = program(mask, reset, dead, count, ...leaves);
    const [end, last] = [withSteps.length + others.length, inputs.length];
    return {
      value,
      withSteps: gradients.slice(0, withSteps.length),
      others: [...gradients.slice(withSteps.length, end), ...gradients.slice(last)],
      initialState: gradients.slice(end, last),
    };
  };
}

/** All the laws, for any flags; `hasDocuments` if resets keep apart what the whole is made of. */
export function expectNothingPasses(
  g: Draw, subject: Subject, how: CompileOptions | undefined, hasDocuments = true,
): void {
  const { withSteps, others } = subject;
  const [batch, length] = withSteps[0].shape;
  const measure = measuring(subject, how);
  const starts = subject.initialState ? [subject.initialState] : [];
  const [none, all] = [zeros, ones].map((make) => make([batch, length], { dtype: 'i32' }));

  /** Everything that `choose` picks is the same, whatever dead steps are filled with. */
  const expectAlike = (
    flags: AllFlags, dead: Tensor, choose: (found: Measured) => readonly Tensor[],
    { noWhole = false, fillsState = false } = {},
  ) => {
    const [expected, ...found] = [0, ...odd].map((value) => choose(measure(flags, dead, noWhole, [
      ...withSteps.map((x) => fill(x, dead, value)), ...others,
      ...starts.map((x) => (fillsState ? x.mul(0).add(value) : x)),
    ])));
    for (const each of found) each.forEach((x, i) => expectSame(x, expected[i]));
    expect(expected.every(({ data }) => data.every(Number.isFinite))).toBe(true);
  };

  // Padding: nothing of it reaches anything, and its own gradients are 0.
  const mask = drawIndices(g, [batch, length], 2);
  expectAlike({ mask, reset: none }, mask.equal(0), (found) => [
    found.value, ...found.withSteps, ...found.others, ...found.initialState,
  ]);
  const { withSteps: own } = measure({ mask, reset: none }, mask.equal(0), false, [
    ...withSteps, ...others, ...starts,
  ]);
  for (const x of own) expect(fill(x, mask, 0).data.every((value) => value === 0)).toBe(true);
  if (!hasDocuments) return;

  // Documents: all rows have a reset at one step, and some before it. What parameters have in
  // common with another document is theirs.
  const at = drawInteger(g, 0, length - 1);
  const steps = arange(0, length, 1, { dtype: 'i32' }).unsqueeze(0).broadcastTo([batch, length]);
  const [before, after] = [steps.less(at), steps.greaterEqual(at)];
  const early = drawIndices(g, [batch, length], 2).mul(before);
  const flags = { mask: all, reset: early.maximum(steps.equal(at)) };
  expectAlike(flags, before, ({ value, withSteps: gradients }) => [
    value, ...gradients.map((x) => fill(x, before, 0)),
  ], { fillsState: true });
  expectAlike(flags, after, ({ value, withSteps: gradients, initialState }) => [
    value, ...gradients.map((x) => fill(x, after, 0)), ...initialState,
  ], { noWhole: true });
}

/** NaN from one step on leaves all results before it as they are, without any flags. */
export function expectCausal(
  g: Draw, { withSteps, others, initialState, run }: Subject, how: CompileOptions | undefined,
): void {
  const [batch, length] = withSteps[0].shape;
  const at = drawInteger(g, 0, length - 1);
  const steps = arange(0, length, 1, { dtype: 'i32' }).unsqueeze(0).broadcastTo([batch, length]);
  const from = steps.greaterEqual(at);
  const f = (...all: Tensor[]): Tensor => fill(run(all, {})[0], from, 0);
  const program = how ? compile(f, how) : f;
  const rest = [...others, ...(initialState ? [initialState] : [])];
  const filled = (value: number) => program(
    ...[...withSteps.map((x) => fill(x, from, value)), ...rest]
      .map((x) => x.cast(how ? 'f32' : 'f64')),
  );
  for (const value of odd) expectSame(filled(value), filled(0));
}
