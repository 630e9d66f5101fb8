/**
 * The micro-kernel of matrix products: a register tile of MR rows and NR columns, whose sums stay
 * in registers while k runs. With MR = 4 and NR = 8, each k reads 4 numbers of a and 8 of b for 64
 * operations:
 *
 *     for k:  sums[MR, NR] += a[i..i+MR, k] · b[k, j..j+NR]
 *
 * A long sum drifts (math/sums.ts). So after 256 products, a chain, the sums are added to y, and
 * begin anew: 256 terms are added one after the other, and then a few large numbers. Where those
 * are many themselves, y has a compensation, which is added at the end.
 */
import {
  type Buffer, constant, type Expr, isVector, type Operand, type Variable, variable,
} from '../language/expression.ts';
import { least, plus } from '../language/indexArithmetic.ts';
import { load } from '../language/memory.ts';
import { mulAdd, ramp } from '../language/operations.ts';
import {
  type Interval, loop, type Range, set, type Statements, store,
} from '../language/statement.ts';
import { accumulateAt, compensated, type Element, sum } from '../math/sums.ts';

/** The number of columns of a full register tile: two vectors. */
export const NR = 8;
/** The largest number of products that are added up in a register. */
export const CHAIN = 256;

/** The element at a row and a column; either may stand for four neighbours, in lanes. */
export type Matrix = (row: Operand, column: Operand) => Expr;

/** Where the elements of a product go. */
export interface Result {
  /** The index of an element in `y`. */
  readonly indexOf: (row: Operand, column: Operand) => Operand;
  /** The buffer that holds the elements. */
  readonly y: Buffer;
  /** Takes each finished element, or four of them, instead of leaving it in `y`. */
  readonly epilogue?: ((row: Operand, column: Operand, value: Expr) => Statements) | undefined;
}

/** A sum of a register tile: that of a row and a column, or of four columns in lanes. */
export interface TileSum<Row extends Operand = Operand, Column extends Operand = Operand> {
  /** The row of the result. */
  readonly row: Row;
  /** The column of the result, or four of them. */
  readonly column: Column;
  /** The register that holds the sum. */
  readonly total: Variable;
}

/** A part of a matrix product whose sums are in registers. */
export interface RegisterTile<Row extends Operand = Operand, Column extends Operand = Operand> {
  /** The sums, row by row. */
  readonly sums: readonly TileSum<Row, Column>[];
  /**
   * Adds to the sums the products left(i, k) · right(k, j) for the k of a range. `choose` may give
   * another right factor for a row and a k.
   */
  accumulate(
    range: Range, left: Matrix, right: Matrix,
    choose?: (row: Row, at: Expr, right: Expr) => Expr,
  ): Statements;
}

/** The register tile of some rows and columns; columns are all single, or all four in lanes. */
export function registerTile<Row extends Operand, Column extends Operand>(
  rows: readonly Row[], columns: readonly Column[],
): RegisterTile<Row, Column> {
  const type = isVector(columns[0]) ? 'f32x4' : 'f32';
  const lines = rows.map((row) => {
    const sums = columns.map((own) => ({ row, column: own, total: variable('y', type) }));
    return { row, sums };
  });
  return {
    sums: lines.flatMap(({ sums }) => sums),
    accumulate: (range, left, right, choose = (_row, _at, value) => value) => {
      const values = columns.map(() => variable('b', type));
      return loop('k', range, (at) => [
        values.map((value, n) => set(value, right(at, columns[n]))),
        lines.map(({ row, sums }) => {
          const factor = variable('a', type);
          return [
            set(factor, left(row, at)),
            sums.map(({ total }, n) =>
              set(total, mulAdd(factor, choose(row, at, values[n]), total)),
            ),
          ];
        }),
      ]);
    },
  };
}

/** The columns of a tile of 8, 4 or 1 columns: vectors of four, or a single one. */
export function tileColumns(j: Operand, width: number): Expr[] {
  if (width < 4) return [typeof j === 'number' ? constant('i32', j) : j];
  return Array.from({ length: width / 4 }, (_, n) => ramp(plus(j, 4 * n)));
}

/** The k for which a tile adds up products, as a part of all k. */
export interface DepthRange {
  /** The interval of k. */
  readonly depths: Interval;
  /** Whether it is the first part: sums begin at 0, and do not go on from what is in `y`. */
  readonly isFirst: boolean;
  /** Whether it is the last part, after which the sums are complete. */
  readonly isLast: boolean;
  /** Where the compensation of `y` is kept, if it has one. */
  readonly compensation?: Pick<Result, 'y' | 'indexOf'> | undefined;
}

/** Computes a tile of `height` rows from i on and of 8, 4 or 1 columns from j on. */
export function multiplyTile(
  [left, right]: readonly [Matrix, Matrix],
  [i, height]: readonly [Operand, number], [j, width]: readonly [Operand, number],
  { depths: { from, to }, isFirst, isLast, compensation }: DepthRange,
  { y, indexOf }: Result, isOneChain: boolean,
): Statements {
  const rows = Array.from({ length: height }, (_, n) => plus(i, n));
  const tile = registerTile(rows, tileColumns(j, width));
  const sums = tile.sums.map(({ row, column, total }) => ({
    total,
    element: { buffer: y, at: indexOf(row, column) },
    errors: compensation && { buffer: compensation.y, at: compensation.indexOf(row, column) },
  }));
  const chain = (interval: Interval): Statements => [
    sums.map(({ total }) => set(total, 0)),
    tile.accumulate(interval, left, right),
  ];
  const write = ({ buffer, at }: Element, value: Operand): Statements => store(buffer, at, value);
  if (isFirst && isOneChain) {
    return [chain({ from, to }), sums.map(({ element, total }) => write(element, total))];
  }
  const clear = sums.map(({ element, errors }) => [
    write(element, 0), errors ? write(errors, 0) : [],
  ]);
  const compensate = sums.map(({ element, errors = element }) =>
    write(element, compensated(load(element.buffer, element.at), load(errors.buffer, errors.at))),
  );
  return [
    isFirst ? clear : [],
    loop('chain', { from, to, step: CHAIN }, (first) => [
      chain({ from: first, to: least(plus(first, CHAIN), to) }),
      sums.map(({ element, total, errors }) => accumulateAt(element, total, sum, errors)),
    ]),
    isLast && compensation ? compensate : [],
  ];
}
