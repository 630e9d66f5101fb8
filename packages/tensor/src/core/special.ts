/**
 * The error function and its complement, which JavaScript's Math lacks:
 *
 *     erf(x) = 2/√π ∫₀ˣ e^(−t²) dt        erfc(x) = 1 − erf(x)
 *
 * in float64. Near 0 we use Kummer's series, whose terms are all positive, so there is no
 * cancellation; further out the continued fraction of erfc (Abramowitz and Stegun, 7.1.6 and
 * 7.1.14).
 */

/** Below this we use the series; from here on 60 steps of the fraction are exact in float64. */
const SERIES_UP_TO = 2.5;
const FRACTION_STEPS = 60;
const TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI);

/** 2/√π ∫₀ˣ e^(−t²) dt */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (size < SERIES_UP_TO) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-17; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return TWO_OVER_ROOT_PI * Math.exp(-x * x) * sum;
  }
  if (size > 6) return Math.sign(x);
  return Math.sign(x) * (1 - fractionOf(size));
}

/** 1 − erf(x), also where erf(x) is so near to 1 that the difference would lose its digits. */
export function erfc(x: number): number {
  return x < SERIES_UP_TO ? 1 - erf(x) : fractionOf(x);
}

/** 1 − erf(x) for x of at least 2.5 */
function fractionOf(x: number): number {
  let fraction = x;
  for (let n = FRACTION_STEPS; n >= 1; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (fraction * Math.sqrt(Math.PI));
}
