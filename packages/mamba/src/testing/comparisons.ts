/**
 * How properties compare what a scan gives: with the reference, with itself on other inputs, or
 * step by step with the whole.
 */
import { range, replaceSteps, takeSteps } from './cases.ts';
import { Difference } from './failure.ts';
import { randomFrom } from './random.ts';
import { evaluate, type ScanCase, type ScanInput, type ScanValues } from './reference.ts';
import type { Comparison, Subject } from './subject.ts';

/** A check of a property. */
type Check = (subject: Subject, given: ScanCase) => Promise<void>;

/** How many times the error of rounding is allowed where a property is not about precision. */
export const LENIENT = 64;

/**
 * Throws unless y, and the last state if the candidate gives it, are those of the reference,
 * `times` as far as rounding allows.
 */
const compared = (times: number): Check => async (subject, given) => {
  const [found, expected] = [await subject.run(given), evaluate(subject.reference, given)];
  requireValues(subject, given, found, expected, { times });
};

/** For properties that are not about precision: a scan that loses digits is found by others. */
export const equalsReference: Check = compared(LENIENT);
/** For those that are. */
export const isNearReference: Check = compared(1);

/** Throws unless two results are the same, y where it is no padding. */
export function requireValues(
  subject: Subject, given: ScanCase, found: ScanValues, expected: ScanValues,
  options: Comparison = {},
): void {
  const counts = countsOf(given, found.y);
  subject.requireNear('y', found.y, expected.y, given, { ...options, counts });
  if (!found.lastState || !expected.lastState) return;
  subject.requireNear('lastState', found.lastState, expected.lastState, given, options);
}

/** Which elements of y are no padding. */
function countsOf({ mask, sizes }: ScanCase, y: Float64Array): (element: number) => boolean {
  const width = y.length / (sizes['batch'] * sizes['length']);
  return (element) => mask?.[Math.floor(element / width)] !== 0;
}

/** The y of pieces of one row, one after the other. */
export function joined(pieces: readonly Float64Array[]): Float64Array {
  return Float64Array.from(pieces.flatMap((piece) => [...piece]));
}

const ODD = [NaN, Infinity, -Infinity];

/** y of the steps that are chosen, of a case and of one in which the others hold NaN or ∞. */
export async function ignores(
  subject: Subject, given: ScanCase, isOdd: (at: number) => boolean, what: string,
): Promise<void> {
  const random = randomFrom(given.seed);
  const odd = replaceSteps(subject.reference, given, isOdd, () => ODD[random.whole(0, 2)]);
  const [found, expected] = [await subject.run(odd), await subject.run(given)];
  const width = found.y.length / (given.sizes['batch'] * given.sizes['length']);
  const isPadding = countsOf(given, found.y);
  subject.requireNear('y', found.y, expected.y, given, {
    times: LENIENT, what, counts: (i) => !isOdd(Math.floor(i / width)) && isPadding(i),
  });
}

/** Other numbers for inputs of a step. */
export function otherNumbers(seed: number): (input: ScanInput) => number {
  const random = randomFrom(seed);
  return ({ range: [low, high] }) => Math.fround(random.uniform(low, high));
}

/** Throws unless two arrays hold the same bits. */
export function requireSame(
  name: string, found: Float64Array | undefined, expected: Float64Array | undefined, what: string,
): void {
  if (!found || !expected) return;
  const wrong = found.findIndex((x, i) => !Object.is(x, expected[i]));
  if (wrong < 0) return;
  throw new Difference(
    `element ${wrong} of ${name} is ${found[wrong]}, ${what} ${expected[wrong]}`,
  );
}

/** The y of all steps, and the last state, taken step by step. */
export async function stepByStep(
  subject: Subject, given: ScanCase,
  look: (before: Float64Array, after: Float64Array) => void = () => undefined,
): Promise<{ readonly y: Float64Array; readonly state: Float64Array }> {
  const states = subject.shapeOf('lastState', given).reduce((product, size) => product * size, 1);
  let state = given.initialState ?? new Float64Array(states);
  const ys: Float64Array[] = [];
  for (const t of range(0, given.sizes['length'])) {
    const one = takeSteps(subject.reference, given, [t]);
    const found = await subject.step({ ...one, initialState: undefined }, state);
    look(state, found.before);
    ys.push(found.y);
    state = found.state;
  }
  return { y: joined(ys), state };
}
