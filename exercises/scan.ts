/**
 * A selective scan
 *
 * The heart of Mamba. There are several channels, and each has a state h of N numbers. At every
 * step t, channel d with its input `u[t][d]` does this for each number n of its state:
 *
 *     h[d][n]  ←  exp(delta[t][d] · A[d][n]) · h[d][n]  +  delta[t][d] · B[t][n] · u[t][d]
 *
 * The first term lets the old state decay (A is negative), the second writes the input into it.
 * Then the channel reads its state, which has just been written:
 *
 *     y[t][d]  =  Σ over n   C[t][n] · h[d][n]
 *
 * It is selective because delta, B and C differ from step to step. Where delta is 0, a step changes
 * nothing.
 *
 * Write the loop. It begins with `initialState`, which it must not change, and also gives the state
 * after the last step.
 *
 * Check it with `npm run exercise scan`; add `-- --hint` for a hint.
 */

/** Rows of numbers. */
export type Table = readonly (readonly number[])[];

/** The inputs: L steps, D channels, N numbers of state for each channel. */
export interface Inputs {
  /** L rows of D numbers. */
  readonly u: Table;
  /** L rows of D numbers from 0. */
  readonly delta: Table;
  /** D rows of N negative numbers. */
  readonly A: Table;
  /** L rows of N numbers. */
  readonly B: Table;
  /** L rows of N numbers. */
  readonly C: Table;
  /** D rows of N numbers. */
  readonly initialState: Table;
}

/** The outputs: y has L rows of D numbers, lastState D rows of N. */
export interface Outputs {
  readonly y: Table;
  readonly lastState: Table;
}

/** Runs the recurrence over all steps. */
export function selectiveScan({ u, delta, A, B, C, initialState }: Inputs): Outputs {
  throw new Error('selectiveScan is not written yet');
}
