/**
 * Matrix products as kernels. The result is cut into tiles of 4 rows and 8 columns, whose 32 sums
 * stay in registers while k runs: 4 numbers of a and 8 of b are read for 64 operations.
 *
 *     for each block of 256 k                    what is read of b stays in the cache
 *       for each block of 32 rows                what is read of a stays in the cache nearby
 *         for each 8 columns, for each 4 rows
 *           for k:  y[i..i+4, j..j+8] += a[i..i+4, k] · b[k, j..j+8]
 *
 * a can be read in any order, so its transpose costs nothing. Rows of b have to lie together: else
 * b is first brought into order, which is little work beside the product.
 */
import * as k from '@mambagrad/kernel';
import {
  broadcastIndex, type Elements, flatIndex, forEach, type Index, scaled,
} from './lowering.ts';
import type { Shape } from './shape.ts';

const TILE_ROWS = 4;
const ROW_BLOCK = 32;
const DEPTH_BLOCK = 256;

/** y = a·b over the last two axes, of shape `shape`; those before them are a batch. */
export function matrixProduct(a: Elements, b: Elements, y: k.Buffer, shape: Shape): k.Statements {
  const [rows, columns] = shape.slice(-2);
  const [depth] = b.shape.slice(-2);
  const product = (index: Index): k.Statements => {
    const matrixOf = (input: Elements): Matrix => {
      const inBatch = broadcastIndex(index, input.shape.slice(0, -2));
      return (row, column) => input.at([...inBatch, row, column]);
    };
    const { matrix, pack } = inOrder(matrixOf(b), depth, columns);
    const place = (row: k.Operand, column: k.Operand) => flatIndex([...index, row, column], shape);
    return [pack, tiled(matrixOf(a), matrix, { rows, columns, depth, y, place })];
  };
  return forEach(shape.slice(0, -2), product, false);
}

type Matrix = (row: k.Operand, column: k.Operand) => k.Value;

/** A matrix whose rows lie together in memory: the given one, or a copy in scratch memory. */
function inOrder(
  source: Matrix,
  rows: number,
  columns: number,
): { matrix: Matrix; pack: k.Statements } {
  const sample = source(0, k.consecutive(k.variable('j', 'i32')));
  const isInOrder = sample.node === 'load' && sample.index.step === 1;
  if (isInOrder || columns === 1) return { matrix: source, pack: [] };
  const copy = k.scratch('b', 'f32', rows * columns);
  const at = (row: k.Operand, column: k.Operand) => flatIndex([row, column], [rows, columns]);
  const pack = k.loop('k', rows, (row) =>
    k.lanes('j', columns, (column) => k.store(copy, at(row, column), source(row, column))),
  );
  return { matrix: (row, column) => k.load(copy, at(row, column)), pack };
}

interface Product {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly y: k.Buffer;
  /** Where in y an element of the product is. */
  readonly place: (row: k.Operand, column: k.Operand) => k.Operand;
}

/** Where a part of an axis starts, and its size. */
type Part<Start> = readonly [Start, number];

function tiled(a: Matrix, b: Matrix, { rows, columns, depth, y, place }: Product): k.Statements {
  /** A tile at (i, j): sums over a range of k, from 0 or from what is there. */
  const tile = (
    [i, height]: Part<k.Operand>,
    [j, width]: Part<k.Value>,
    range: k.Range,
    isFirst: boolean,
  ): k.Statements => {
    const column = (n: number): k.Value => (width < 4 ? j : k.consecutive(k.add(j, 4 * n)));
    const type = width < 4 ? 'f32' : 'f32x4';
    const variables = (name: string): k.Variable[] =>
      Array.from({ length: Math.ceil(width / 4) }, () => k.variable(name, type));
    const right = variables('b');
    const lines = Array.from({ length: height }, (_, n) => {
      const [left] = variables('a');
      return { row: scaled(i, 1, n), left, sums: variables('y') };
    });
    return [
      lines.map(({ row, sums }) =>
        sums.map((sum, n) => k.set(sum, isFirst ? 0 : k.load(y, place(row, column(n))))),
      ),
      k.loop('k', range, (at) => [
        right.map((value, n) => k.set(value, b(at, column(n)))),
        lines.map(({ row, left, sums }) => [
          k.set(left, a(row, at)),
          sums.map((sum, n) => k.set(sum, k.mulAdd(left, right[n], sum))),
        ]),
      ]),
      lines.map(({ row, sums }) => sums.map((sum, n) => k.store(y, place(row, column(n)), sum))),
    ];
  };
  /** Calls `body` for all tiles along an axis of `size`: whole ones, then what is left. */
  const whole = rows - (rows % TILE_ROWS);
  const rowTiles = (j: Part<k.Value>, range: k.Range, isFirst: boolean, from: k.Value) =>
    k.loop('i', { from, to: k.min(k.add(from, ROW_BLOCK), whole), step: TILE_ROWS }, (i) =>
      tile([i, TILE_ROWS], j, range, isFirst),
    );
  const columnTiles = (body: (j: Part<k.Value>) => k.Statements): k.Statements => {
    const wide = columns - (columns % 8);
    const half = columns % 8 >= 4 ? wide + 4 : wide;
    return [
      wide > 0 ? k.loop('j', { to: wide, step: 8 }, (j) => body([j, 8])) : [],
      half > wide ? body([k.constant('i32', wide), 4]) : [],
      k.loop('j', { from: half, to: columns }, (j) => body([j, 1])),
    ];
  };
  const block = (range: k.Range, isFirst: boolean): k.Statements => [
    k.loop('block', { to: whole, step: ROW_BLOCK }, (from) =>
      columnTiles((j) => rowTiles(j, range, isFirst, from)),
    ),
    whole < rows ? columnTiles((j) => tile([whole, rows - whole], j, range, isFirst)) : [],
  ];
  if (depth <= 2 * DEPTH_BLOCK) return block({ to: depth }, true);
  return [
    block({ to: DEPTH_BLOCK }, true),
    k.loop('depth', { from: DEPTH_BLOCK, to: depth, step: DEPTH_BLOCK }, (from) =>
      block({ from, to: k.min(k.add(from, DEPTH_BLOCK), depth) }, false),
    ),
  ];
}
