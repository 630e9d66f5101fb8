/**
 * How large an error may be. A program in float32 or float64 rounds each number that it computes to
 * one that differs by at most u of it, u = 2⁻²⁴ or 2⁻⁵³. A careful scan is as wrong as the exact
 * one would be whose inputs, states and results are each off by a few such roundings. So we measure
 * what those do to the exact result: the reference runs again with each number times 1 ± η, η =
 * 2⁻²⁰,
 *
 *     e_i = max(|Δ₀y_i|, √mean_j (Δ_j y_i)²) / η,     allowed_i = tolerance · u · e_i
 *
 * once with + for all states (an exp that always errs to one side, say) and eight times with signs
 * at random. Where states fade, so do earlier errors, and e_i stays near |y_i|; where decays are
 * near 1, errors pile up, and e_i grows with the length as they do. The default tolerance, 16,
 * allows for the three to six roundings that a step of the scans here takes, for other orders of
 * summation, and for errors that happen to be three times as large as usual. Properties that are
 * not about precision allow 64 times that, so that a scan which loses digits is found by one that
 * is.
 */
import { randomFrom } from './random.ts';
import { type Disturb, evaluate, type ScanCase, type ScanReference } from './reference.ts';

/** The relative change that stands for a rounding: far above those of float64. */
const ETA = 2 ** -20;
/** How often signs are drawn. */
const SAMPLES = 8;

/** u: the largest relative error of one rounding. */
export const ROUNDING: Readonly<Record<'f32' | 'f64', number>> = { f32: 2 ** -24, f64: 2 ** -53 };

/** Begins a disturbance anew: what it gives changes numbers in the same way each time. */
export type Noise = () => Disturb;

/** A function of a case, of which the sensitivity is wanted. */
export type Measured = (given: ScanCase, noise?: Noise) => Float64Array;

const toOneSide: Noise = () => (numbers) => {
  for (let i = 0; i < numbers.length; i++) numbers[i] *= 1 + ETA;
};

const atRandom = (seed: number): Noise => () => {
  const random = randomFrom(seed);
  return (numbers) => {
    for (let i = 0; i < numbers.length; i++) numbers[i] *= random.chance(0.5) ? 1 + ETA : 1 - ETA;
  };
};

/** e_i of the header, for each element of what `measured` gives. */
export function sensitivity(given: ScanCase, measured: Measured): Float64Array {
  const exact = measured(given);
  const oneSided = measured(given, toOneSide);
  const squares = new Float64Array(exact.length);
  for (let sample = 0; sample < SAMPLES; sample++) {
    const changed = disturbed(given, atRandom(SAMPLES + sample)());
    const found = measured(changed, atRandom(sample));
    for (let i = 0; i < squares.length; i++) squares[i] += (found[i] - exact[i]) ** 2 / SAMPLES;
  }
  return squares.map((square, i) =>
    Math.max(Math.abs(oneSided[i] - exact[i]), Math.sqrt(square)) / ETA);
}

/** A case with all of its numbers changed. */
function disturbed(given: ScanCase, disturb: Disturb): ScanCase {
  const change = (numbers: Float64Array): Float64Array => {
    const changed = numbers.slice();
    disturb(changed);
    return changed;
  };
  const inputs = Object.entries(given.inputs).map(([name, x]) => [name, change(x)] as const);
  const { initialState } = given;
  return {
    ...given, inputs: Object.fromEntries(inputs),
    initialState: initialState && change(initialState),
  };
}

/**
 * The error that each element of a result may have. What is far below the largest element may be
 * off by a little of that: kernels keep fading states clear of denormal numbers.
 */
export function allowedErrors(
  reference: ScanReference, given: ScanCase, result: 'y' | 'lastState', tolerance: number,
  dtype: 'f32' | 'f64',
): Float64Array {
  const measured: Measured = (each, noise) => evaluate(reference, each, noise?.())[result];
  const unit = tolerance * ROUNDING[dtype];
  const floor = unit * 2 ** -20 * largest(measured(given));
  return sensitivity(given, measured).map((error) => unit * error + floor);
}

/** The largest magnitude of finite numbers; at least that of one input, 1. */
function largest(numbers: Float64Array): number {
  return numbers.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 1);
}
