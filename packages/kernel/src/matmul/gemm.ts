/**
 * Matrix products by tiles (microkernel.ts), whose sums stay in registers while k runs: for 64
 * operations, 4 numbers of a are read and 8 of b.
 *
 *     for each block of k                        b is brought into panels of 8 columns
 *       for each block of 36 rows                what is read of a stays in the cache nearby
 *         for each 8 columns, for each 4 rows
 *           a tile:  y[i..i+4, j..j+8] += a[i..i+4, k] · b[k, j..j+8]  for the k of the block
 *
 * Up to 1024 k are one block; between blocks the sums wait in y. What is left over is done by tiles
 * of fewer rows, and of 4 columns or 1. What is to be done to each element of the product, such as
 * to add a bias, is done when a block of rows is ready, as that is in the cache nearby.
 *
 * A panel is read from its start to its end, however b lay in memory, so transposes cost no more
 * than bringing b into panels does, which is little work beside the product. If the columns of a
 * lie together and not its rows, it is brought into order in the same way.
 */
import { features } from '@mambagrad/wasm';
import { type Buffer, type Expr, type Operand, variable } from '../language/expression.ts';
import { least, minus, plus, times } from '../language/indexArithmetic.ts';
import { load, scratch } from '../language/memory.ts';
import { add, equal, min, ramp } from '../language/operations.ts';
import {
  type Interval, listOf, loop, type Range, type Statements, store, vectorized, when,
} from '../language/statement.ts';
import { CHAIN, type Depths, type Matrix, type Result, tile } from './microkernel.ts';

/** A panel has so many columns. */
export const PANEL = 8;
/** So many rows of a are gone through for each panel: whole tiles, of 4 rows or of 6. */
export const ROW_BLOCK = 36;
/** Where y takes up more sums of chains, what it loses is kept. */
const MOST_CHAINS = 64;
/** In units of so many k sums are cut: four of them stay in the nearest cache, in a panel. */
export const DEPTH_BLOCK = 256;

/** y = a·b */
export interface Product extends Result {
  /** The left factor, [rows, depth]; asked for single elements or four neighbours. */
  readonly a: Matrix;
  /** The right factor, [depth, columns]; asked for single elements or four neighbours. */
  readonly b: Matrix;
  /** The number of rows of a and y. */
  readonly rows: number;
  /** The number of columns of b and y. */
  readonly columns: number;
  /** The number of terms of each sum: the columns of a, which are the rows of b. */
  readonly depth: number;
}

/** What is brought of b: panels of so many rows each, from some row and column on. */
export interface Panels {
  readonly buffer: Buffer;
  readonly height: number;
  readonly firstRow: Operand;
  readonly firstColumn: Operand;
}

/** Some work on a product: blocks of rows times panels, over a stretch of k. */
export interface Work extends Depths {
  readonly rowBlocks: Interval;
  readonly panels: Interval;
  /** Where b was brought; undefined: it is read where it is. */
  readonly from: Panels | undefined;
  /** Where the product goes; undefined: to its own `y`. */
  readonly result: Result | undefined;
}

/** How a product goes by tiles, and the memory for it. */
export interface Tiles {
  readonly product: Product;
  readonly rowBlocks: number;
  readonly panels: number;
  /** So many k are one block. */
  readonly deepest: number;
  /** Whether one chain is enough for the sums over a block. */
  readonly isShort: boolean;
  /** So many rows a tile has, but for those that are left over. */
  readonly tileRows: number;
  /** The rows in whole tiles, and the columns in whole panels. */
  readonly wholeRows: number;
  readonly wide: number;
  /** Whether b should be brought into panels, and a, block by block, into `strips`. */
  readonly isPacked: boolean;
  readonly isStripped: boolean;
  readonly strips: Buffer;
  /** A block of rows of the result, to be finished. */
  readonly nearby: Buffer;
  /** Where to keep what y loses, if it takes up so many sums that it shows. */
  readonly rests: Depths['rests'];
}

export function tilesOf(product: Product): Tiles {
  const { a, b, rows, columns, depth } = product;
  // Six rows take all 16 registers, which pays where a product and its sum are one operation.
  const tileRows = features().relaxedSimd ? 6 : 4;
  const deepest = depth <= 4 * DEPTH_BLOCK ? depth : 2 * DEPTH_BLOCK;
  const losesMuch = depth > MOST_CHAINS * CHAIN;
  return {
    product,
    rowBlocks: Math.ceil(rows / ROW_BLOCK),
    panels: Math.ceil(columns / PANEL),
    deepest,
    isShort: deepest <= CHAIN,
    tileRows,
    wholeRows: rows - (rows % tileRows),
    wide: columns - (columns % PANEL),
    isPacked: rows >= ROW_BLOCK || !isContiguous((column) => b(0, column)),
    isStripped: rows >= ROW_BLOCK && !isContiguous((at) => a(0, at)),
    strips: scratch('a', 'f32', deepest * ROW_BLOCK),
    nearby: scratch('y', 'f32', Math.min(ROW_BLOCK, rows) * columns),
    rests: losesMuch ? rowsIn(scratch('rests', 'f32', rows * columns), columns) : undefined,
  };
}

/** Calls the body for each 8 columns of some panels, then for 4, and for each of what is left. */
function forPanels(
  { product: { columns }, panels, wide }: Tiles,
  some: Interval, body: (j: Operand, width: number) => Statements,
): Statements {
  const half = columns % PANEL >= 4 ? wide + 4 : wide;
  const { from, to } = within(some, PANEL, wide);
  return [
    wide > 0 ? loop('j', { from, to, step: PANEL }, (j) => body(j, PANEL)) : [],
    whenAt(some.to, panels, [
      half > wide ? body(wide, 4) : [],
      loop('j', { from: half, to: columns }, (j) => body(j, 1)),
    ]),
  ];
}

/** Brings some panels of b, over a stretch of k, to where they are read from. */
export function packPanels(
  tiles: Tiles, into: Panels, some: Interval, depths: Interval,
): Statements {
  const { b } = tiles.product;
  return forPanels(tiles, some, (j, width) =>
    loop('k', depths, (at) =>
      Array.from({ length: Math.ceil(width / 4) }, (_, n) => {
        const column = plus(j, 4 * n);
        const place = plus(inPanel(tiles, into, at, j, width), 4 * n);
        return width < 4
          ? store(into.buffer, place, b(at, column))
          : store(into.buffer, ramp(place), b(at, ramp(column)));
      }),
    ),
  );
}

/** Where in its panel an element of b is. */
function inPanel(
  { wide }: Tiles, { height, firstRow, firstColumn }: Panels,
  at: Operand, j: Operand, width: number,
): Operand {
  const row = times(minus(at, firstRow), PANEL);
  // A panel has all its rows one after the other; the last may be narrower, and is not.
  const first = width === PANEL ? j : wide;
  const start = times(minus(first, firstColumn), height);
  return plus(plus(row, start), minus(j, first));
}

/** Some work on a product: whole tiles, block of rows by block of rows, and the rows left over. */
export function multiplyTiles(tiles: Tiles, work: Work): Statements {
  const { product: { rows }, wholeRows, rowBlocks } = tiles;
  const { from, to } = within(work.rowBlocks, ROW_BLOCK, wholeRows);
  return [
    loop('block', { from, to, step: ROW_BLOCK }, (first) =>
      multiplyBlock(tiles, work, { from: first, to: min(add(first, ROW_BLOCK), wholeRows) }),
    ),
    wholeRows === rows ? [] : whenAt(work.rowBlocks.to, rowBlocks, multiplyRest(tiles, work)),
  ];
}

function multiplyBlock(tiles: Tiles, work: Work, block: Interval): Statements {
  const { product: { a }, tileRows, isStripped, isShort } = tiles;
  const y = resultFrom(tiles, work, block.from);
  return [
    isStripped ? packStrips(tiles, work, block) : [],
    forPanels(tiles, work.panels, (j, width) => {
      const right = rightOf(tiles, work, j, width);
      return loop('i', { ...block, step: tileRows }, (i) => {
        const strip: Matrix = (row, at) =>
          load(tiles.strips, inStrip(tiles, work, [block.from, i], row, at));
        const left = isStripped ? strip : a;
        return tile(left, right, [i, tileRows], [j, width], work, y, isShort);
      });
    }),
    finishRows(tiles, work, y, block),
  ];
}

function multiplyRest(tiles: Tiles, work: Work): Statements {
  const { product: { a, rows }, wholeRows, isShort } = tiles;
  const y = resultFrom(tiles, work, wholeRows);
  const height = rows - wholeRows;
  return [
    forPanels(tiles, work.panels, (j, width) => {
      const right = rightOf(tiles, work, j, width);
      return tile(a, right, [wholeRows, height], [j, width], work, y, isShort);
    }),
    finishRows(tiles, work, y, { from: wholeRows, to: rows }),
  ];
}

/** Where the rows from one on are summed up: nearby, if they are to be finished at once. */
function resultFrom({ product, nearby }: Tiles, work: Work, first: Operand): Result {
  const { result = product, isFirst, isLast } = work;
  const isNear = result.epilogue && isFirst && isLast;
  return isNear ? { ...result, ...rowsIn(nearby, product.columns, first) } : result;
}

/** The epilogue of some rows, once they are ready. */
function finishRows({ product }: Tiles, work: Work, y: Result, rows: Interval): Statements {
  const { columns } = product;
  return work.isLast ? applyEpilogue(y, columns, rows, within(work.panels, PANEL, columns)) : [];
}

/** The elements of b for the columns from j on: out of their panel, if b was brought. */
function rightOf(tiles: Tiles, { from }: Work, j: Operand, width: number): Matrix {
  if (from === undefined) return tiles.product.b;
  return (at, column) =>
    load(from.buffer, plus(inPanel(tiles, from, at, j, width), minus(column, j)));
}

/** Brings a block of rows of a into strips. */
function packStrips(tiles: Tiles, work: Work, block: Interval): Statements {
  const { product: { a }, tileRows, strips } = tiles;
  const rowsOf = (i: Expr): Expr[] =>
    [ramp(i), ...Array.from({ length: tileRows - 4 }, (_, r) => add(i, 4 + r))];
  return loop('k', work.depths, (at) =>
    loop('i', { ...block, step: tileRows }, (i) =>
      rowsOf(i).map((row) =>
        store(strips, inStrip(tiles, work, [block.from, i], row, at), a(row, at)),
      ),
    ),
  );
}

/**
 * Where in its strip an element of a is, given the first rows of its block and of its tile. The
 * rows of a tile are side by side, and so are its columns then.
 */
function inStrip(
  { deepest, tileRows }: Tiles, { depths }: Work,
  [first, i]: readonly [Operand, Expr], row: Operand, at: Operand,
): Operand {
  const line = times(minus(at, depths.from), tileRows);
  return plus(times(minus(i, first), deepest), plus(line, minus(row, i)));
}

/** Where rows are in a buffer of their own, from some row on. */
export function rowsIn(
  y: Buffer, columns: number, first: Operand = 0,
): Pick<Result, 'y' | 'place'> {
  const place = (row: Operand, column: Operand): Operand =>
    plus(times(minus(row, first), columns), column);
  return { y, place };
}

/** Finishes elements of a product of so many columns that lie in `y`: some rows, some columns. */
export function applyEpilogue(
  { y, place, epilogue }: Result, columns: number, rows: Range, some: Range = columns,
): Statements {
  if (!epilogue) return [];
  // In a single column there are no neighbours.
  const each = columns < 4 ? loop : vectorized;
  return loop('i', rows, (i) => each('j', some, (j) => epilogue(i, j, load(y, place(i, j)))));
}

/** Whether elements at neighbouring indices are neighbours in memory. */
export function isContiguous(at: (i: Operand) => Expr): boolean {
  const sample = at(ramp(variable('i', 'i32')));
  return sample.node === 'load' && sample.index.step === 1;
}

/** A stretch in smaller units, of which each of its own has so many, as far as there are any. */
export function within({ from, to }: Interval, units: number, count: number): Interval {
  return { from: times(from, units), to: least(times(to, units), count) };
}

/** Statements that run if a number is another, which may be known. */
function whenAt(x: Operand, end: number, body: Statements): Statements {
  if (typeof x === 'number') return x === end ? body : [];
  return listOf(body).length === 0 ? [] : when(equal(x, end), body);
}
