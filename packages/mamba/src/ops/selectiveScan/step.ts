/**
 * One step of the selective scan, as both of its kernels take it: the forward kernel, and the
 * backward kernel where it computes states again. For each channel d and each of its states n,
 *
 *     h[n] = exp(Δ A[n]) h[n] + Δ u B[n]
 *
 * A kernel goes through chunks of 32 steps of a part, a block of the channels of a sequence.
 */
import * as k from '@mambagrad/kernel';
import type { Elements } from '@mambagrad/tensor/extend';
import {
  type Cell, CHUNK, type Grid, grid, type Part, registers, setLimits, type Sizes, TINY,
} from '../vectors.ts';

/** The inputs of a scan; with flags of steps that start anew, or without. */
export interface Inputs {
  readonly u: Elements;
  readonly delta: Elements;
  readonly A: Elements;
  readonly B: Elements;
  readonly C: Elements;
  readonly reset: Elements | undefined;
}

/** The plan of a kernel: its inputs, and the memory it works in. */
export interface Scan {
  readonly inputs: Inputs;
  readonly sizes: Sizes;
  /** A · log₂e. */
  readonly scaledA: Grid;
  /** For each channel, the largest |Δ| whose exponents need not be brought into bounds. */
  readonly limits: k.Buffer;
}

/** The plan that both kernels start from. */
export function scanOf(inputs: Inputs, sizes: Sizes): Scan {
  const [scaledA, limits] = [grid('A', sizes), k.scratch('limits', 'f32', sizes.channels)];
  return { inputs, sizes, scaledA, limits };
}

/** Computes A · log₂e and the limits of Δ, for the channels of a part. */
export function scaleA({ inputs, sizes, scaledA, limits }: Scan, { range }: Part): k.Statements {
  return [
    scaledA.setAll((n, d) => k.mul(inputs.A.at([d, n]), Math.LOG2E), range),
    setLimits(limits, scaledA, sizes, range),
  ];
}

/** The c-th chunk of a part, of `count` steps: 32, or fewer in the last one. */
export interface Chunk extends Part {
  readonly c: k.Operand;
  readonly count: k.Operand;
}

/** The c-th chunk of a part. */
export function chunkOf({ length, chunks }: Sizes, part: Part, c: k.Expr): Chunk {
  if (chunks === 1) return { ...part, c: 0, count: length };
  const left = k.minus(length, k.times(c, CHUNK));
  return { ...part, c, count: length % CHUNK === 0 ? CHUNK : k.least(left, CHUNK) };
}

/** Which step of the sequence is the t-th of a chunk. */
export const timeOf = ({ c }: Chunk, t: k.Operand): k.Operand => k.rowMajor([c, t], [CHUNK]);

/** Which row of [batch · length] is the t-th step of a chunk. */
export const rowOf = ({ length }: Sizes, chunk: Chunk, t: k.Operand): k.Operand =>
  k.rowMajor([chunk.b, timeOf(chunk, t)], [length]);

/** Where a number is in [batch, length, channels]. */
export const outputAt = (sizes: Sizes, chunk: Chunk, t: k.Operand, d: k.Operand): k.Operand =>
  k.rowMajor([rowOf(sizes, chunk, t), d], [sizes.channels]);

/** The element of [batch, length, last] at the t-th step of a chunk. */
export const elementAt = (
  of: Elements, chunk: Chunk, t: k.Operand, last: k.Operand,
): k.Expr => of.at([chunk.b, timeOf(chunk, t), last]);

/** That of B or C, [batch, length, state], or with groups [batch, length, groups, state]. */
export const sharedAt = (
  { groups }: Sizes, of: Elements, chunk: Chunk, t: k.Operand, n: k.Operand,
): k.Expr =>
  groups === 1 ? elementAt(of, chunk, t, n) : of.at([chunk.b, timeOf(chunk, t), chunk.group, n]);

/** The t-th step of a chunk, for vectors of channels, each with its registers. */
export interface Step {
  readonly chunk: Chunk;
  readonly t: k.Operand;
  readonly channels: readonly k.Expr[];
  /** Δ and Δ u. */
  readonly dt: readonly k.Variable[];
  readonly dtU: readonly k.Variable[];
}

/**
 * `fresh` at a step that starts anew, `carried` at all others. It is chosen, not multiplied by 0:
 * what is left behind may be NaN or infinite.
 */
export function unlessReset(
  { inputs: { reset } }: Scan, { chunk, t }: Step, fresh: k.Operand, carried: k.Expr,
): k.Expr {
  if (reset === undefined) return carried;
  const flag = reset.at([chunk.b, timeOf(chunk, t)]);
  return k.select(k.notEqual(flag, 0), fresh, carried);
}

/** Registers for the decay and for the new state of each cell. */
export const stateRegisters = (cells: readonly Cell[]): readonly k.Variable[][] =>
  registers(['a', 'h'], cells.map(({ d }) => d));

/** Sets registers to the decay and to the new state of each cell, given the old states. */
export function advance(
  scan: Scan, step: Step, cells: readonly Cell[], isSmall: boolean,
  [decays, next]: readonly k.Variable[][], stateOf: (cell: Cell) => k.Expr,
): k.Statements {
  const { inputs: { B }, sizes, scaledA } = scan;
  const { chunk, t, dt, dtU } = step;
  const exponents = cells.map(({ n, d, i }) => k.mul(dt[i], scaledA.at(n, d)));
  return [
    k.setExp2(decays, exponents, isSmall),
    cells.map((cell, j) => {
      const taken = k.mulAdd(dtU[cell.i], sharedAt(sizes, B, chunk, t, cell.n), TINY);
      const carried = k.mulAdd(decays[j], stateOf(cell), taken);
      return k.set(next[j], unlessReset(scan, step, taken, carried));
    }),
  ];
}
