/**
 * How a matrix product is cut into rounds for threads. There are three ways:
 *
 *     by rows      many rows: b is brought into panels once, for all; a round takes some rows
 *     by depth     few rows and a long sum: a round takes some k, and what the rounds have summed
 *                  up is added at the end
 *     by columns   else: a round brings its own columns of b into panels
 *
 * With few rows, to bring b into panels would cost more than the product (gemv.ts).
 *
 * Gradients of weights are sums over all steps of all sequences: they go by depth.
 */
import type { Buffer, Operand } from '../language/expression.ts';
import { least, plus, times } from '../language/indexArithmetic.ts';
import { scratch } from '../language/memory.ts';
import { add, mul } from '../language/operations.ts';
import {
  type Interval, intervalOf, loop, parallel, type Statements,
} from '../language/statement.ts';
import { sum } from '../math/sums.ts';
import { partition, reducePartials } from '../parallel/chunks.ts';
import {
  applyEpilogue, DEPTH_BLOCK, isContiguous, multiplyTiles, packPanels, PANEL, type Product,
  ROW_BLOCK, rowsIn, type Tiles, tilesOf, within, type Work,
} from './gemm.ts';
import { FEW_ROWS, matrixVector } from './gemv.ts';
import type { Result } from './microkernel.ts';

/** More numbers are not brought into panels at once, nor kept for rounds. */
const MOST_KEPT = 2 ** 22;
/** So many products with their sums take as long as a single operation elsewhere. */
export const MULTIPLY_ADDS_PER_OPERATION = 8;

/** y = a·b as the statements of a kernel, or of a part of one, which is not cut. */
export function multiply(given: Product, isPart = false): Statements {
  const { b, rows, columns, depth } = given;
  const near = given.epilogue && rowsIn(scratch('y', 'f32', rows * columns), columns);
  const product = { ...given, ...near };
  const isAlongDepth = depth >= 4 && isContiguous((at) => b(at, 0));
  if (rows <= FEW_ROWS && isAlongDepth) return matrixVector(product, isPart);
  const tiles = tilesOf(product);
  const hasRows = (blocks: number): boolean =>
    rows >= blocks * ROW_BLOCK && depth * columns <= MOST_KEPT;
  const sums = Math.ceil(depth / DEPTH_BLOCK) * rows * columns;
  if (!isPart && hasRows(8)) return byRows(product, tiles);
  if (!isPart && depth >= 4 * DEPTH_BLOCK && sums <= MOST_KEPT) return byDepth(product, tiles);
  if (!isPart && hasRows(4)) return byRows(product, tiles);
  return byColumns(product, tiles, isPart);
}

/** How many operations a round has that does so much. */
function workOf({ rows, columns, depth }: Product, parts: number): number {
  return (rows * columns * depth) / parts / MULTIPLY_ADDS_PER_OPERATION;
}

function byRows(product: Product, tiles: Tiles): Statements {
  const { depth, columns } = product;
  const buffer = scratch('b', 'f32', depth * tiles.panels * PANEL);
  const from = { buffer, height: depth, firstRow: 0, firstColumn: 0 };
  const nearby = scratch('y', 'f32', ROW_BLOCK * columns);
  const [all, panels] = [{ from: 0, to: depth }, { from: 0, to: tiles.panels }];
  const { rests } = tiles;
  const packing = partition([tiles.panels], (depth * columns) / tiles.panels);
  const pieces = partition([tiles.rowBlocks], workOf(product, tiles.rowBlocks));
  return [
    parallel('round', packing.chunks, (round) =>
      packPanels(tiles, from, intervalOf(packing.rangesOf(round)[1]), all),
    ),
    parallel('round', pieces.chunks, (round) => {
      const some = intervalOf(pieces.rangesOf(round)[1]);
      const blocks = (rowBlocks: Interval, result?: Result): Statements =>
        forDepths(all, tiles, (depths, ends) =>
          multiplyTiles(tiles, { rowBlocks, panels, depths, from, rests, result, ...ends }),
        );
      if (!product.epilogue || tiles.deepest === depth) return blocks(some);
      // What is to be finished waits in memory between blocks of k, and that is to be little.
      return loop('rows', some, (block) => {
        const near = rowsIn(nearby, columns, mul(block, ROW_BLOCK));
        return blocks({ from: block, to: add(block, 1) }, { ...near, epilogue: product.epilogue });
      });
    }),
  ];
}

function byDepth(product: Product, tiles: Tiles): Statements {
  const { rows, columns, depth, y } = product;
  const [size, blocks] = [rows * columns, Math.ceil(depth / DEPTH_BLOCK)];
  const pieces = partition([blocks], workOf(product, blocks), {
    overhead: size * MULTIPLY_ADDS_PER_OPERATION,
  });
  if (pieces.chunks === 1) return byColumns(product, tiles, true);
  const sums = scratch('sums', 'f32', pieces.chunks * size);
  const panels = scratch('b', 'f32', tiles.deepest * tiles.panels * PANEL);
  const finishing = partition([rows], 4 * columns);
  return [
    parallel('round', pieces.chunks, (round) => {
      const start = mul(round, size);
      const place = (row: Operand, column: Operand): Operand =>
        plus(plus(start, times(row, columns)), column);
      const some = within(intervalOf(pieces.rangesOf(round)[1]), DEPTH_BLOCK, depth);
      const all = { from: 0, to: tiles.panels };
      return packedProduct(tiles, panels, all, some, { y: sums, place }, pieces.chunks === blocks);
    }),
    reducePartials({ buffer: sums, count: pieces.chunks, length: size, stride: size }, sum, y),
    !product.epilogue ? [] : parallel('round', finishing.chunks, (round) =>
      applyEpilogue(product, columns, finishing.rangesOf(round)[1]),
    ),
  ];
}

function byColumns(product: Product, tiles: Tiles, isPart: boolean): Statements {
  const work = isPart ? 0 : workOf(product, tiles.panels);
  const pieces = partition([tiles.panels], work, { multipleOf: 8 });
  const panels = scratch('b', 'f32', tiles.deepest * tiles.panels * PANEL);
  return parallel('round', pieces.chunks, (round) => {
    const some = intervalOf(pieces.rangesOf(round)[1]);
    return packedProduct(tiles, panels, some, { from: 0, to: product.depth });
  });
}

/** All rows times some panels, which are brought block by block of k. */
function packedProduct(
  tiles: Tiles, buffer: Buffer, panels: Interval, some: Interval,
  result?: Result, isBlock = false,
): Statements {
  const rowBlocks = { from: 0, to: tiles.rowBlocks };
  // Parts of sums take up few chains each.
  const rests = result ? undefined : tiles.rests;
  const [firstColumn, height] = [times(panels.from, PANEL), tiles.deepest];
  return forDepths(some, tiles, (depths, ends) => {
    const own = { buffer, height, firstRow: depths.from, firstColumn };
    const from = tiles.isPacked ? own : undefined;
    return [
      tiles.isPacked ? packPanels(tiles, own, panels, depths) : [],
      multiplyTiles(tiles, { rowBlocks, panels, depths, from, rests, result, ...ends }),
    ];
  }, isBlock);
}

/**
 * Calls the body for blocks of k, if they are not one anyway; the first begins the sums, the others
 * go on with them.
 */
function forDepths(
  { from, to }: Interval, { deepest }: Tiles,
  body: (depths: Interval, ends: Pick<Work, 'isFirst' | 'isLast'>) => Statements, isBlock = false,
): Statements {
  if (isBlock || (from === 0 && to === deepest)) {
    return body({ from, to }, { isFirst: true, isLast: true });
  }
  const block = (start: Operand, isFirst: boolean, isLast: boolean): Statements =>
    body({ from: start, to: least(plus(start, deepest), to) }, { isFirst, isLast });
  // Where it ends is known, unless sums are only parts of sums.
  const last = typeof to === 'number' ? (Math.ceil(to / deepest) - 1) * deepest : to;
  return [
    block(from, true, false),
    loop('block', { from: plus(from, deepest), to: last, step: deepest }, (start) =>
      block(start, false, false),
    ),
    last === to ? [] : block(last, false, true),
  ];
}
