/** Mistakes in exercises/scan.ts. */
import * as scan from '../../../exercises/solutions/scan.ts';
import type { Mutant } from './mutant.ts';

type Inputs = scan.Inputs;

/** What a scan does at each number of the state. */
interface Parts {
  readonly decay: (given: Inputs, t: number, d: number, n: number) => number;
  readonly drive: (given: Inputs, t: number, d: number, n: number) => number;
  /** What is read, from the state before and after. */
  readonly read: (given: Inputs, before: number, after: number, t: number, n: number) => number;
  readonly place: (d: number) => number;
  readonly start: (given: Inputs) => number[][];
  readonly end: (given: Inputs, state: number[][]) => scan.Table;
  readonly sumOf: (terms: readonly number[]) => number;
}

/** The right scan, with some parts replaced. */
function scanning(wrong: Partial<Parts>): object {
  const parts: Parts = {
    decay: ({ delta, A }, t, d, n) => Math.exp(delta[t][d] * A[d][n]),
    drive: ({ delta, B, u }, t, d, n) => delta[t][d] * B[t][n] * u[t][d],
    read: ({ C }, _before, after, t, n) => C[t][n] * after,
    place: (d) => d,
    start: ({ initialState }) => initialState.map((row) => [...row]),
    end: (_given, state) => state,
    sumOf: (terms) => terms.reduce((a, b) => a + b, 0),
    ...wrong,
  };
  return {
    selectiveScan: (given: Inputs) => {
      const state = parts.start(given);
      const y = given.u.map((inputs, t) => inputs.map((_, d) => {
        const h = state[parts.place(d)];
        return parts.sumOf(given.A[d].map((_, n) => {
          const before = h[n];
          h[n] = parts.decay(given, t, d, n) * before + parts.drive(given, t, d, n);
          return parts.read(given, before, h[n], t, n);
        }));
      }));
      return { y, lastState: parts.end(given, state) };
    },
  };
}

/** The mistakes. */
export const mutants: readonly Mutant[] = [
  ['delta is forgotten where the input is written', scanning({
    drive: ({ B, u }, t, d, n) => B[t][n] * u[t][d],
  }), /^one step writes/, /delta · B · u/],
  ['the state is read before it is written', scanning({
    read: ({ C }, before, _after, t, n) => C[t][n] * before,
  }), /^one step writes/, /reads the state after it has written it/],
  ['C is forgotten', scanning({ read: (_given, _before, after) => after }),
    /^one step writes/, /y is C times/],
  ['the decay is 1 + ΔA, not its exponential', scanning({
    decay: ({ delta, A }, t, d, n) => 1 + delta[t][d] * A[d][n],
  }), /decays by exp/, /exponent has both delta and A/],
  ['delta is forgotten in the decay', scanning({
    decay: ({ A }, _t, d, n) => Math.exp(A[d][n]),
  }), /decays by exp/, /exponent has both delta and A/],
  ['the initial state is ignored', scanning({
    start: ({ initialState }) => initialState.map((row) => row.map(() => 0)),
  }), /decays by exp/, /initialState, decayed/],
  ['the initial state is changed', scanning({
    start: ({ initialState }) => initialState as number[][],
  }), /./, /changes its arguments/],
  ['every step uses the B of the first', scanning({
    drive: ({ delta, B, u }, t, d, n) => delta[t][d] * B[0][n] * u[t][d],
  }), /from step to step/, /delta\[t\], B\[t\] and C\[t\]/],
  ['only the last number of the state is read', scanning({
    sumOf: (terms) => terms[terms.length - 1],
  }), /adds up all numbers/, /sum over n/],
  ['channels share a state', scanning({ place: () => 0 }), /each channel has a state/, /index d/],
  ['channels share the first delta', scanning({
    decay: ({ delta, A }, t, d, n) => Math.exp(delta[t][0] * A[d][n]),
  }), /each channel has a state/, /index d/],
  ['the last state is that before the last step', {
    selectiveScan: (given: Inputs) => {
      const [last] = [given.u.length - 1];
      const { lastState } = scan.selectiveScan({ ...given, u: given.u.slice(0, last) });
      return { ...scan.selectiveScan(given), lastState };
    },
  }, /^one step writes/, /after the step it is delta/],
  ['an empty sequence has no last state', {
    selectiveScan: (given: Inputs) => {
      const result = scan.selectiveScan(given);
      const lastState = given.A.map((row) => row.map(() => 0));
      return given.u.length > 0 ? result : { ...result, lastState };
    },
  }, /cut in two/, /lastState is the state after the last step/],
];
