/** A solution of exercises/scan.ts. */

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
  const h = initialState.map((row) => [...row]);
  const y = u.map((inputs, t) => inputs.map((input, d) => {
    let sum = 0;
    for (let n = 0; n < h[d].length; n++) {
      const decayed = Math.exp(delta[t][d] * A[d][n]) * h[d][n];
      h[d][n] = decayed + delta[t][d] * B[t][n] * input;
      sum += C[t][n] * h[d][n];
    }
    return sum;
  }));
  return { y, lastState: h };
}
