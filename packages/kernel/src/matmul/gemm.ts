/**
 * GEMM, the product of two large matrices: blocks and packed panels (packing.ts) around the
 * register tile (microkernel.ts). Names are those of BLIS (Van Zee and van de Geijn, 2015):
 *
 *     for each block of k, KC of them            b is packed into panels of NR columns
 *       for each block of MC rows                the block of a stays in the cache
 *         for each panel, for each MR rows
 *           a tile:  y[i..i+MR, j..j+NR] += a[i..i+MR, k] · b[k, j..j+NR]  for the k of the block
 *
 * Between blocks of k the sums wait in y. Rows and columns that are left over are computed by tiles
 * of fewer rows, and of 4 columns or 1. The epilogue, such as adding a bias, is applied as soon as
 * a block of rows is complete, while it is in the cache.
 *
 * `planGemm` decides what to pack and how to block; the other functions write the loops.
 */
import { features } from '@mambagrad/wasm';
import { type Buffer, type Expr, type Operand, variable } from '../language/expression.ts';
import { least, minus, plus, times } from '../language/indexArithmetic.ts';
import { load, scratch } from '../language/memory.ts';
import { add, equal, min, ramp } from '../language/operations.ts';
import {
  type Interval, listOf, loop, type Range, type Statements, vectorized, when,
} from '../language/statement.ts';
import {
  CHAIN, type DepthRange, type Matrix, multiplyTile, NR, type Result,
} from './microkernel.ts';
import {
  packedPanel, packedStrip, packPanel, packStrips, type Panels, type Strips,
} from './packing.ts';

/** The rows of a block of a: whole tiles, of 4 rows or of 6. */
export const MC = 36;
/** A unit of k: four of them, of a panel, fit into the L1 cache. */
export const KC_UNIT = 256;
/** With more chains than this, the sum of the chains is long, and y has a compensation. */
const MOST_CHAINS = 64;

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

/** How a product is blocked, and the scratch memory for it. */
export interface GemmPlan {
  /** The product that is planned. */
  readonly product: Product;
  /** The number of blocks of rows. */
  readonly rowBlocks: number;
  /** The number of panels, the last of which may have fewer columns. */
  readonly panels: number;
  /** The number of k in a block, KC. */
  readonly blockDepth: number;
  /** Whether the sums over a block are a single chain. */
  readonly isOneChain: boolean;
  /** The rows of a full register tile, MR. */
  readonly tileRows: number;
  /** The number of rows in full tiles. */
  readonly tiledRows: number;
  /** The number of columns in full panels. */
  readonly tiledColumns: number;
  /** Whether b is worth packing. */
  readonly packsB: boolean;
  /** The memory of packed strips, if a is worth packing. */
  readonly packedA: Pick<Strips, 'buffer' | 'height' | 'depth'> | undefined;
  /** A block of rows of the result that waits for the epilogue. */
  readonly resultBlock: Buffer;
  /** The compensation of y, if the sums have many chains. */
  readonly compensation: DepthRange['compensation'];
}

/** Decides what of a product is packed, and how it is blocked. */
export function planGemm(product: Product): GemmPlan {
  const { a, b, rows, columns, depth } = product;
  // Six rows take all 16 registers, which pays where a multiplication and addition are one
  // instruction.
  const tileRows = features().relaxedSimd ? 6 : 4;
  const blockDepth = depth <= 4 * KC_UNIT ? depth : 2 * KC_UNIT;
  const hasManyChains = depth > MOST_CHAINS * CHAIN;
  const packsA = rows >= MC && !isContiguousAlong((at) => a(0, at));
  return {
    product,
    rowBlocks: Math.ceil(rows / MC),
    panels: Math.ceil(columns / NR),
    blockDepth,
    isOneChain: blockDepth <= CHAIN,
    tileRows,
    tiledRows: rows - (rows % tileRows),
    tiledColumns: columns - (columns % NR),
    packsB: rows >= MC || !isContiguousAlong((column) => b(0, column)),
    packedA: packsA
      ? { buffer: scratch('a', 'f32', blockDepth * MC), height: tileRows, depth: blockDepth }
      : undefined,
    resultBlock: scratch('y', 'f32', Math.min(MC, rows) * columns),
    compensation: hasManyChains
      ? rowsIn(scratch('compensation', 'f32', rows * columns), columns)
      : undefined,
  };
}

/** A part of a product: blocks of rows times panels, for a range of k. */
export interface GemmPart extends DepthRange {
  /** An interval of blocks of rows. */
  readonly rowBlocks: Interval;
  /** An interval of panels. */
  readonly panels: Interval;
  /** The packed panels; undefined if b is read in place. */
  readonly packedB: Panels | undefined;
  /** Where the elements go; undefined for the result of the product. */
  readonly result: Result | undefined;
}

/** Packs an interval of panels of b, for the k of another. */
export function packPanels(
  plan: GemmPlan, into: Panels, panels: Interval, depths: Interval,
): Statements {
  return forPanels(plan, panels, (j, width) =>
    packPanel(plan.product.b, into, [j, width], panelStart(plan, j, width), depths),
  );
}

/** Calls the body for each full panel of an interval, then for 4 columns, then for single ones. */
function forPanels(
  { product: { columns }, panels: count, tiledColumns }: GemmPlan,
  panels: Interval, body: (j: Operand, width: number) => Statements,
): Statements {
  const half = columns % NR >= 4 ? tiledColumns + 4 : tiledColumns;
  const { from, to } = scaleInterval(panels, NR, tiledColumns);
  return [
    tiledColumns > 0 ? loop('j', { from, to, step: NR }, (j) => body(j, NR)) : [],
    whenEqual(panels.to, count, [
      half > tiledColumns ? body(tiledColumns, 4) : [],
      loop('j', { from: half, to: columns }, (j) => body(j, 1)),
    ]),
  ];
}

/** The first column of the panel that contains the columns from j on. */
function panelStart({ tiledColumns }: GemmPlan, j: Operand, width: number): Operand {
  return width === NR ? j : tiledColumns;
}

/** Computes a part of a product: its blocks in full tiles, then the rows that are left over. */
export function multiplyPart(plan: GemmPlan, part: GemmPart): Statements {
  const { product: { rows }, tiledRows, rowBlocks } = plan;
  const { from, to } = scaleInterval(part.rowBlocks, MC, tiledRows);
  return [
    loop('block', { from, to, step: MC }, (first) =>
      multiplyBlock(plan, part, { from: first, to: min(add(first, MC), tiledRows) }),
    ),
    tiledRows === rows ? [] : whenEqual(part.rowBlocks.to, rowBlocks, multiplyRest(plan, part)),
  ];
}

/** Computes a block of rows in full tiles. */
function multiplyBlock(plan: GemmPlan, part: GemmPart, rows: Interval): Statements {
  const { product: { a }, tileRows, packedA, isOneChain } = plan;
  const y = resultFrom(plan, part, rows.from);
  const strips =
    packedA && { ...packedA, firstRow: rows.from, firstDepth: part.depths.from };
  return [
    strips ? packStrips(a, strips, rows, part.depths) : [],
    forPanels(plan, part.panels, (j, width) => {
      const right = rightFactor(plan, part, j, width);
      return loop('i', { ...rows, step: tileRows }, (i) => {
        const left = strips ? packedStrip(strips, i) : a;
        return multiplyTile([left, right], [i, tileRows], [j, width], part, y, isOneChain);
      });
    }),
    finishRows(plan, part, y, rows),
  ];
}

/** Computes the rows that are left over, in tiles of fewer rows. */
function multiplyRest(plan: GemmPlan, part: GemmPart): Statements {
  const { product: { a, rows }, tiledRows, isOneChain } = plan;
  const y = resultFrom(plan, part, tiledRows);
  const height = rows - tiledRows;
  return [
    forPanels(plan, part.panels, (j, width) => {
      const right = rightFactor(plan, part, j, width);
      return multiplyTile([a, right], [tiledRows, height], [j, width], part, y, isOneChain);
    }),
    finishRows(plan, part, y, { from: tiledRows, to: rows }),
  ];
}

/** The right factor of a tile: the packed panel, or b itself. */
function rightFactor(plan: GemmPlan, { packedB }: GemmPart, j: Operand, width: number): Matrix {
  return packedB ? packedPanel(packedB, j, panelStart(plan, j, width)) : plan.product.b;
}

/** Where the rows from one on are summed up: in scratch memory, if an epilogue follows at once. */
function resultFrom({ product, resultBlock }: GemmPlan, part: GemmPart, first: Operand): Result {
  const { result = product, isFirst, isLast } = part;
  const isFollowed = result.epilogue && isFirst && isLast;
  return isFollowed ? { ...result, ...rowsIn(resultBlock, product.columns, first) } : result;
}

/** Applies the epilogue to some rows, once they are complete. */
function finishRows(
  { product: { columns } }: GemmPlan, part: GemmPart, y: Result, rows: Interval,
): Statements {
  if (!part.isLast) return [];
  return applyEpilogue(y, columns, rows, scaleInterval(part.panels, NR, columns));
}

/** The layout of some rows in a buffer, from a row on. */
export function rowsIn(
  y: Buffer, columns: number, first: Operand = 0,
): Pick<Result, 'y' | 'indexOf'> {
  const indexOf = (row: Operand, column: Operand): Operand =>
    plus(times(minus(row, first), columns), column);
  return { y, indexOf };
}

/** Applies the epilogue, if there is one, to some rows and columns of a result. */
export function applyEpilogue(
  { y, indexOf, epilogue }: Result, columns: number, rows: Range, some: Range = columns,
): Statements {
  if (!epilogue) return [];
  // A single column has no neighbours.
  const each = columns < 4 ? loop : vectorized;
  return loop('i', rows, (i) => each('j', some, (j) => epilogue(i, j, load(y, indexOf(i, j)))));
}

/** Whether elements at neighbouring indices are neighbours in memory. */
export function isContiguousAlong(at: (i: Operand) => Expr): boolean {
  const sample = at(ramp(variable('i', 'i32')));
  return sample.node === 'load' && sample.index.step === 1;
}

/** An interval of blocks as one of their elements, of which there are `count`. */
export function scaleInterval(
  { from, to }: Interval, blockSize: number, count: number,
): Interval {
  const multipleOf = blockSize % 4 === 0 && count % 4 === 0 ? 4 : undefined;
  return { from: times(from, blockSize), to: least(times(to, blockSize), count), multipleOf };
}

/** Statements that run if a number, which may be known, is another. */
function whenEqual(x: Operand, other: number, body: Statements): Statements {
  if (typeof x === 'number') return x === other ? body : [];
  return listOf(body).length === 0 ? [] : when(equal(x, other), body);
}
