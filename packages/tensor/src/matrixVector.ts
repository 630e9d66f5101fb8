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

/** Up to so many rows this is faster than tiles, which bring b into an order of their own. */
export const FEW_ROWS = 16;
/** Stretches of so many bytes, or a little more, are far enough apart. */
const STRETCH = 32768;
/** Shorter ones, down to so many, where there would be fewer than 16 blocks to share out. */
const SHORTEST = 8192;
/** So many sums at a time stay in registers; eight stretches are enough. */
const MOST_SUMS = 16;

/** y = a·b; the columns of b must be contiguous. */
export function matrixVector({ a, b, rows, columns, depth, place, y }: Product): k.Statements {
  const height = Math.ceil(rows / Math.ceil(rows / 4));
  const streams = Math.min(8, Math.floor(MOST_SUMS / height));
  const unrolled = height > 1 ? [0, 4] : [0, 4, 8, 12];
  const stretch = Math.min(STRETCH, Math.max(SHORTEST, (4 * columns * depth) / (16 * 8)));
  const [long, whole] = [depth - (depth % (4 * unrolled.length)), depth - (depth % 4)];

  /** The sums for some rows and columns, each in four lanes that are added up at the end. */
  const sums = (band: readonly number[], beside: readonly k.Operand[]): k.Statements => {
    const cells = beside.flatMap((column) => band.map((row) => place(row, column)));
    const partial = cells.map(() => k.variable('p', 'f32x4'));
    const total = cells.map(() => k.variable('y', 'f32'));
    const add = (into: readonly k.Variable[], at: k.Value): k.Statements => {
      const left = band.map(() => k.variable('a', into[0].type));
      const right = k.variable('b', into[0].type);
      const sum = (i: number, n: number) => into[n * band.length + i];
      return [
        left.map((one, i) => k.set(one, a(band[i], at))),
        beside.map((column, n) => [
          k.set(right, b(at, column)),
          left.map((one, i) => k.set(sum(i, n), k.mulAdd(one, right, sum(i, n)))),
        ]),
      ];
    };
    const four = (at: k.Operand): k.Statements => add(partial, neighbours(at));
    return [
      partial.map((one) => k.set(one, 0)),
      k.loop('k', { to: long, step: 4 * unrolled.length }, (at) =>
        unrolled.map((n) => four(k.add(at, n))),
      ),
      k.loop('k', { from: long, to: whole, step: 4 }, four),
      total.map((one, i) => k.set(one, k.reduceLanes(k.add, partial[i]))),
      k.loop('k', { from: whole, to: depth }, (at) => add(total, at)),
      total.map((one, i) => k.store(y, cells[i], one)),
    ];
  };
  const all = Array.from({ length: rows }, (_, row) => row);
  const bands = all.filter((row) => row % height === 0).map((row) => all.slice(row, row + height));
  /** All columns from one on: as many blocks as there are, then what is left, in short ones. */
  const blocks = (from: number): k.Statements => {
    const left = columns - from;
    const count = Math.min(streams, left);
    // Of an odd number of columns, so that not all stretches come to ends of pages at a time.
    const length = Math.min(Math.ceil(stretch / (4 * depth)) | 1, Math.floor(left / count));
    const to = columns - (left % (count * length));
    const loop = k.loop('block', { from, to, step: count * length }, (first) =>
      bands.map((band) =>
        k.loop('j', { from: first, to: k.add(first, length) }, (j) =>
          sums(band, Array.from({ length: count }, (_, n) => scaled(j, 1, n * length))),
        ),
      ),
    );
    return to < columns ? [loop, blocks(to)] : loop;
  };
  return blocks(0);
}

export function toValue(x: k.Operand): k.Value {
  return typeof x === 'number' ? k.constant('i32', x) : x;
}

export function neighbours(x: k.Operand): k.Value {
  return k.consecutive(toValue(x));
}
