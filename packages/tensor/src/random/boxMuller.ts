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
export const CELLS: number = 512;
/** How far the bits of a float32 are shifted to the right to get the number of an interval. */
export const CELL_SHIFT: number = 23 - 9;

/**
 * For each interval a float32 near 1/m, for m in its middle; `logs` are exact for that float32. The
 * first has m = 1, so that the logarithms of 1/2 and of 1 have no error.
 */
export const reciprocals: Float64Array = new Float64Array(CELLS);
/** −log(2/m) for each interval. */
export const logs: Float64Array = new Float64Array(CELLS);
for (let i = 0; i < CELLS; i++) {
  const reciprocal = i === 0 ? 1 : fround(CELLS / (CELLS + i + 0.5));
  // For m as a whole number of 24 bits; the product with it is exact.
  reciprocals[i] = reciprocal * 2 ** -23;
  logs[i] = i === 0 ? -LN2 : -log1p(2 * reciprocal - 1);
}
/** log 2ᵉ for x = 2ᵉ · m/2 and each of its exponents as float32 stores them, up to that of 1. */
export const logsOfPowers: Float64Array = Float64Array.from(
  { length: 128 }, (_, exponent) => (exponent - 126) * LN2,
);

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

/** How many steps a radian has in the tables of cosines and sines. */
export const STEPS: number = 256;
/** The number of entries for whole steps, from 0 to 2π. */
const COUNT = Math.ceil(2 * Math.PI * STEPS) + 1;
/** The cosines of whole steps. */
export const cosines: Float64Array = tableOf(cos);
/** The sines of whole steps. */
export const sines: Float64Array = tableOf(sin);

function tableOf(f: (angle: number) => number): Float64Array {
  return Float64Array.from({ length: COUNT }, (_, step) => f(step / STEPS));
}

/** The cosine of a float32 from 0 to 2π. */
export function cosOf(angle: number): number {
  // The nearest step and what is left, exact in float32 as both have few bits.
  const step = fround(angle * STEPS + 0.5) | 0;
  const rest = fround(angle - step / STEPS);
  const square = rest * rest;
  // cos(a + x) = cos a · cos x − sin a · sin x
  const cosOfRest = 1 + square * (-1 / 2 + square * (1 / 24));
  const sinOfRest = rest * (1 + square * (-1 / 6));
  return cosines[step] * cosOfRest - sines[step] * sinOfRest;
}
