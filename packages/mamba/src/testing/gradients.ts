/**
 * Gradients against finite differences of the reference. The loss is a sum of all results, weighted
 * by cotangents drawn at random, and its derivative along a random direction v of one input x is
 *
 *     g · v = (45 (L₁ − L₋₁) − 9 (L₂ − L₋₂) + (L₃ − L₋₃)) / 60ε,     L_k = loss(x + kεv)
 *
 * which is exact to about twelve digits. How much more it may differ from the candidate's gradient
 * follows from rounding.ts: the derivative of a reference that is disturbed as rounding would.
 */
import { drawNumbers, range } from './cases.ts';
import { Difference, inColumns, placeOf, showNumbers } from './failure.ts';
import { randomFrom } from './random.ts';
import {
  type Disturb, evaluate, type ScanCase, type ScanReference, type ScanValues, shapeOf,
} from './reference.ts';
import { ROUNDING, sensitivity } from './rounding.ts';
import { errorOf, type Subject } from './subject.ts';

/** The step of finite differences, relative to the largest number of an input. */
const STEP = 2 ** -10;

/** The results that count in the loss. */
export type Weighted = 'all' | 'lastState';

/** Cotangents for the results of a case, drawn at random, with 0 at padding. */
export function drawCotangents(subject: Subject, given: ScanCase, weighted: Weighted): ScanValues {
  const random = randomFrom(given.seed + 1);
  const { dtype } = subject.candidate;
  const draw = (result: 'y' | 'lastState'): Float64Array => {
    const count = subject.shapeOf(result, given).reduce((product, size) => product * size, 1);
    return drawNumbers(count, [-1, 1], dtype, random);
  };
  const y = draw('y');
  const width = y.length / (given.sizes['batch'] * given.sizes['length']);
  const { mask } = given;
  return {
    y: y.map((weight, i) =>
      weighted === 'lastState' || mask?.[Math.floor(i / width)] === 0 ? 0 : weight),
    lastState: subject.can('lastState') ? draw('lastState') : undefined,
  };
}

/** The loss of a case. */
function lossOf(
  reference: ScanReference, given: ScanCase, cotangents: ScanValues, disturb?: Disturb,
): number {
  const found = evaluate(reference, given, disturb);
  let loss = 0;
  for (const result of ['y', 'lastState'] as const) {
    const weights = cotangents[result];
    for (let i = 0; weights && i < weights.length; i++) loss += weights[i] * found[result][i];
  }
  return loss;
}

/** An input of a case by its name, the initial state among them. */
function inputOf(given: ScanCase, name: string): Float64Array {
  return name === 'initialState' ? given.initialState ?? new Float64Array(0) : given.inputs[name];
}

/** The case with x + by · v in the place of an input x. */
function moved(given: ScanCase, name: string, by: number, v: Float64Array): ScanCase {
  const changed = inputOf(given, name).map((x, i) => x + by * v[i]);
  if (name === 'initialState') return { ...given, initialState: changed };
  return { ...given, inputs: { ...given.inputs, [name]: changed } };
}

/** The derivative of the loss along v, and what finite differences leave out of it. */
function derivative(
  reference: ScanReference, given: ScanCase, cotangents: ScanValues, name: string, v: Float64Array,
): { readonly value: number; readonly error: number } {
  const epsilon = stepOf(given, name);
  const [one, two, three] = [1, 2, 3].map((k) => {
    const [after, before] = [k, -k].map((by) =>
      lossOf(reference, moved(given, name, by * epsilon, v), cotangents));
    return after - before;
  });
  const value = (45 * one - 9 * two + three) / (60 * epsilon);
  const coarser = (8 * one - two) / (12 * epsilon);
  return { value, error: Math.abs(value - coarser) };
}

/** ε of an input. */
function stepOf(given: ScanCase, name: string): number {
  return STEP * scaleOf(inputOf(given, name));
}

/** The largest magnitude of an input, or 1. */
function scaleOf(numbers: Float64Array): number {
  return numbers.reduce((most, x) => Math.max(most, Math.abs(x)), 0) || 1;
}

/**
 * What rounding does to a derivative: to that of the candidate, and to finite differences, in which
 * the roundings of the loss are divided by ε.
 */
function roundingOf(
  { reference, tolerance, candidate: { dtype } }: Subject, given: ScanCase,
  cotangents: ScanValues, name: string, v: Float64Array,
): number {
  const epsilon = stepOf(given, name);
  const [ofLoss, ofDerivative] = sensitivity(given, (each, noise) => {
    const [after, before] = [epsilon, -epsilon].map((by) =>
      lossOf(reference, moved(each, name, by, v), cotangents, noise?.()));
    return Float64Array.of(after, (after - before) / (2 * epsilon));
  });
  return tolerance * (ROUNDING[dtype] * ofDerivative + (ROUNDING.f64 * ofLoss) / epsilon);
}

/** The most elements of an input for which an error shows all derivatives. */
const SHOWN = 64;

/** The derivative for each element of an input, as an error shows them; none if they are many. */
function elementwise(
  reference: ScanReference, given: ScanCase, cotangents: ScanValues, name: string,
): Float64Array | undefined {
  const { length } = inputOf(given, name);
  if (length > SHOWN) return undefined;
  return Float64Array.from(range(0, length), (i) => {
    const unit = new Float64Array(length);
    unit[i] = 1;
    return derivative(reference, given, cotangents, name, unit).value;
  });
}

/**
 * Throws a Difference unless the candidate's gradients are those of the reference, `times` as far
 * from them as rounding allows.
 */
export async function requireGradients(
  subject: Subject, given: ScanCase, weighted: Weighted, times: number,
): Promise<void> {
  const { reference, tolerance, candidate: { dtype } } = subject;
  const cotangents = drawCotangents(subject, given, weighted);
  const gradients = await subject.gradients(given, cotangents);
  const random = randomFrom(given.seed + 2);
  for (const [name, found] of Object.entries(gradients)) {
    const v = Float64Array.from(found, () => random.uniform(-1, 1));
    const expected = derivative(reference, given, cotangents, name, v);
    const along = found.reduce((sum, g, i) => sum + g * v[i], 0);
    const difference = Math.abs(along - expected.value);
    const sizes = found.reduce((sum, g, i) => sum + Math.abs(g * v[i]), 0);
    const certain = expected.error + times * tolerance * ROUNDING[dtype] * sizes;
    if (difference <= certain) continue;
    const rounding = times * roundingOf(subject, given, cotangents, name, v);
    if (difference <= certain + rounding) continue;
    throw gradientDifference(subject, given, cotangents, name, found, [along, expected.value]);
  }
}

function gradientDifference(
  { reference }: Subject, given: ScanCase, cotangents: ScanValues, name: string,
  found: Float64Array, [along, expected]: readonly [number, number],
): Difference {
  const all = elementwise(reference, given, cotangents, name);
  const { lastState } = cotangents;
  const yShape = shapeOf(reference.y, given.sizes);
  const weights = {
    'cotangent of y': showNumbers(cotangents.y, yShape),
    ...(lastState && {
      'cotangent of lastState': showNumbers(lastState, shapeOf(reference.state, given.sizes)),
    }),
  };
  if (!all) {
    const text = `the gradient of ${name} along a random direction is ${along}, ` +
      `finite differences say ${expected}`;
    return new Difference(text, inColumns(weights));
  }
  const errors = all.map((each, i) => errorOf(found[i], each));
  const worst = errors.reduce((most, each, i) => (each > errors[most] ? i : most), 0);
  const axes = name === 'initialState' ? reference.state : reference.inputs[name].axes;
  const shape = shapeOf(axes, given.sizes);
  return new Difference(
    `the gradient of ${name}[${placeOf(worst, shape)}] is ${found[worst]}, finite differences ` +
      `say ${all[worst]}`,
    inColumns({
      ...weights,
      [`gradient of ${name}, found`]: showNumbers(found, shape),
      [`gradient of ${name}, expected`]: showNumbers(all, shape),
    }),
  );
}
