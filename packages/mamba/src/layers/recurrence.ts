/**
 * The recurrence of a state space layer, as a value. Projections of the input choose Δ, B and C.
 * Once they are known, the rest of the layer is linear in its signal u:
 *
 *     h_t = exp(Δ_t A) ⊙ h_{t−1} + Δ_t B_t u_t,     y_t = C_t · h_t + D ⊙ u_t
 *
 * Each layer reports this value for an input and runs it. Usually nobody listens; within
 * `recordRecurrences` the reports are kept, so that `observe` can show what a model does with an
 * input. A report holds tensors that the layer computes anyway.
 */
import type { Module } from '@mambagrad/nn';
import type { Tensor } from '@mambagrad/tensor';
import type { SequenceFlags } from '../sequence/sequence.ts';

/**
 * The recurrence that a layer runs: B rows, L steps, D channels with N numbers of state each. In
 * Mamba-2 and Mamba-3 there are H heads of P channels instead. Groups of heads may share B and C (G
 * groups), and with MIMO a step has R ranks, of which each writes and reads.
 */
export interface Recurrence {
  /** The signal, [B, L, D]; of heads [B, L, H, P]; of ranks [B, L, R, H, P] */
  readonly u: Tensor;
  /** The step sizes Δ, [B, L, D]; of heads [B, L, H] */
  readonly delta: Tensor;
  /** The rates of decay, negative: [D, N]; of heads [H]; in Mamba-3 of each step, [B, L, H] */
  readonly A: Tensor;
  /** The input matrix, [B, L, N]; of groups [B, L, G, N]; of ranks [B, L, R, H, N] */
  readonly B: Tensor;
  /** The output matrix, as B */
  readonly C: Tensor;
  /** The skip connection, [D]; of heads [H] or [H, P] */
  readonly D: Tensor;
  /** The state before the first step, [B, D, N] or [B, H, P, N]; undefined if it is zero */
  readonly initialState: Tensor | undefined;
  /** Where the state is reset, and which steps are padding */
  readonly flags: SequenceFlags;
  /** How steps write at both of their ends, in Mamba-3; else each writes Δ_t B_t u_t at its end */
  readonly trapezoid?: Trapezoid | undefined;
}

/**
 * The writes of a step by the trapezoid rule: at its end `atEnd` · B u, and at its start the B u of
 * the step before it that counts, which decays with the rest of the state in this step.
 */
export interface Trapezoid {
  /** The factor at the end of a step, λ Δ, [B, L, H] */
  readonly atEnd: Tensor;
  /** The factor of a step in all later ones: atEnd and what the next step adds, [B, L, H] */
  readonly later: Tensor;
  /** The factor of the step before at the start of this one, (1 − λ) Δ, [B, L, H] */
  readonly atStart: Tensor;
  /** u of the step before; 0 at the first, as that is a part of `initialState` */
  readonly lateU: Tensor;
  /** B of the step before */
  readonly lateB: Tensor;
}

/** A recurrence, and the layer that ran it. */
export interface Report {
  readonly layer: Module;
  readonly recurrence: Recurrence;
}

/** Where reports go; undefined while nobody listens. */
let listener: Report[] | undefined;

/** Reports the recurrence that a layer is about to run; it is made only if somebody listens. */
export function report(layer: Module, recurrence: () => Recurrence): void {
  listener?.push({ layer, recurrence: recurrence() });
}

/** The result of f, and the recurrences that were run in it, in the order in which they began. */
export function recordRecurrences<Result>(
  f: () => Result,
): { result: Result; reports: readonly Report[] } {
  const outer = listener;
  const reports: Report[] = [];
  listener = reports;
  try {
    return { result: f(), reports };
  } finally {
    listener = outer;
  }
}
