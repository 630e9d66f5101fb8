/** Inputs of a scan: drawn at random for what a property wants, cut into pieces and rearranged. */
import { randomFrom, type Random } from './random.ts';
import {
  countOf, hasSteps, type ScanCase, type ScanInput, type ScanReference, shapeOf, sizeNames,
  type Sizes,
} from './reference.ts';

/** The numbers that a property wants: the usual ones, or those of slow or extreme decays. */
export type Values = 'usual' | 'slow' | 'extreme';

/** The inputs that a property wants. */
export interface Wanted {
  /** The fewest and the most steps. */
  readonly lengths: readonly [number, number];
  /** The fewest and the most rows. */
  readonly batch: readonly [number, number];
  /** The largest size of all other axes. */
  readonly largest: number;
  readonly values: Values;
  readonly dtype: 'f32' | 'f64';
  readonly initialState: boolean;
  readonly reset: boolean;
  readonly mask: boolean;
  /** Backwards, forwards, or either by chance. */
  readonly reverse: boolean | 'either';
}

/** Draws a case from a seed; of the given length, if there is one. */
export function drawCase(
  reference: ScanReference, wanted: Wanted, seed: number, length?: number,
): ScanCase {
  const random = randomFrom(seed);
  const sizes: Record<string, number> = {};
  for (const name of sizeNames(reference)) sizes[name] = random.whole(1, wanted.largest);
  sizes['batch'] = random.whole(...wanted.batch);
  sizes['length'] = length ?? drawLength(wanted, random);
  const steps = sizes['batch'] * sizes['length'];
  const inputs: Record<string, Float64Array> = {};
  for (const [name, input] of Object.entries(reference.inputs)) {
    inputs[name] = drawInput(input, sizes, wanted, random);
  }
  const flags = (share: number): Int32Array =>
    Int32Array.from({ length: steps }, () => (random.chance(share) ? 1 : 0));
  const mask = wanted.mask ? flags(0.6) : undefined;
  // Documents begin at steps that are no padding.
  const reset = wanted.reset
    ? flags(0.3).map((flag, i) => (mask?.[i] === 0 ? 0 : flag)) : undefined;
  const states = countOf(reference.state, sizes);
  return {
    sizes, inputs, mask, reset,
    initialState: wanted.initialState
      ? drawNumbers(states, [-2, 2], wanted.dtype, random) : undefined,
    reverse: wanted.reverse === 'either' ? random.chance(0.5) : wanted.reverse,
    at: random.whole(0, sizes['length']),
    seed,
  };
}

/** Mostly few steps, as most mistakes show in them; a quarter have any number. */
function drawLength({ lengths: [least, most] }: Wanted, random: Random): number {
  const isShort = least < SHORT && random.chance(0.75);
  return random.whole(least, isShort ? Math.min(most, SHORT) : most);
}

/** What counts as few steps. */
const SHORT = 20;

function drawInput(
  input: ScanInput, sizes: Sizes, { values, dtype }: Wanted, random: Random,
): Float64Array {
  const { axes, range, slow = range, extreme = [] } = input;
  const numbers = drawNumbers(
    countOf(axes, sizes), values === 'slow' ? slow : range, dtype, random,
  );
  if (values !== 'extreme' || extreme.length === 0) return numbers;
  return numbers.map((x) => {
    const chosen = extreme[random.whole(0, extreme.length - 1)];
    return random.chance(0.4) ? roundTo(dtype, chosen) : x;
  });
}

/** Numbers from a range that a dtype can hold. */
export function drawNumbers(
  count: number, [low, high]: readonly [number, number], dtype: 'f32' | 'f64', random: Random,
): Float64Array {
  return Float64Array.from({ length: count }, () => roundTo(dtype, random.uniform(low, high)));
}

/** The number of a dtype next to x. */
export function roundTo(dtype: 'f32' | 'f64', x: number): number {
  return dtype === 'f32' ? Math.fround(x) : x;
}

/** Keeps the elements of an array at the given indices along one of its axes. */
export function takeAlong(
  numbers: Float64Array, shape: readonly number[], axis: number, indices: readonly number[],
): Float64Array {
  const width = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const outer = shape.slice(0, axis).reduce((product, size) => product * size, 1);
  const taken = new Float64Array(outer * indices.length * width);
  for (let i = 0; i < outer; i++) {
    indices.forEach((index, j) => {
      const from = (i * shape[axis] + index) * width;
      taken.set(numbers.subarray(from, from + width), (i * indices.length + j) * width);
    });
  }
  return taken;
}

/** The whole numbers from `from` to below `to`. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(to - from, 0) }, (_, i) => from + i);
}

/** A case of some of its steps, the same ones in every row. */
export function takeSteps(
  reference: ScanReference, given: ScanCase, steps: readonly number[],
): ScanCase {
  const { sizes, reset, mask, at } = given;
  const before = steps.filter((step) => step < at).length;
  const { batch, length } = sizes;
  const flags = (all: Int32Array | undefined): Int32Array | undefined =>
    all && Int32Array.from(takeAlong(Float64Array.from(all), [batch, length], 1, steps));
  return {
    ...mapInputs(reference, given, (numbers, input) =>
      hasSteps(input) ? takeAlong(numbers, shapeOf(input.axes, sizes), 1, steps) : numbers),
    sizes: { ...sizes, length: steps.length },
    reset: flags(reset), mask: flags(mask), at: before,
  };
}

/** A case of a single row. */
export function takeRow(reference: ScanReference, given: ScanCase, row: number): ScanCase {
  const { sizes, initialState, reset, mask } = given;
  const of = (numbers: Float64Array): Float64Array =>
    takeAlong(numbers, [sizes['batch'], numbers.length / sizes['batch']], 0, [row]);
  const flags = (all: Int32Array | undefined): Int32Array | undefined =>
    all && Int32Array.from(of(Float64Array.from(all)));
  return {
    ...mapInputs(reference, given, (numbers, { axes }) =>
      axes[0] === 'batch' ? of(numbers) : numbers),
    sizes: { ...sizes, batch: 1 },
    initialState: initialState && of(initialState), reset: flags(reset), mask: flags(mask),
  };
}

/** A case with each input replaced. */
export function mapInputs(
  { inputs: axes }: ScanReference, given: ScanCase,
  change: (numbers: Float64Array, input: ScanInput, name: string) => Float64Array,
): ScanCase {
  const inputs = Object.entries(given.inputs).map(([name, numbers]) =>
    [name, change(numbers, axes[name], name)] as const);
  return { ...given, inputs: Object.fromEntries(inputs) };
}

/** A case in which the inputs of some steps, numbered row · length + t, are replaced. */
export function replaceSteps(
  reference: ScanReference, given: ScanCase, isReplaced: (at: number) => boolean,
  valueOf: (input: ScanInput) => number,
): ScanCase {
  const steps = given.sizes['batch'] * given.sizes['length'];
  return mapInputs(reference, given, (numbers, input) => {
    if (!hasSteps(input)) return numbers;
    const width = numbers.length / steps;
    return numbers.map((x, i) => (isReplaced(Math.floor(i / width)) ? valueOf(input) : x));
  });
}
