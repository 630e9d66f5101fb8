/**
 * The error function, which JavaScript's Math lacks:
 *
 *     erf(x) = 2/√π ∫₀ˣ e^(−t²) dt
 *
 * in float64. Near 0 we use Kummer's series, whose terms are all positive, so there is no
 * cancellation; further out the continued fraction of 1 − erf (Abramowitz and Stegun, 7.1.6 and
 * 7.1.14).
 */

/** Below this we use the series; from here on 60 steps of the fraction are exact in float64. */
const SERIES_UP_TO = 2.5;
const FRACTION_STEPS = 60;
const TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI);

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
  let fraction = size;
  for (let n = FRACTION_STEPS; n >= 1; n--) fraction = size + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-x * x) / (fraction * Math.sqrt(Math.PI)));
}
