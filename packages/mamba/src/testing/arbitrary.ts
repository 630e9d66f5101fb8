/**
 * Cases as a fast-check arbitrary, and how a failing one is made smaller: fewer steps, smaller
 * axes, fewer flags, then simpler numbers, such as 0, 1 and ½, as long as it still fails.
 */
import fc from 'fast-check';
import { drawCase, mapInputs, range, takeAlong, takeSteps, type Wanted } from './cases.ts';
import {
  type ScanCase, type ScanReference, sizeNames, type Sizes,
} from './reference.ts';

/** Draws cases for what a property wants, and shrinks them. */
export class CaseArbitrary extends fc.Arbitrary<ScanCase> {
  readonly #reference: ScanReference;
  readonly #wanted: Wanted;

  constructor(reference: ScanReference, wanted: Wanted) {
    super();
    this.#reference = reference;
    this.#wanted = wanted;
  }

  override generate(random: fc.Random): fc.Value<ScanCase> {
    const seed = random.nextInt(0, 2 ** 31 - 1);
    return new fc.Value(drawCase(this.#reference, this.#wanted, seed), undefined);
  }

  override canShrinkWithoutContext(value: unknown): value is ScanCase {
    return typeof value === 'object' && value !== null && 'sizes' in value;
  }

  override shrink(given: ScanCase): fc.Stream<fc.Value<ScanCase>> {
    const cases = smaller(this.#reference, this.#wanted, given);
    return new fc.Stream(cases).map((each) => new fc.Value(each, undefined));
  }
}

function* smaller(
  reference: ScanReference, wanted: Wanted, given: ScanCase,
): Generator<ScanCase, void, undefined> {
  yield* shorter(reference, wanted, given);
  yield* narrower(reference, wanted, given);
  yield* plainer(given);
  yield* simpler(reference, given);
}

/** Cases of fewer steps: half of them gone, a quarter, … and in the end any single step. */
function* shorter(
  reference: ScanReference, { lengths: [least] }: Wanted, given: ScanCase,
): Generator<ScanCase, void, undefined> {
  const { length } = given.sizes;
  for (let count = Math.ceil(length / 2); count >= 1; count = Math.floor(count / 2)) {
    if (length - count < least) continue;
    const isFew = length <= 16;
    const starts = isFew ? range(0, length - count + 1).reverse() : [length - count, 0];
    for (const from of starts) {
      const kept = range(0, length).filter((step) => step < from || step >= from + count);
      yield takeSteps(reference, given, kept);
    }
  }
}

/** Cases of which an axis is 1, or one less. */
function* narrower(
  reference: ScanReference, { batch: [fewest] }: Wanted, given: ScanCase,
): Generator<ScanCase, void, undefined> {
  for (const name of sizeNames(reference)) {
    const size = given.sizes[name];
    const least = name === 'batch' ? fewest : 1;
    if (name === 'length' || size <= least) continue;
    for (const next of new Set([least, size - 1])) yield resized(reference, given, name, next);
  }
}

/** A case in which an axis is cut off after its first `size` elements. */
function resized(
  reference: ScanReference, given: ScanCase, name: string, size: number,
): ScanCase {
  const { sizes, initialState, reset, mask } = given;
  const cut = (numbers: Float64Array, axes: readonly string[]): Float64Array => {
    const factors = axes.flatMap((axis) => axis.split('*'));
    const axis = factors.indexOf(name);
    const shape = factors.map((factor) => sizes[factor]);
    return axis < 0 ? numbers : takeAlong(numbers, shape, axis, range(0, size));
  };
  const flags = (all: Int32Array | undefined): Int32Array | undefined =>
    all && Int32Array.from(cut(Float64Array.from(all), ['batch', 'length']));
  return {
    ...mapInputs(reference, given, (numbers, { axes }) => cut(numbers, axes)),
    sizes: { ...sizes, [name]: size } satisfies Sizes,
    initialState: initialState && cut(initialState, reference.state),
    reset: flags(reset), mask: flags(mask),
  };
}

/** Cases with a flag less, without an initial state, or cut earlier. */
function* plainer(given: ScanCase): Generator<ScanCase, void, undefined> {
  const { initialState, reset, mask, at } = given;
  if (initialState?.some((x) => x !== 0)) {
    yield { ...given, initialState: initialState.map(() => 0) };
  }
  if (reset) for (const i of indicesOf(reset, 1)) yield { ...given, reset: reset.with(i, 0) };
  if (mask) for (const i of indicesOf(mask, 0)) yield { ...given, mask: mask.with(i, 1) };
  for (const earlier of new Set([Math.floor(at / 2), at - 1])) {
    if (earlier >= 0 && earlier < at) yield { ...given, at: earlier };
  }
}

function indicesOf(flags: Int32Array, flag: number): number[] {
  return range(0, flags.length).filter((i) => flags[i] === flag);
}

/** Numbers from the simplest on; all are exact in float32. */
const SIMPLE = [0, 1, -1, 0.5, -0.5, 2, -2, 0.25, -0.25];

/** The more, the less simple a number is. */
function complexityOf(x: number): number {
  const rank = SIMPLE.indexOf(x);
  return rank >= 0 ? rank : Number.isInteger(x * 8) ? SIMPLE.length : SIMPLE.length + 1;
}

const complexity = (numbers: Float64Array): number =>
  numbers.reduce((sum, x) => sum + complexityOf(x), 0);

/** Arrays that are filled with a simple number in bounds, rounded, or simple in one element. */
function* simplerNumbers(
  numbers: Float64Array, [low, high]: readonly [number, number],
): Generator<Float64Array, void, undefined> {
  const allowed = SIMPLE.filter((x) => x >= low && x <= high);
  const all = complexity(numbers);
  for (const x of allowed) {
    const filled = numbers.map(() => x);
    if (complexity(filled) < all) yield filled;
  }
  const rounded = numbers.map((x) => Math.min(Math.max(Math.round(x * 8) / 8, low), high));
  if (complexity(rounded) < all) yield rounded;
  if (numbers.length > 32) return;
  for (const i of range(0, numbers.length)) {
    for (const x of allowed.slice(0, 3)) {
      if (complexityOf(x) < complexityOf(numbers[i])) yield numbers.with(i, x);
    }
  }
}

function* simpler(
  reference: ScanReference, given: ScanCase,
): Generator<ScanCase, void, undefined> {
  for (const [name, input] of Object.entries(reference.inputs)) {
    for (const numbers of simplerNumbers(given.inputs[name], input.range)) {
      yield { ...given, inputs: { ...given.inputs, [name]: numbers } };
    }
  }
  if (!given.initialState) return;
  for (const numbers of simplerNumbers(given.initialState, [-2, 2])) {
    yield { ...given, initialState: numbers };
  }
}
