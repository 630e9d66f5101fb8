/**
 * The recurrence of a state space layer, as a value. Projections of the input choose Δ, B and C.
 * Once they are known, the rest of the layer is linear in its signal u:
 *
 *     h_t = exp(Δ_t A) ⊙ h_{t−1} + Δ_t B_t u_t,     y_t = C_t · h_t + D ⊙ u_t
 *
 * Each layer makes this value for an input, reports it, and runs it. Usually nobody listens; within
 * `recordRecurrences` the reports are kept, so that `observe` can show what a model does with an
 * input. Nothing is computed for this that the layer does not compute anyway.
 */
import type { Module } from '@mambagrad/nn';
import type { Tensor } from '@mambagrad/tensor';
import type { SequenceFlags } from '../sequence/sequence.ts';

/**
 * The recurrence that a layer runs: B rows, L steps, D channels with N numbers of state each. In
 * Mamba-2 there are H heads of P channels instead, and G groups of heads that share B and C.
 */
export interface Recurrence {
  /** The signal, [B, L, D]; of heads [B, L, H, P] */
  readonly u: Tensor;
  /** The step sizes Δ, [B, L, D]; of heads [B, L, H] */
  readonly delta: Tensor;
  /** The rates of decay, negative: [D, N]; of heads [H] */
  readonly A: Tensor;
  /** The input matrix, [B, L, N]; of groups [B, L, G, N] */
  readonly B: Tensor;
  /** The output matrix, as B */
  readonly C: Tensor;
  /** The skip connection, [D]; of heads [H] or [H, P] */
  readonly D: Tensor;
  /** The state before the first step, [B, D, N] or [B, H, P, N]; undefined if it is zero */
  readonly initialState: Tensor | undefined;
  /** Where the state is reset, and which steps are padding */
  readonly flags: SequenceFlags;
}

/** A recurrence, and the layer that ran it. */
export interface Report {
  readonly layer: Module;
  readonly recurrence: Recurrence;
}

/** Where reports go; undefined while nobody listens. */
let listener: Report[] | undefined;

/** Reports the recurrence that a layer is about to run. */
export function report(layer: Module, recurrence: Recurrence): void {
  listener?.push({ layer, recurrence });
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
