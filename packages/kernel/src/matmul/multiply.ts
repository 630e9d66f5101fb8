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
import { scratch } from '../language/memory.ts';
import { add, mul } from '../language/operations.ts';
import { loop, parallel, type Statements } from '../language/statement.ts';
import { sum } from '../math/sums.ts';
import { addUp, cut, stretchOf } from '../parallel/chunks.ts';
import {
  DEPTH_BLOCK, finishAll, isContiguous, multiplyTiles, packPanels, PANEL, type Product, ROW_BLOCK,
  rowsIn, type Tiles, tilesOf, within, type Work,
} from './gemm.ts';
import { FEW_ROWS, matrixVector } from './gemv.ts';
import { least, type Result, scaled, shifted, type Stretch } from './microkernel.ts';

/** More numbers are not brought into panels at once, nor kept for rounds. */
const MOST_KEPT = 2 ** 22;
/** So many products with their sums take as long as a single operation elsewhere. */
export const PRODUCTS = 8;

/** y = a·b as the statements of a kernel, or of a part of one, which is not cut. */
export function multiply(given: Product, isPart = false): Statements {
  const { b, rows, columns, depth } = given;
  const near = given.finish && rowsIn(scratch('y', 'f32', rows * columns), columns);
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
  return (rows * columns * depth) / parts / PRODUCTS;
}

function byRows(product: Product, tiles: Tiles): Statements {
  const { depth, columns } = product;
  const buffer = scratch('b', 'f32', depth * tiles.panels * PANEL);
  const from = { buffer, height: depth, firstRow: 0, firstColumn: 0 };
  const nearby = scratch('y', 'f32', ROW_BLOCK * columns);
  const [all, panels] = [{ from: 0, to: depth }, { from: 0, to: tiles.panels }];
  const { rests } = tiles;
  const packing = cut([tiles.panels], (depth * columns) / tiles.panels);
  const pieces = cut([tiles.rowBlocks], workOf(product, tiles.rowBlocks));
  return [
    parallel('round', packing.rounds, (round) =>
      packPanels(tiles, from, stretchOf(packing.of(round)[1]), all),
    ),
    parallel('round', pieces.rounds, (round) => {
      const some = stretchOf(pieces.of(round)[1]);
      const blocks = (rowBlocks: Stretch, result?: Result): Statements =>
        forDepths(all, tiles, (depths, ends) =>
          multiplyTiles(tiles, { rowBlocks, panels, depths, from, rests, result, ...ends }),
        );
      if (!product.finish || tiles.deepest === depth) return blocks(some);
      // What is to be finished waits in memory between blocks of k, and that is to be little.
      return loop('rows', some, (block) => {
        const near = rowsIn(nearby, columns, mul(block, ROW_BLOCK));
        return blocks({ from: block, to: add(block, 1) }, { ...near, finish: product.finish });
      });
    }),
  ];
}

function byDepth(product: Product, tiles: Tiles): Statements {
  const { rows, columns, depth, y } = product;
  const [size, blocks] = [rows * columns, Math.ceil(depth / DEPTH_BLOCK)];
  const pieces = cut([blocks], workOf(product, blocks), 1, size * PRODUCTS);
  if (pieces.rounds === 1) return byColumns(product, tiles, true);
  const sums = scratch('sums', 'f32', pieces.rounds * size);
  const panels = scratch('b', 'f32', tiles.deepest * tiles.panels * PANEL);
  const finishing = cut([rows], 4 * columns);
  return [
    parallel('round', pieces.rounds, (round) => {
      const start = mul(round, size);
      const place = (row: Operand, column: Operand): Operand =>
        add(add(start, scaled(row, columns)), column);
      const some = within(stretchOf(pieces.of(round)[1]), DEPTH_BLOCK, depth);
      const all = { from: 0, to: tiles.panels };
      return packedProduct(tiles, panels, all, some, { y: sums, place }, pieces.rounds === blocks);
    }),
    addUp(sums, [pieces.rounds, size, size], sum, y),
    !product.finish ? [] : parallel('round', finishing.rounds, (round) =>
      finishAll(product, columns, finishing.of(round)[1]),
    ),
  ];
}

function byColumns(product: Product, tiles: Tiles, isPart: boolean): Statements {
  const work = isPart ? 0 : workOf(product, tiles.panels);
  const pieces = cut([tiles.panels], work, 8);
  const panels = scratch('b', 'f32', tiles.deepest * tiles.panels * PANEL);
  return parallel('round', pieces.rounds, (round) => {
    const some = stretchOf(pieces.of(round)[1]);
    return packedProduct(tiles, panels, some, { from: 0, to: product.depth });
  });
}

/** All rows times some panels, which are brought block by block of k. */
function packedProduct(
  tiles: Tiles, buffer: Buffer, panels: Stretch, some: Stretch,
  result?: Result, isBlock = false,
): Statements {
  const rowBlocks = { from: 0, to: tiles.rowBlocks };
  // Parts of sums take up few chains each.
  const rests = result ? undefined : tiles.rests;
  const [firstColumn, height] = [scaled(panels.from, PANEL), tiles.deepest];
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
  { from, to }: Stretch, { deepest }: Tiles,
  body: (depths: Stretch, ends: Pick<Work, 'isFirst' | 'isLast'>) => Statements, isBlock = false,
): Statements {
  if (isBlock || (from === 0 && to === deepest)) {
    return body({ from, to }, { isFirst: true, isLast: true });
  }
  const block = (start: Operand, isFirst: boolean, isLast: boolean): Statements =>
    body({ from: start, to: least(shifted(start, deepest), to) }, { isFirst, isLast });
  // Where it ends is known, unless sums are only parts of sums.
  const last = typeof to === 'number' ? (Math.ceil(to / deepest) - 1) * deepest : to;
  return [
    block(from, true, false),
    loop('block', { from: shifted(from, deepest), to: last, step: deepest }, (start) =>
      block(start, false, false),
    ),
    last === to ? [] : block(last, false, true),
  ];
}
