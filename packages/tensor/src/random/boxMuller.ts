/**
 * The two functions with which uniform numbers u and v in [0, 1) become a normal one, by Box and
 * Muller (1958), who take a radius and the cosine of an angle:
 *
 *     √(−2 log(1 − u)) · cos(2πv)
 *
 * (1 − u is in (0, 1], whose logarithm is finite.) Math.log1p and Math.cos would take most of the
 * time, and engines differ in their last bits. Here u and v are multiples of 2⁻²⁴ and results are
 * rounded to float32, so that both functions can be read from a table, with a few terms of a series
 * for what is left. Their errors, below 2⁻⁴⁵, change the rounding of no argument: a test compares.
 */
const { cos, fround, LN2, log1p, sin } = Math;

/** Intervals of [1, 2) in the table of logarithms; a float32 has 23 bits after the first one. */
const CELLS = 512;
const CELL_SHIFT = 23 - 9;

/**
 * For each interval a float32 near 1/m, for m in its middle, and −log(2/m), exact for that float32.
 * The first has m = 1, so that the logarithms of 1/2 and of 1 have no error.
 */
const reciprocals = new Float64Array(CELLS);
const logs = new Float64Array(CELLS);
for (let i = 0; i < CELLS; i++) {
  const reciprocal = i === 0 ? 1 : fround(CELLS / (CELLS + i + 0.5));
  // For m as a whole number of 24 bits; the product with it is exact.
  reciprocals[i] = reciprocal * 2 ** -23;
  logs[i] = i === 0 ? -LN2 : -log1p(2 * reciprocal - 1);
}
/** log 2ᵉ for x = 2ᵉ · m/2 and each of its exponents as float32 stores them, up to that of 1. */
const logsOfPowers = Float64Array.from({ length: 128 }, (_, exponent) => (exponent - 126) * LN2);

/** The logarithm of a float32 in (0, 1], given by its bits. */
export function logOfBits(bits: number): number {
  const i = (bits >> CELL_SHIFT) & (CELLS - 1);
  const significand = (bits & 0x7fffff) | 0x800000;
  // log(1 + x) = x − x²/2 + x³/3 − x⁴/4 + …
  const x = significand * reciprocals[i] - 1;
  const square = x * x;
  const series = x + square * (-1 / 2 + x * (1 / 3) - square * (1 / 4));
  return logsOfPowers[bits >> 23] + logs[i] + series;
}

/** Angles are given as a whole number of steps, of which this many make a radian, and a rest. */
export const STEPS = 256;
const COUNT = Math.ceil(2 * Math.PI * STEPS) + 1;
const cosines = Float64Array.from({ length: COUNT }, (_, i) => cos(i / STEPS));
const sines = Float64Array.from({ length: COUNT }, (_, i) => sin(i / STEPS));

/** The cosine of step / STEPS + rest, an angle from 0 to 2π with a rest of half a step at most. */
export function cosOf(step: number, rest: number): number {
  const square = rest * rest;
  // cos(a + x) = cos a · cos x − sin a · sin x
  const cosOfRest = 1 + square * (-1 / 2 + square * (1 / 24));
  const sinOfRest = rest * (1 + square * (-1 / 6));
  return cosines[step] * cosOfRest - sines[step] * sinOfRest;
}
