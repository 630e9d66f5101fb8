/**
 * Where the backward kernel of the selective scan keeps numbers: the decays and states of a chunk,
 * which are computed forwards and used backwards; sums over channels; and partial gradients, which
 * chunks of a parallel loop write to memory that no other chunk touches, reduced at the end.
 */
import * as k from '@mambagrad/kernel';
import { type Cell, CHUNK } from '../vectors.ts';

/** Numbers for each step and state of 8 channels. */
export interface Trace {
  at(t: k.Operand, cell: Cell): k.Expr;
  set(t: k.Operand, cell: Cell, value: k.Expr): k.Statements;
}

/** A trace of a number of steps, in scratch memory. */
export function traceOf(name: string, steps: number, state: number): Trace {
  const buffer = k.scratch(name, 'f32', steps * state * 8);
  const place = (t: k.Operand, { n, d, i }: Cell): k.Operand => {
    const first = k.rowMajor([t, n, 4 * i], [state, 8]);
    return k.isVector(d) ? k.ramp(first) : first;
  };
  return {
    at: (t, cell) => k.load(buffer, place(t, cell)),
    set: (t, cell, value) => k.store(buffer, place(t, cell), value),
  };
}

/** A sum over channels for each step of a chunk and each state. */
export interface ChannelSums {
  clear(): k.Statements;
  /** Adds the products of registers. */
  add(
    t: k.Operand, n: k.Operand, a: readonly k.Variable[], b: readonly k.Variable[],
  ): k.Statements;
  total(t: k.Operand, n: k.Operand): k.Expr;
}

/** Sums in four lanes; behind all of them, those of single channels. */
export function channelSums(name: string, state: number): ChannelSums {
  const sums = k.scratch(name, 'f32', CHUNK * state * 5);
  const place = (t: k.Operand, n: k.Operand) => k.rowMajor([t, n], [state]);
  const lanesAt = (t: k.Operand, n: k.Operand) => k.ramp(k.times(place(t, n), 4));
  const singleAt = (t: k.Operand, n: k.Operand) => k.plus(place(t, n), CHUNK * state * 4);
  return {
    clear: () => k.vectorized('i', sums.length, (i) => k.store(sums, i, 0)),
    add: (t, n, a, b) => {
      const at = a[0].type === 'f32x4' ? lanesAt(t, n) : singleAt(t, n);
      const sum = a.reduce<k.Expr>((total, x, i) => k.mulAdd(x, b[i], total), k.load(sums, at));
      return k.store(sums, at, sum);
    },
    total: (t, n) =>
      k.add(k.reduceLanes(k.add, k.load(sums, lanesAt(t, n))), k.load(sums, singleAt(t, n))),
  };
}

/** A gradient to which the chunks of a parallel loop add, each in a separate row. */
export interface Partials {
  readonly count: number;
  readonly size: number;
  readonly buffer: k.Buffer;
  /** Where the partial gradient with this index is. */
  startOf(index: k.Operand): k.Operand;
  /** The result, which holds the total. */
  readonly total: k.Buffer;
}

/** The memory of some partial gradients; a single one is the total, and goes to the result. */
export function partialsOf(name: string, count: number, total: k.Buffer): Partials {
  const size = total.length;
  if (count === 1) return { count, size, buffer: total, startOf: () => 0, total };
  const buffer = k.scratch(name, 'f32', count * size);
  return { count, size, buffer, startOf: (index) => k.times(index, size), total };
}

/** Adds partial gradients up, if there is more than one. */
export function reducePartials({ count, size, buffer, total }: Partials): k.Statements {
  if (count === 1) return [];
  return k.reducePartials({ buffer, count, length: size, stride: size }, k.sum, total);
}
