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
 * lie together and not its rows, it is brought into order in the same way. For few rows all that
 * would cost more than the product, which is then what matrixVector.ts says.
 */
import * as k from '@mambagrad/kernel';
import { features } from '@mambagrad/wasm';
import { broadcastIndex, type Elements, flatIndex, type Index, scaled } from './lowering.ts';
import {
  FEW_ROWS, type Matrix, matrixVector, neighbours, type Product, toValue,
} from './matrixVector.ts';
import type { Shape } from './shape.ts';

const PANEL = 8;
/** So many rows of a are gone through for each panel: whole tiles, of 4 rows or of 6. */
const ROW_BLOCK = 36;
/** So many rows of a panel stay in the nearest cache. */
const DEPTH_BLOCK = 256;

/** y = a·b over the last two axes. */
export function matrixProduct(a: Elements, b: Elements, y: k.Buffer, shape: Shape): k.Statements {
  const [rows, columns] = shape.slice(-2);
  const depth = a.shape[a.shape.length - 1];
  const batch = shape.slice(0, -2);
  const nest = (index: Index): k.Statements => {
    if (index.length < batch.length) {
      return k.loop('m', batch[index.length], (m) => nest([...index, m]));
    }
    const [ofA, ofB] = [a, b].map((own) => broadcastIndex(index, own.shape.slice(0, -2)));
    const product = {
      a: (row: k.Operand, at: k.Operand) => a.at([...ofA, row, at]),
      b: (at: k.Operand, column: k.Operand) => b.at([...ofB, at, column]),
      place: (row: k.Operand, column: k.Operand) => flatIndex([...index, row, column], shape),
      ...{ rows, columns, depth, y },
    };
    const isAlongDepth = depth >= 4 && isContiguous((at) => product.b(at, 0));
    return rows <= FEW_ROWS && isAlongDepth ? matrixVector(product) : tiles(product);
  };
  return nest([]);
}

/** Whether elements at neighbouring indices are neighbours in memory. */
function isContiguous(at: (i: k.Operand) => k.Value): boolean {
  const sample = at(k.consecutive(k.variable('i', 'i32')));
  return sample.node === 'load' && sample.index.step === 1;
}

function tiles({ a, b, rows, columns, depth, place, y }: Product): k.Statements {
  const deepest = depth <= 2 * DEPTH_BLOCK ? depth : DEPTH_BLOCK;
  // Six rows take all 16 registers, which pays where a product and its sum are one operation.
  const tileRows = features().relaxedSimd ? 6 : 4;
  const whole = rows - (rows % tileRows);
  const panels = k.scratch('b', 'f32', deepest * Math.ceil(columns / PANEL) * PANEL);
  const isPacked = rows >= ROW_BLOCK || !isContiguous((column) => b(0, column));
  const strips = k.scratch('a', 'f32', deepest * ROW_BLOCK);
  const isStripped = rows >= ROW_BLOCK && !isContiguous((at) => a(0, at));

  /** A tile at (i, j), of 8, 4 or 1 columns: sums over a block of k, on top of y if not first. */
  const tile = (
    left: Matrix,
    right: Matrix,
    [i, height]: readonly [k.Operand, number],
    [j, width]: readonly [k.Operand, number],
    count: k.Operand,
    isFirst: boolean,
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
      body: (row: k.Operand, column: k.Operand, sum: k.Variable) => k.Statements,
    ): k.Statements =>
      lines.map(({ row, cells }) => cells.map(({ column, sum }) => body(row, column, sum)));
    return [
      forCells((row, column, sum) => k.set(sum, isFirst ? 0 : k.load(y, place(row, column)))),
      k.loop('k', count, (at) => [
        values.map((value, n) => k.set(value, right(at, columnsOf[n]))),
        lines.map(({ row, cells }) => {
          const number = k.variable('a', type);
          return [
            k.set(number, left(row, at)),
            cells.map(({ sum }, n) => k.set(sum, k.mulAdd(number, values[n], sum))),
          ];
        }),
      ]),
      forCells((row, column, sum) => k.store(y, place(row, column), sum)),
    ];
  };
  /** Calls the body for each 8 columns, then for 4, and for each of what is left. */
  const forPanels = (body: (j: k.Operand, width: number) => k.Statements): k.Statements => {
    const wide = columns - (columns % PANEL);
    const half = columns % PANEL >= 4 ? wide + 4 : wide;
    return [
      wide > 0 ? k.loop('j', { to: wide, step: PANEL }, (j) => body(j, PANEL)) : [],
      half > wide ? body(wide, 4) : [],
      k.loop('j', { from: half, to: columns }, (j) => body(j, 1)),
    ];
  };
  const block = (from: k.Operand, count: k.Operand, isFirst: boolean): k.Statements => {
    const wide = columns - (columns % PANEL);
    const inPanel = (at: k.Operand, j: k.Operand, width: number): k.Operand => {
      // A panel has all its rows one after the other; the last may be narrower, and is not.
      const place = width === PANEL ? scaled(j, deepest, 0) : scaled(j, 1, wide * (deepest - 1));
      return k.add(k.add(k.mul(toValue(at), PANEL), place), 0);
    };
    const fromSource: Matrix = (at, column) => b(k.add(toValue(from), at), column);
    const pack = isPacked
      ? forPanels((j, width) =>
          k.loop('k', count, (at) =>
            Array.from({ length: Math.ceil(width / 4) }, (_, n) => {
              const column = scaled(j, 1, 4 * n);
              const to = scaled(inPanel(at, j, width), 1, 4 * n);
              return width < 4
                ? k.store(panels, to, fromSource(at, column))
                : k.store(panels, neighbours(to), fromSource(at, neighbours(column)));
            }),
          ),
        )
      : [];
    const packed = (j: k.Operand, width: number): Matrix => (at, column) => {
      if (!isPacked) return fromSource(at, column);
      const offset = k.sub(toValue(column), j);
      return k.load(panels, k.add(inPanel(at, j, width), offset));
    };
    return [pack, rowsOf(from, count, isFirst, packed)];
  };
  const rowsOf = (
    from: k.Operand,
    count: k.Operand,
    isFirst: boolean,
    right: (j: k.Operand, width: number) => Matrix,
  ): k.Statements => {
    const source: Matrix = (row, at) => a(row, k.add(toValue(from), at));
    const strip = (first: k.Value): Matrix => (row, at) => {
      const line = k.sub(toValue(row), first);
      return k.load(strips, k.add(k.mul(toValue(at), ROW_BLOCK), line));
    };
    return [
      k.loop('block', { to: whole, step: ROW_BLOCK }, (first) => {
        const to = k.min(k.add(first, ROW_BLOCK), whole);
        const left = isStripped ? strip(first) : source;
        return [
          isStripped
            ? k.loop('k', count, (at) =>
                k.lanes('i', { from: first, to }, (i) => {
                  const place = k.add(k.mul(at, ROW_BLOCK), k.sub(i, first));
                  return k.store(strips, place, source(i, at));
                }),
              )
            : [],
          forPanels((j, width) =>
            k.loop('i', { from: first, to, step: tileRows }, (i) =>
              tile(left, right(j, width), [i, tileRows], [j, width], count, isFirst),
            ),
          ),
        ];
      }),
      whole < rows
        ? forPanels((j, width) =>
            tile(source, right(j, width), [whole, rows - whole], [j, width], count, isFirst),
          )
        : [],
    ];
  };
  if (depth === deepest) return block(0, depth, true);
  return [
    block(0, deepest, true),
    k.loop('block', { from: deepest, to: depth, step: deepest }, (from) =>
      block(from, k.min(k.sub(depth, from), deepest), false),
    ),
  ];
}
