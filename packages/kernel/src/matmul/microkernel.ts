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
  type Buffer, constant, type Operand, type Expr, type Variable, variable,
} from '../language/expression.ts';
import { load } from '../language/memory.ts';
import { add, consecutive, min, mul, mulAdd } from '../language/operations.ts';
import { loop, set, type Statements, store } from '../language/statement.ts';
import { accumulateAt, type Element, sum, whole } from '../math/sums.ts';

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
  readonly finish?: ((row: Operand, column: Operand, value: Expr) => Statements) | undefined;
}

/** A part of an axis, in its own units. */
export interface Stretch {
  /** Where it starts: its first index. */
  readonly from: Operand;
  /** Where it ends: the first index after it. */
  readonly to: Operand;
}

/** Which part of its sums a tile makes. */
export interface Depths {
  readonly depths: Stretch;
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
    const column = shifted(j, 4 * n);
    return width < 4 ? column : neighbours(column);
  });
  const values = columns.map(() => variable('b', type));
  const lines = Array.from({ length: height }, (_, below) => {
    const row = shifted(i, below);
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
  const chain = (some: Stretch): Statements => [
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
      chain({ from: first, to: least(shifted(first, CHAIN), to) }),
      forCells((cell) => accumulateAt(cell.to, cell.total, sum, cell.rest)),
    ]),
    !isLast || !rests ? [] : forCells(({ to: own, rest = own }) =>
      fill(own, whole(load(own.buffer, own.at), load(rest.buffer, rest.at))),
    ),
  ];
}

/** The smaller one, known where both are. */
export function least(x: Operand, limit: Operand): Operand {
  if (typeof x !== 'number' || typeof limit !== 'number') return min(x, limit);
  return Math.min(x, limit);
}

export const scaled = (x: Operand, times: number): Operand =>
  typeof x === 'number' ? x * times : mul(x, times);

export const shifted = (x: Operand, by: number): Operand =>
  typeof x === 'number' ? x + by : by === 0 ? x : add(x, by);

export const toValue = (x: Operand): Expr => (typeof x === 'number' ? constant('i32', x) : x);

export const neighbours = (x: Operand): Expr => consecutive(toValue(x));
