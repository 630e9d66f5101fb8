/**
 * Matrix products as kernels. The result is cut into tiles of 4 rows and 8 columns, whose 32 sums
 * stay in registers while k runs: 4 numbers of a and 8 of b are read for 64 operations.
 *
 *     for each block of 256 k                    what is read of b stays in the cache
 *       for each block of 32 rows                what is read of a stays in the cache nearby
 *         for each 8 columns, for each 4 rows
 *           for k:  y[i..i+4, j..j+8] += a[i..i+4, k] · b[k, j..j+8]
 *
 * Up to 512 k are one block. Between blocks the sums wait in y. What is left over is done by tiles
 * of fewer rows, and of 4 columns or 1.
 *
 * a can be read in any order, so its transpose costs nothing. Rows of b have to lie together: else
 * b is first brought into order, which is little work beside the product.
 */
import * as k from '@mambagrad/kernel';
import { type Elements, flatIndex, type Index } from './lowering.ts';
import type { Shape } from './shape.ts';

const TILE_ROWS = 4;
const ROW_BLOCK = 32;
const DEPTH_BLOCK = 256;

/** y = a·b over the last two axes; `index` is that of a matrix in the batch. */
export function matrixProduct(a: Elements, b: Elements, y: k.Buffer, shape: Shape): k.Statements {
  const depth = a.shape[a.shape.length - 1];
  const batch = shape.slice(0, -2);
  const nest = (index: Index): k.Statements => {
    if (index.length < batch.length) {
      return k.loop('m', batch[index.length], (m) => nest([...index, m]));
    }
    const inBatch = ({ shape: own }: Elements): Index =>
      own.slice(0, -2).map((size, axis) => (size === 1 ? 0 : index[axis + shape.length - own.length]));
    const [ofA, ofB] = [inBatch(a), inBatch(b)];
    const source: Matrix = (row, column) => b.at([...ofB, row, column]);
    const { matrix, pack } = inOrder(source, depth, shape[shape.length - 1]);
    return [pack, product((row, column) => a.at([...ofA, row, column]), matrix, {
      rows: shape[shape.length - 2],
      columns: shape[shape.length - 1],
      depth,
      load: (row, column) => k.load(y, flatIndex([...index, row, column], shape)),
      store: (row, column, value) => k.store(y, flatIndex([...index, row, column], shape), value),
    })];
  };
  return nest([]);
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
  readonly load: Matrix;
  readonly store: (row: k.Operand, column: k.Operand, value: k.Value) => k.Statements;
}

function product(a: Matrix, b: Matrix, { rows, columns, depth, load, store }: Product): k.Statements {
  /** A tile at (i, j), of 8, 4 or 1 columns: sums over a range of k, on top of y if not first. */
  const tile = (
    [i, height]: readonly [k.Operand, number],
    [j, width]: readonly [k.Value, number],
    range: k.Range,
    isFirst: boolean,
  ): k.Statements => {
    const numbers = Array.from({ length: Math.ceil(width / 4) }, (_, n) => n);
    const column = (n: number): k.Value => (width < 4 ? j : k.consecutive(k.add(j, 4 * n)));
    const type = width < 4 ? 'f32' : 'f32x4';
    const cells = Array.from({ length: height }, (_, row) =>
      numbers.map((n) => ({ n, row: add(i, row), sum: k.variable('y', type) })),
    );
    const right = numbers.map(() => k.variable('b', type));
    return [
      cells.flat().map(({ n, row, sum }) => k.set(sum, isFirst ? 0 : load(row, column(n)))),
      k.loop('k', range, (at) => [
        numbers.map((n) => k.set(right[n], b(at, column(n)))),
        cells.map((line) => {
          const left = k.variable('a', type);
          const [{ row }] = line;
          return [
            k.set(left, a(row, at)),
            line.map(({ n, sum }) => k.set(sum, k.mulAdd(left, right[n], sum))),
          ];
        }),
      ]),
      cells.flat().map(({ n, row, sum }) => store(row, column(n), sum)),
    ];
  };
  /** Calls `body` for all tiles along an axis of `size`: whole ones, then what is left. */
  const whole = rows - (rows % TILE_ROWS);
  const rowTiles = (j: readonly [k.Value, number], range: k.Range, isFirst: boolean, from: k.Value) => [
    k.loop('i', { from, to: k.min(k.add(from, ROW_BLOCK), whole), step: TILE_ROWS }, (i) =>
      tile([i, TILE_ROWS], j, range, isFirst),
    ),
  ];
  const columnTiles = (body: (j: readonly [k.Value, number]) => k.Statements): k.Statements => {
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
    whole < rows
      ? columnTiles((j) => tile([whole, rows - whole], j, range, isFirst))
      : [],
  ];
  if (depth <= 2 * DEPTH_BLOCK) return block({ to: depth }, true);
  return [
    block({ to: DEPTH_BLOCK }, true),
    k.loop('depth', { from: DEPTH_BLOCK, to: depth, step: DEPTH_BLOCK }, (from) =>
      block({ from, to: k.min(k.add(from, DEPTH_BLOCK), depth) }, false),
    ),
  ];
}

function add(i: k.Operand, n: number): k.Operand {
  return typeof i === 'number' ? i + n : k.add(i, n);
}
