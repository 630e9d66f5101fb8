/**
 * A tile of a matrix product: 4 rows (or 6) and 8 columns, whose sums stay in registers while k
 * runs, for at most 256 k. Then they are added to what is in y:
 *
 *     for each 256 k
 *       for k:  sums[4, 8] += a[i..i+4, k] · b[k, j..j+8]
 *       y[i..i+4, j..j+8] += sums
 *
 * As a long sum drifts (sums.ts), 256 numbers are added up one after the other, and then few large
 * ones. Where even those are many, what they lose is kept beside y, and added at the end.
 */
import {
  type Buffer, type Expr, type Operand, type Variable, variable,
} from '../language/expression.ts';
import { least, plus } from '../language/indexArithmetic.ts';
import { load } from '../language/memory.ts';
import { mulAdd, ramp } from '../language/operations.ts';
import { type Interval, loop, set, type Statements, store } from '../language/statement.ts';
import { accumulateAt, compensated, type Element, sum } from '../math/sums.ts';

/** So many products are added up in a register. */
export const CHAIN = 256;

/** The element at a row and a column; either may stand for four neighbours, in lanes. */
export type Matrix = (row: Operand, column: Operand) => Expr;

/** Where the elements of a product go. */
export interface Result {
  /** Where an element is in `y`. */
  readonly place: (row: Operand, column: Operand) => Operand;
  /** The buffer that holds the elements. */
  readonly y: Buffer;
  /** Takes each finished element, or four of them, instead of leaving it in `y`. */
  readonly epilogue?: ((row: Operand, column: Operand, value: Expr) => Statements) | undefined;
}

/** Which part of its sums a tile makes. */
export interface Depths {
  readonly depths: Interval;
  /** Whether sums begin here, and do not go on with what is there; and whether they end here. */
  readonly isFirst: boolean;
  readonly isLast: boolean;
  /** Where what `y` loses is kept, if it is. */
  readonly rests?: Pick<Result, 'y' | 'place'> | undefined;
}

/** Some sums of a tile, and where they belong. */
interface Cell {
  readonly column: Operand;
  readonly total: Variable;
  readonly to: Element;
  readonly rest: Element | undefined;
}

/** A tile at (i, j), of 8, 4 or 1 columns; `isShort` if one chain is enough for its sums. */
export function tile(
  left: Matrix, right: Matrix,
  [i, height]: readonly [Operand, number], [j, width]: readonly [Operand, number],
  { depths: { from, to }, isFirst, isLast, rests }: Depths, { y, place }: Result, isShort: boolean,
): Statements {
  const type = width < 4 ? 'f32' : 'f32x4';
  const columns = Array.from({ length: Math.ceil(width / 4) }, (_, n) => {
    const column = plus(j, 4 * n);
    return width < 4 ? column : ramp(column);
  });
  const values = columns.map(() => variable('b', type));
  const lines = Array.from({ length: height }, (_, below) => {
    const row = plus(i, below);
    const cells = columns.map((column): Cell => ({
      column,
      total: variable('y', type),
      to: { buffer: y, at: place(row, column) },
      rest: rests && { buffer: rests.y, at: rests.place(row, column) },
    }));
    return { row, cells };
  });
  const forCells = (body: (cell: Cell) => Statements): Statements =>
    lines.map(({ cells }) => cells.map(body));
  const chain = (some: Interval): Statements => [
    forCells(({ total }) => set(total, 0)),
    loop('k', some, (at) => [
      values.map((value, n) => set(value, right(at, columns[n]))),
      lines.map(({ row, cells }) => {
        const number = variable('a', type);
        return [
          set(number, left(row, at)),
          cells.map(({ total }, n) => set(total, mulAdd(number, values[n], total))),
        ];
      }),
    ]),
  ];
  const fill = ({ buffer, at }: Element, value: Operand): Statements => store(buffer, at, value);
  if (isFirst && isShort) {
    return [chain({ from, to }), forCells((cell) => fill(cell.to, cell.total))];
  }
  return [
    !isFirst ? [] : forCells((cell) => [fill(cell.to, 0), cell.rest ? fill(cell.rest, 0) : []]),
    loop('chain', { from, to, step: CHAIN }, (first) => [
      chain({ from: first, to: least(plus(first, CHAIN), to) }),
      forCells((cell) => accumulateAt(cell.to, cell.total, sum, cell.rest)),
    ]),
    !isLast || !rests ? [] : forCells(({ to: own, rest = own }) =>
      fill(own, compensated(load(own.buffer, own.at), load(rest.buffer, rest.at))),
    ),
  ];
}
