/** Mistakes in exercises/microkernel.ts. */
import * as k from '@mambagrad/kernel';
import type { Mutant } from './mutant.ts';

/** The parts of a micro-kernel. */
interface TileParts {
  readonly start: k.Operand | undefined;
  readonly rows: readonly number[];
  readonly columns: readonly number[];
  readonly ofA: (at: k.Expr, row: number, depth: number) => k.Expr;
  readonly ofB: (at: k.Expr, column: number) => k.Expr;
  readonly target: (row: number, column: number) => number;
  /** Whether what is loaded is put into variables. */
  readonly isKept: boolean;
  /** Whether sums are in memory while k runs. */
  readonly isInMemory: boolean;
  /** Runs the body for each k. */
  readonly repeat: (depth: number, body: (at: k.Expr) => k.Statements) => k.Statements;
}

/** The right micro-kernel, with some parts replaced. */
function tiling(wrong: Partial<TileParts>): object {
  const { start, rows, columns, ofA, ofB, target, isKept, isInMemory, repeat }: TileParts = {
    start: 0, rows: [0, 1, 2, 3], columns: [0, 4],
    ofA: (at, row, depth) => k.add(at, row * depth),
    ofB: (at, column) => k.add(k.mul(at, 8), column),
    target: (row, column) => 8 * row + column,
    isKept: true, isInMemory: false, repeat: (depth, body) => k.loop('k', depth, body), ...wrong,
  };
  return {
    microkernel: (a: k.Buffer, b: k.Buffer, y: k.Buffer, depth: number): k.Statements => {
      const tile = rows.flatMap((row) => columns.map((column) => (
        { row, column, sum: k.variable('sum', 'f32x4'), place: k.ramp(target(row, column)) }
      )));
      const keep = (type: 'f32' | 'f32x4', value: k.Expr) => {
        const kept = k.variable('kept', type);
        return isKept ? { set: [k.set(kept, value)], value: kept } : { set: [], value };
      };
      return [
        tile.map(({ sum, place }) => [
          start === undefined ? k.set(sum, k.load(y, place)) : k.set(sum, start),
          isInMemory ? k.store(y, place, sum) : [],
        ]),
        repeat(depth, (at) => {
          const vectors = columns.map((column) => (
            keep('f32x4', k.load(b, k.ramp(ofB(at, column))))
          ));
          const factors = rows.map((row) => keep('f32', k.load(a, ofA(at, row, depth))));
          return [
            [...vectors, ...factors].map(({ set }) => set),
            tile.map(({ row, column, sum, place }) => {
              const product = k.mul(
                factors[rows.indexOf(row)].value, vectors[columns.indexOf(column)].value,
              );
              return isInMemory
                ? k.store(y, place, k.add(k.load(y, place), product))
                : k.set(sum, k.add(sum, product));
            }),
          ];
        }),
        isInMemory ? [] : tile.map(({ sum, place }) => k.store(y, place, sum)),
      ];
    },
  };
}

/** The mistakes. */
export const mutants: readonly Mutant[] = [
  ['the sums begin with what is in y', tiling({ start: undefined }),
    /depth 0/, /Set the sums to 0 first/],
  ['the sums begin with 1', tiling({ start: 1 }), /depth 0/, /Set the sums to 0 first/],
  ['only four columns are computed', tiling({ columns: [0] }), /./, /unwritten/],
  ['only three rows are computed', tiling({ rows: [0, 1, 2] }), /./, /unwritten/],
  ['both halves take the first columns of b', tiling({ ofB: (at) => k.mul(at, 8) }),
    /row of b/, /all 8 columns/],
  ['all rows take the first row of a', tiling({ ofA: (at) => at }), /row of b/, /y\[i, j\]/],
  ['a is read as if it had 8 columns', tiling({ ofA: (at, row) => k.add(at, 8 * row) }),
    /row of b|depth 2/, /./],
  ['a is read column by column', tiling({ ofA: (at, row) => k.add(k.mul(at, 4), row) }),
    /depth 2/, /i · depth \+ k/],
  ['a loop of JavaScript writes the code for each k', tiling({
    repeat: (depth, body) => Array.from({ length: depth }, (_, i) => body(k.constant('i32', i))),
  }), /^the code is as long/, /writes its body down again/],
  ['sums are in memory while k runs', tiling({ isInMemory: true }),
    /^y is written once/, /stay in registers/],
  ['numbers are loaded for every use', tiling({ isKept: false }),
    /^each k loads/, /evaluated again/],
];
