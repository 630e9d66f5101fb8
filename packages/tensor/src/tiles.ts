/**
 * Matrix products as kernels. The result is cut into tiles of 4 rows (or 6) and 8 columns, whose
 * sums stay in registers while k runs: 4 numbers of a and 8 of b are read for 64 operations.
 *
 *     for each block of k                        b is brought into panels of 8 columns
 *       for each block of 36 rows                what is read of a stays in the cache nearby
 *         for each 8 columns, for each 4 rows
 *           for k:  y[i..i+4, j..j+8] += a[i..i+4, k] · b[k, j..j+8]
 *
 * Up to 512 k are one block; between blocks the sums wait in y. What is left over is done by tiles
 * of fewer rows, and of 4 columns or 1.
 *
 * A panel is read from its start to its end, however b lay in memory, so transposes cost no more
 * than bringing b into panels does, which is little work beside the product. If the columns of a
 * lie together and not its rows, it is brought into order in the same way. For a few rows all that
 * would cost more than the product, which is then a sum along k for each number.
 */
import * as k from '@mambagrad/kernel';
import { features } from '@mambagrad/wasm';
import { broadcastIndex, type Elements, flatIndex, type Index, scaled } from './lowering.ts';
import { addUp, cut, sum } from './rounds.ts';
import type { Shape } from './shape.ts';

/** With fewer rows than this, tiles would be mostly empty. */
const FEW_ROWS = 4;
const PANEL = 8;
/** So many rows of a are gone through for each panel: whole tiles, of 4 rows or of 6. */
const ROW_BLOCK = 36;
/** So many rows of a panel stay in the nearest cache. */
const DEPTH_BLOCK = 256;
/** A larger b is not brought into panels as a whole. */
const MOST_PACKED = 2 ** 22;
/** So many products and their sums take as long as a single operation elsewhere. */
const PRODUCTS = 8;

type Matrix = (row: k.Operand, column: k.Operand) => k.Value;

interface Product {
  readonly a: Matrix;
  readonly b: Matrix;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** Where an element of the result is in `y`. */
  readonly place: (row: k.Operand, column: k.Operand) => k.Operand;
  readonly y: k.Buffer;
}

/** y = a·b over the last two axes. */
export function matrixProduct(a: Elements, b: Elements, y: k.Buffer, shape: Shape): k.Statements {
  const [rows, columns] = shape.slice(-2);
  const depth = a.shape[a.shape.length - 1];
  const batch = shape.slice(0, -2);
  const productAt = (index: Index): Product => {
    const [ofA, ofB] = [a, b].map((own) => broadcastIndex(index, own.shape.slice(0, -2)));
    return {
      a: (row, at) => a.at([...ofA, row, at]),
      b: (at, column) => b.at([...ofB, at, column]),
      place: (row, column) => flatIndex([...index, row, column], shape),
      ...{ rows, columns, depth, y },
    };
  };
  const multiply = (index: Index, isAlone: boolean): k.Statements => {
    const product = productAt(index);
    const isAlongDepth = depth >= 4 && isContiguous((at) => product.b(at, 0));
    return rows < FEW_ROWS && isAlongDepth ? sums(product) : tiles(product, isAlone);
  };
  const loops = batch.flatMap((count, axis) => (count === 1 ? [] : [axis]));
  const count = batch.reduce((product, size) => product * size, 1);
  if (loops.length === 0) return multiply(batch.map(() => 0), true);
  const cutAxes = loops.slice(0, 2);
  const extents = cutAxes.map((axis) => batch[axis]);
  const work = (rows * columns * depth * count) / PRODUCTS;
  const pieces = cut(extents, work / extents.reduce((product, size) => product * size, 1));
  return k.parallel('round', pieces.rounds, (round) => {
    const [before, ...ranges] = pieces.of(round);
    const nest = (index: Index): k.Statements => {
      const axis = index.length;
      if (axis === batch.length) return multiply(index, false);
      if (batch[axis] === 1) return nest([...index, 0]);
      const at = cutAxes.indexOf(axis);
      return k.loop('m', at < 0 ? batch[axis] : ranges[at], (m) => nest([...index, m]));
    };
    return [before, nest([])];
  });
}

/** Whether elements at neighbouring indices are neighbours in memory. */
function isContiguous(at: (i: k.Operand) => k.Value): boolean {
  const sample = at(k.consecutive(k.variable('i', 'i32')));
  return sample.node === 'load' && sample.index.step === 1;
}

/** Each number as a sum along k, four neighbouring k in lanes; four columns at a time. */
function sums({ a, b, rows, columns, depth, place, y }: Product): k.Statements {
  const block = (row: number, j: k.Operand, width: number): k.Statements => {
    const numbers = Array.from({ length: width }, (_, n) => scaled(j, 1, n));
    const partial = numbers.map(() => k.variable('p', 'f32x4'));
    const total = numbers.map(() => k.variable('y', 'f32'));
    const add = (into: readonly k.Variable[], type: k.Type, at: k.Value): k.Statements => {
      const left = k.variable('a', type);
      return [
        k.set(left, a(row, at)),
        numbers.map((column, n) => k.set(into[n], k.mulAdd(left, b(at, column), into[n]))),
      ];
    };
    const whole = depth - (depth % 4);
    return [
      partial.map((one) => k.set(one, 0)),
      k.loop('k', { to: whole, step: 4 }, (at) => add(partial, 'f32x4', k.consecutive(at))),
      total.map((one, n) => k.set(one, k.reduceLanes(k.add, partial[n]))),
      k.loop('k', { from: whole, to: depth }, (at) => add(total, 'f32', at)),
      total.map((one, n) => k.store(y, place(row, numbers[n]), one)),
    ];
  };
  const whole = columns - (columns % 4);
  return Array.from({ length: rows }, (_, row) => [
    k.loop('j', { to: whole, step: 4 }, (j) => block(row, j, 4)),
    whole < columns ? block(row, whole, columns - whole) : [],
  ]);
}

/** A stretch of an axis, which goes to its end if `isLast` holds (for certain, or as a mask). */
interface Stretch {
  readonly from: k.Operand;
  readonly to: k.Operand;
}

/** Where a stretch of b is brought to: panels of so many rows each. */
interface Panels {
  readonly buffer: k.Buffer;
  readonly height: number;
  readonly firstRow: k.Operand;
  readonly firstColumn: k.Operand;
}

/** The product by tiles, cut into rounds if it stands alone. */
function tiles(product: Product, isAlone: boolean): k.Statements {
  const { a, b, rows, columns, depth, y } = product;
  const deepest = depth <= 2 * DEPTH_BLOCK ? depth : DEPTH_BLOCK;
  // Six rows take all 16 registers, which pays where a product and its sum are one operation.
  const tileRows = features().relaxedSimd ? 6 : 4;
  const wholeRows = rows - (rows % tileRows);
  const wide = columns - (columns % PANEL);
  const panelCount = Math.ceil(columns / PANEL);
  const isPacked = rows >= ROW_BLOCK || !isContiguous((column) => b(0, column));
  const strips = k.scratch('a', 'f32', deepest * ROW_BLOCK);
  const isStripped = rows >= ROW_BLOCK && !isContiguous((at) => a(0, at));

  /** Calls the body for each 8 columns of some panels, then for 4, and for each of what is left. */
  const forPanels = (
    { from, to }: Stretch, body: (j: k.Operand, width: number) => k.Statements,
  ): k.Statements => {
    const half = columns % PANEL >= 4 ? wide + 4 : wide;
    const last = [
      half > wide ? body(wide, 4) : [],
      k.loop('j', { from: half, to: columns }, (j) => body(j, 1)),
    ];
    const end = wide < columns ? least(scaled(to, PANEL, 0), wide) : scaled(to, PANEL, 0);
    return [
      wide > 0
        ? k.loop('j', { from: scaled(from, PANEL, 0), to: end, step: PANEL }, (j) => body(j, PANEL))
        : [],
      wide === columns ? [] : whenEqual(to, panelCount, last),
    ];
  };
  /** Where in its panel an element of b is. */
  const inPanel = (own: Panels, at: k.Operand, j: k.Operand, width: number): k.Operand => {
    const row = k.mul(k.sub(toValue(at), own.firstRow), PANEL);
    // A panel has all its rows one after the other; the last may be narrower, and is not.
    const first = width === PANEL ? k.sub(toValue(j), own.firstColumn) : toValue(j);
    const start = width === PANEL
      ? k.mul(first, own.height)
      : k.add(k.mul(k.sub(wideValue(), own.firstColumn), own.height), k.sub(first, wide));
    return k.add(row, start);
  };
  const wideValue = (): k.Value => k.constant('i32', wide);
  const pack = (own: Panels, some: Stretch, { from, to }: Stretch): k.Statements =>
    forPanels(some, (j, width) =>
      k.loop('k', { from, to }, (at) =>
        Array.from({ length: Math.ceil(width / 4) }, (_, n) => {
          const column = scaled(j, 1, 4 * n);
          const into = scaled(inPanel(own, at, j, width), 1, 4 * n);
          return width < 4
            ? k.store(own.buffer, into, b(at, column))
            : k.store(own.buffer, neighbours(into), b(at, neighbours(column)));
        }),
      ),
    );

  /** A tile at (i, j), of 8, 4 or 1 columns: sums over a block of k, on top of y if not first. */
  const tile = (
    left: Matrix, right: Matrix,
    [i, height]: readonly [k.Operand, number], [j, width]: readonly [k.Operand, number],
    { from, to }: Stretch, isFirst: boolean, result: Pick<Product, 'y' | 'place'>,
  ): k.Statements => {
    const type = width < 4 ? 'f32' : 'f32x4';
    const columnsOf = Array.from({ length: Math.ceil(width / 4) }, (_, n) => {
      const column = scaled(j, 1, 4 * n);
      return width < 4 ? column : neighbours(column);
    });
    const lines = Array.from({ length: height }, (_, row) => ({
      row: scaled(i, 1, row),
      cells: columnsOf.map((column) => ({ column, sum: k.variable('y', type) })),
    }));
    const values = columnsOf.map(() => k.variable('b', type));
    const forCells = (
      body: (at: k.Operand, sum: k.Variable) => k.Statements,
    ): k.Statements =>
      lines.map(({ row, cells }) =>
        cells.map(({ column, sum }) => body(result.place(row, column), sum)),
      );
    return [
      forCells((at, sum) => k.set(sum, isFirst ? 0 : k.load(result.y, at))),
      k.loop('k', { from, to }, (at) => [
        values.map((value, n) => k.set(value, right(at, columnsOf[n]))),
        lines.map(({ row, cells }) => {
          const number = k.variable('a', type);
          return [
            k.set(number, left(row, at)),
            cells.map(({ sum }, n) => k.set(sum, k.mulAdd(number, values[n], sum))),
          ];
        }),
      ]),
      forCells((at, sum) => k.store(result.y, at, sum)),
    ];
  };
  /** Blocks of rows, times some panels, over a block of k. */
  const blocks = (
    own: Panels | undefined, { from, to }: Stretch, some: Stretch, depths: Stretch,
    isFirst: boolean, result: Pick<Product, 'y' | 'place'>,
  ): k.Statements => {
    const right = (j: k.Operand, width: number): Matrix => (at, column) => {
      if (own === undefined) return b(at, column);
      const offset = k.sub(toValue(column), j);
      return k.load(own.buffer, k.add(inPanel(own, at, j, width), offset));
    };
    return [
      k.loop('block', { from: scaled(from, ROW_BLOCK, 0), to: least(scaled(to, ROW_BLOCK, 0), wholeRows), step: ROW_BLOCK }, (first) => {
        const end = k.min(k.add(first, ROW_BLOCK), wholeRows);
        const inStrip = (row: k.Operand, at: k.Operand): k.Value => {
          const line = k.sub(toValue(row), first);
          return k.add(k.mul(k.sub(toValue(at), depths.from), ROW_BLOCK), line);
        };
        const left: Matrix = isStripped ? (row, at) => k.load(strips, inStrip(row, at)) : a;
        return [
          isStripped
            ? k.loop('k', depths, (at) =>
                k.lanes('i', { from: first, to: end }, (i) =>
                  k.store(strips, inStrip(i, at), a(i, at)),
                ),
              )
            : [],
          forPanels(some, (j, width) =>
            k.loop('i', { from: first, to: end, step: tileRows }, (i) =>
              tile(left, right(j, width), [i, tileRows], [j, width], depths, isFirst, result),
            ),
          ),
        ];
      }),
      wholeRows < rows
        ? whenEqual(to, Math.ceil(rows / ROW_BLOCK), forPanels(some, (j, width) =>
            tile(
              a, right(j, width), [wholeRows, rows - wholeRows], [j, width], depths, isFirst,
              result,
            ),
          ))
        : [],
    ];
  };
  /** Calls the body for blocks of k; the first begins the sums, the others go on with them. */
  const forDepths = (
    { from, to }: Stretch, isOne: boolean, body: (block: Stretch, isFirst: boolean) => k.Statements,
  ): k.Statements => {
    if (isOne) return body({ from, to }, true);
    const block = (first: k.Operand): Stretch => (
      { from: first, to: least(k.add(toValue(first), deepest), to) }
    );
    return [
      body(block(from), true),
      k.loop('block', { from: k.add(toValue(from), deepest), to, step: deepest }, (first) =>
        body(block(first), false),
      ),
    ];
  };

  const allRows = { from: 0, to: Math.ceil(rows / ROW_BLOCK) };
  const allPanels = { from: 0, to: panelCount };
  const allDepths = { from: 0, to: depth };
  const isOneBlock = depth === deepest;
  const ofRows = isAlone && depth * columns <= MOST_PACKED && rows >= 4 * ROW_BLOCK;
  const ofDepths = isAlone && depth >= 4 * DEPTH_BLOCK && rows < 8 * ROW_BLOCK &&
    Math.ceil(depth / DEPTH_BLOCK) * rows * columns <= MOST_PACKED;
  const pieceOf = (range: k.Range): Stretch => {
    if (typeof range === 'object' && 'to' in range) return { from: 0, ...range };
    return { from: 0, to: range };
  };

  if (ofDepths) {
    const size = rows * columns;
    const work = (size * DEPTH_BLOCK) / PRODUCTS;
    const pieces = cut([Math.ceil(depth / DEPTH_BLOCK)], work, 1, size * PRODUCTS);
    if (pieces.rounds > 1) {
      const partial = k.scratch('sums', 'f32', pieces.rounds * size);
      const panels = k.scratch('b', 'f32', deepest * panelCount * PANEL);
      return [
        k.parallel('round', pieces.rounds, (round) => {
          const [, range] = pieces.of(round);
          const { from, to } = pieceOf(range);
          const start = k.mul(round, size);
          const result = {
            y: partial,
            place: (row: k.Operand, column: k.Operand) =>
              k.add(k.add(start, flatIndex([row, column], [rows, columns])), 0),
          };
          const depths = {
            from: scaled(from, DEPTH_BLOCK, 0), to: least(scaled(to, DEPTH_BLOCK, 0), depth),
          };
          return forDepths(depths, pieces.rounds * DEPTH_BLOCK >= depth, (block, isFirst) => {
            const own = { buffer: panels, height: deepest, firstRow: block.from, firstColumn: 0 };
            return [
              isPacked ? pack(own, allPanels, block) : [],
              blocks(isPacked ? own : undefined, allRows, allPanels, block, isFirst, result),
            ];
          });
        }),
        addUp(partial, [pieces.rounds, size, size], sum, y),
      ];
    }
  }
  if (ofRows) {
    const own = {
      buffer: k.scratch('b', 'f32', depth * panelCount * PANEL),
      height: depth, firstRow: 0, firstColumn: 0,
    };
    const packing = cut([panelCount], PANEL * depth);
    const pieces = cut([allRows.to], (ROW_BLOCK * columns * depth) / PRODUCTS);
    return [
      k.parallel('round', packing.rounds, (round) =>
        pack(own, pieceOf(packing.of(round)[1]), allDepths),
      ),
      k.parallel('round', pieces.rounds, (round) =>
        forDepths(allDepths, isOneBlock, (block, isFirst) =>
          blocks(own, pieceOf(pieces.of(round)[1]), allPanels, block, isFirst, product),
        ),
      ),
    ];
  }
  const work = isAlone ? (PANEL * rows * depth) / PRODUCTS : 0;
  const pieces = cut([panelCount], work, 8);
  const panels = k.scratch('b', 'f32', deepest * panelCount * PANEL);
  return k.parallel('round', pieces.rounds, (round) => {
    const some = pieceOf(pieces.of(round)[1]);
    return forDepths(allDepths, isOneBlock, (block, isFirst) => {
      const own = {
        buffer: panels, height: deepest, firstRow: block.from, firstColumn: scaled(some.from, PANEL, 0),
      };
      return [
        isPacked ? pack(own, some, block) : [],
        blocks(isPacked ? own : undefined, allRows, some, block, isFirst, product),
      ];
    });
  });
}

function toValue(x: k.Operand): k.Value {
  return typeof x === 'number' ? k.constant('i32', x) : x;
}

function neighbours(x: k.Operand): k.Value {
  return k.consecutive(toValue(x));
}

/** The smaller one, known where both are. */
function least(x: k.Operand, limit: k.Operand): k.Operand {
  if (typeof x !== 'number' || typeof limit !== 'number') return k.min(toValue(x), limit);
  return Math.min(x, limit);
}

/** Statements that run if a number is another, if that is not known. */
function whenEqual(x: k.Operand, y: number, body: k.Statements): k.Statements {
  if (typeof x === 'number') return x === y ? body : [];
  return k.when(k.equal(x, y), body);
}
