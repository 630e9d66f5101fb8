/**
 * Matrix products of few rows, such as a layer's with a single vector, where the columns of b lie
 * one behind the other in memory, as weights do. Each number of b is read for few products, so what
 * takes time is to read it, and all depends on how.
 *
 *     for each block of columns                  8 stretches, one behind the other
 *       for each column of a stretch             8 columns at a time, one of each stretch
 *         for k, four in lanes:  y[i, j] += a[i, k] · b[k, j]
 *
 * Processors notice reading in sequence, and bring what comes next ahead of time, but only to the
 * end of a page of memory (4 KiB), and anew in each. A single sequence waits at the start of every
 * page; of eight that are pages apart, the others go on.
 */
import * as k from '@mambagrad/kernel';
import { scaled } from './lowering.ts';

export type Matrix = (row: k.Operand, column: k.Operand) => k.Value;

export interface Product {
  readonly a: Matrix;
  readonly b: Matrix;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** Where an element of the result is in `y`. */
  readonly place: (row: k.Operand, column: k.Operand) => k.Operand;
  readonly y: k.Buffer;
}

/** Up to so many rows it takes less time than tiles do, which bring b into an order of their own. */
export const FEW_ROWS = 8;
/** Stretches of so many bytes, or a little more, are far enough apart. */
const STRETCH = 32768;
/** So many sums at a time stay in registers; where a single row is read, half as many. */
const MOST_SUMS = 16;

/** y = a·b; the columns of b must be contiguous. */
export function matrixVector({ a, b, rows, columns, depth, place, y }: Product): k.Statements {
  const groups = Math.ceil(rows / 4);
  const height = Math.ceil(rows / groups);
  const streams = Math.min(MOST_SUMS / 2, Math.floor(MOST_SUMS / height));
  const step = height > 1 ? 8 : 16;

  /** The sums for these rows and columns, each in four lanes that are added up at the end. */
  const sums = (those: readonly number[], columnsOf: readonly k.Operand[]): k.Statements => {
    const cells = columnsOf.map((column) =>
      those.map((row) => ({
        at: place(row, column), partial: k.variable('p', 'f32x4'), total: k.variable('y', 'f32'),
      })),
    );
    const add = (into: 'partial' | 'total', at: k.Value): k.Statements => {
      const type = into === 'partial' ? 'f32x4' : 'f32';
      const left = those.map(() => k.variable('a', type));
      const right = k.variable('b', type);
      return [
        left.map((number, i) => k.set(number, a(those[i], at))),
        cells.map((column, n) => [
          k.set(right, b(at, columnsOf[n])),
          column.map((cell, i) => k.set(cell[into], k.mulAdd(left[i], right, cell[into]))),
        ]),
      ];
    };
    const four = (at: k.Operand): k.Statements => add('partial', neighbours(at));
    const [long, whole] = [depth - (depth % step), depth - (depth % 4)];
    const all = cells.flat();
    return [
      all.map(({ partial }) => k.set(partial, 0)),
      k.loop('k', { to: long, step }, (at) =>
        Array.from({ length: step / 4 }, (_, i) => four(k.add(at, 4 * i))),
      ),
      k.loop('k', { from: long, to: whole, step: 4 }, four),
      all.map(({ partial, total }) => k.set(total, k.reduceLanes(k.add, partial))),
      k.loop('k', { from: whole, to: depth }, (at) => add('total', at)),
      all.map(({ at, total }) => k.store(y, at, total)),
    ];
  };
  /** All columns from one on: as many blocks as there are, and what is left in shorter stretches. */
  const blocks = (from: number): k.Statements => {
    const left = columns - from;
    if (left === 0) return [];
    const count = Math.min(streams, left);
    // An odd number of columns, so that the stretches come to ends of pages at different times.
    const length = Math.min(Math.ceil(STRETCH / (4 * depth)) | 1, Math.floor(left / count));
    const to = columns - (left % (count * length));
    return [
      k.loop('block', { from, to, step: count * length }, (first) =>
        Array.from({ length: groups }, (_, group) => {
          const end = Math.min(rows, (group + 1) * height);
          const those = Array.from({ length: end - group * height }, (__, i) => group * height + i);
          return k.loop('j', { from: first, to: k.add(first, length) }, (j) =>
            sums(those, Array.from({ length: count }, (__, n) => scaled(j, 1, n * length))),
          );
        }),
      ),
      blocks(to),
    ];
  };
  return blocks(0);
}

export function toValue(x: k.Operand): k.Value {
  return typeof x === 'number' ? k.constant('i32', x) : x;
}

export function neighbours(x: k.Operand): k.Value {
  return k.consecutive(toValue(x));
}
