/**
 * Packing: copying parts of a and b into scratch memory, in the order in which the micro-kernel
 * reads them. A panel is 8 columns of b, row after row; a strip is MR rows of a, column after
 * column:
 *
 *     panel   b[0, j..j+8]  b[1, j..j+8]  b[2, j..j+8]  …
 *     strip   a[i..i+MR, 0]  a[i..i+MR, 1]  a[i..i+MR, 2]  …
 *
 * So the inner loop reads both from start to end however a and b lie in memory, and transposes
 * cost no more than packing, which is little work compared with the product.
 */
import type { Buffer, Expr, Operand } from '../language/expression.ts';
import { minus, plus, times } from '../language/indexArithmetic.ts';
import { load } from '../language/memory.ts';
import { add, ramp } from '../language/operations.ts';
import { type Interval, loop, type Statements, store } from '../language/statement.ts';
import { type Matrix, NR, tileColumns } from './microkernel.ts';

/** The memory of packed panels: `height` rows each, from a row and a column of b on. */
export interface Panels {
  readonly buffer: Buffer;
  readonly height: number;
  readonly firstRow: Operand;
  readonly firstColumn: Operand;
}

/** Packs the columns from j on, 8, 4 or 1 of them, for the k of an interval. */
export function packPanel(
  b: Matrix, panels: Panels, [j, width]: readonly [Operand, number], start: Operand,
  depths: Interval,
): Statements {
  return loop('k', depths, (at) =>
    tileColumns(j, width).map((column, n) => {
      const place = plus(indexInPanel(panels, at, j, start), 4 * n);
      return store(panels.buffer, width < 4 ? place : ramp(place), b(at, column));
    }),
  );
}

/** The packed elements of the columns from j on; `start` is the first column of their panel. */
export function packedPanel(panels: Panels, j: Operand, start: Operand): Matrix {
  return (at, column) =>
    load(panels.buffer, plus(indexInPanel(panels, at, j, start), minus(column, j)));
}

/** The index of b[at, j]. All panels have the same size, though the last may have fewer columns. */
function indexInPanel(
  { height, firstRow, firstColumn }: Panels, at: Operand, j: Operand, start: Operand,
): Operand {
  const row = times(minus(at, firstRow), NR);
  return plus(plus(row, times(minus(start, firstColumn), height)), minus(j, start));
}

/** The memory of packed strips: `height` rows each and `depth` columns, from some row on. */
export interface Strips {
  readonly buffer: Buffer;
  readonly height: number;
  readonly depth: number;
  readonly firstRow: Operand;
  readonly firstDepth: Operand;
}

/** Packs the rows of a that an interval contains, in whole strips, for the k of another. */
export function packStrips(
  a: Matrix, strips: Strips, rows: Interval, depths: Interval,
): Statements {
  const rowsOf = (i: Expr): Expr[] =>
    [ramp(i), ...Array.from({ length: strips.height - 4 }, (_, n) => add(i, 4 + n))];
  return loop('k', depths, (at) =>
    loop('i', { ...rows, step: strips.height }, (i) =>
      rowsOf(i).map((row) =>
        store(strips.buffer, indexInStrip(strips, i, row, at), a(row, at)),
      ),
    ),
  );
}

/** The packed elements of the strip that begins with row i. */
export function packedStrip(strips: Strips, i: Operand): Matrix {
  return (row, at) => load(strips.buffer, indexInStrip(strips, i, row, at));
}

function indexInStrip(
  { height, depth, firstRow, firstDepth }: Strips, i: Operand, row: Operand, at: Operand,
): Operand {
  const line = times(minus(at, firstDepth), height);
  return plus(times(minus(i, firstRow), depth), plus(line, minus(row, i)));
}
