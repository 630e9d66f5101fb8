/** Inputs of the properties: small numbers that read well, and lists of them. */
import fc from 'fast-check';

/** One of a list, of which the first is the simplest: a smallest input is made of those. */
export function oneOf(first: number, ...others: readonly number[]): fc.Arbitrary<number> {
  return fc.nat(others.length).map((i) => [first, ...others][i]);
}

/** A few numbers. */
export const numbers: fc.Arbitrary<number> = oneOf(1, 2, 0, 3, -1, 0.5, -2, 1.5, -0.5, 4, -3);

/** The same without 0. */
export const nonZero: fc.Arbitrary<number> = numbers.filter((x) => x !== 0);

/** Whole numbers from 0. */
export const upTo = (max: number, min = 0): fc.Arbitrary<number> => fc.integer({ min, max });

/** A list of numbers of this length. */
export function listOf(
  length: number, each: fc.Arbitrary<number> = numbers,
): fc.Arbitrary<number[]> {
  return fc.array(each, { minLength: length, maxLength: length });
}

/** Rows of numbers. */
export function tableOf(
  rows: number, columns: number, each: fc.Arbitrary<number> = numbers,
): fc.Arbitrary<number[][]> {
  return fc.array(listOf(columns, each), { minLength: rows, maxLength: rows });
}
