/**
 * The recurrence of a layer in one form, whatever its kind: each step takes some time, in which the
 * state decays at its rates; it writes products of B and u with a weight, and is read by C.
 *
 *     h_t = exp(time_t · rate) ⊙ h_{t−1} + Σ weight_t B_t u_t
 *
 * Mamba's channels are heads of one channel here. In Mamba-3, each step also writes B and u of the
 * step before it, with a weight of its own.
 */
import { fullLike, type Tensor, tensor } from '@mambagrad/tensor';
import type { Recurrence } from '../layers/recurrence.ts';
import { clearPadding, readFlags } from '../sequence/sequence.ts';

/** What a step writes: the products of u [B, L, R, D, P] and B [B, L, R, G, N], weighted. */
interface Write {
  readonly u: Tensor;
  readonly B: Tensor;
  /** [B, L, D] */
  readonly weight: Tensor;
}

/** B rows, L steps, R ranks, D heads or channels in G groups, N numbers of state. */
export interface Unrolled extends Write {
  /** How much time passes at each step, [B, L, D] */
  readonly time: Tensor;
  /** The rates of decay, negative, [D, K]: K is N, or 1 if all numbers of a state decay alike */
  readonly rate: Tensor;
  /** What is read, [B, L, R, G, N] */
  readonly C: Tensor;
  /** What a step also writes, of the step before it; undefined if nothing */
  readonly late: Write | undefined;
  /** The weight of a step in all later ones, [B, L, D]; undefined if it is `weight` */
  readonly laterWeight: Tensor | undefined;
  /** i32 [B, L], not 0 where the state is reset; undefined if it never is */
  readonly reset: Tensor | undefined;
  /** i32 [B, L], 0 at padding; undefined if there is none */
  readonly mask: Tensor | undefined;
  /** The number of the document of each step, from 0, [B, L]; undefined if there is only one */
  readonly document: Tensor | undefined;
}

/** The recurrence of all channels; at padding no time passes, and nothing is written or read. */
export function unroll(op: string, recurrence: Recurrence): Unrolled {
  const { u, delta, A, B, C, flags, trapezoid } = recurrence;
  const { reset, mask } = readFlags(op, flags, u.shape);
  const cleared = (x: Tensor) => clearPadding(x, mask);
  // To [B, L, R, D, P] and [B, L, R, G, N].
  const signal = (x: Tensor) =>
    cleared(x.ndim === 3 ? x.unsqueeze(2).unsqueeze(-1) : x.ndim === 4 ? x.unsqueeze(2) : x);
  const matrix = (x: Tensor) =>
    cleared(x.ndim === 3 ? x.unsqueeze(2).unsqueeze(2) : x.ndim === 4 ? x.unsqueeze(2) : x);
  const isPerStep = A.ndim === 3;
  const time = cleared(isPerStep ? delta.mul(A).neg() : delta);
  const late = trapezoid && {
    u: signal(trapezoid.lateU), B: matrix(trapezoid.lateB),
    weight: cleared(trapezoid.atStart).mul(time.neg().exp()),
  };
  return {
    time,
    rate: isPerStep ? fullLike(recurrence.D, -1).unsqueeze(-1) : A.reshape([A.shape[0], -1]),
    u: signal(u), B: matrix(B), C: matrix(C), late,
    weight: cleared(trapezoid?.atEnd ?? delta),
    laterWeight: trapezoid && cleared(trapezoid.later),
    reset, mask, document: reset?.cast(u.dtype).cumsum(1),
  };
}

/** The recurrence of the given channels; then G is 1 or their number. */
export function ofChannels(all: Unrolled, channels: readonly number[]): Unrolled {
  const size = all.rate.shape[0];
  const take = (x: Tensor, axis: number) => takeOf(x, axis, channels);
  const isAll = channels.length === size && channels.every((channel, i) => channel === i);
  // Groups of channels next to each other share B and C.
  const ofGroups = (x: Tensor) => {
    const groups = x.shape[3];
    if (groups === 1 || (isAll && groups === size)) return x;
    return takeOf(x, 3, channels.map((channel) => Math.floor((channel * groups) / size)));
  };
  const write = ({ u, B, weight }: Write) =>
    ({ u: take(u, 3), B: ofGroups(B), weight: take(weight, 2) });
  if (isAll) return { ...all, B: ofGroups(all.B), C: ofGroups(all.C) };
  return {
    ...all, ...write(all), time: take(all.time, 2), rate: take(all.rate, 0), C: ofGroups(all.C),
    late: all.late && write(all.late), laterWeight: all.laterWeight && take(all.laterWeight, 2),
  };
}

/** The elements of an axis with the given numbers. */
export function takeOf(x: Tensor, axis: number, numbers: readonly number[]): Tensor {
  return x.indexSelect(axis, tensor(Int32Array.from(numbers)));
}

/** What is written at some steps, [B, T, D, P, N]. */
export function writtenBy({ u, B, weight }: Write, steps: (x: Tensor) => Tensor): Tensor {
  const products = steps(u).unsqueeze(-1).mul(steps(B).unsqueeze(-2));
  return products.sum(2).mul(steps(weight).unsqueeze(-1).unsqueeze(-1));
}
