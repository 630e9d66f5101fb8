/** The check of exercises/scan.ts. */
import fc from 'fast-check';
import type * as solution from '../solutions/scan.ts';
import type { Inputs, Outputs } from '../solutions/scan.ts';
import { type Exercise, property } from './check.ts';
import { nonZero, numbers, oneOf, tableOf } from './draw.ts';

type Module = typeof solution;

/** The sizes of an input, each drawn up to this. */
interface Sizes {
  readonly length: number;
  readonly channels: number;
  readonly states: number;
}

const rates = oneOf(-1, -2, -0.5, -1.5);
const zero = fc.constant(0);

/** What the parts of an input are drawn from. */
interface Parts {
  readonly delta: fc.Arbitrary<number>;
  readonly u: fc.Arbitrary<number>;
  readonly initialState: fc.Arbitrary<number>;
  readonly readAndWrite: fc.Arbitrary<number>;
}

const anything: Parts = {
  delta: oneOf(1, 2, 0, 0.5), u: numbers, initialState: numbers, readAndWrite: numbers,
};

/** Inputs of exactly these sizes. */
function inputsOf(
  { length: L, channels: D, states: N }: Sizes, parts: Partial<Parts> = {},
): fc.Arbitrary<Inputs> {
  const { delta, u, initialState, readAndWrite } = { ...anything, initialState: zero, ...parts };
  return fc.record({
    u: tableOf(L, D, u), delta: tableOf(L, D, delta), A: tableOf(D, N, rates),
    B: tableOf(L, N, readAndWrite), C: tableOf(L, N, readAndWrite),
    initialState: tableOf(D, N, initialState),
  });
}

/** Inputs of all sizes up to these. */
function inputsUpTo(most: Sizes, parts: Partial<Parts> = {}): fc.Arbitrary<Inputs> {
  const size = (max: number) => fc.integer({ min: 1, max });
  return fc.record({
    length: size(most.length), channels: size(most.channels), states: size(most.states),
  }).chain((sizes) => inputsOf(sizes, parts));
}

/** The outputs, one number of the state at a time: each is a recurrence by itself. */
function expectedOf({ u, delta, A, B, C, initialState }: Inputs): Outputs {
  const histories = A.map((rates, d) => rates.map((rate, n) => {
    let h = initialState[d][n];
    return u.map((inputs, t) => (
      h = Math.exp(delta[t][d] * rate) * h + delta[t][d] * B[t][n] * inputs[d]
    ));
  }));
  return {
    y: u.map((inputs, t) => inputs.map((_, d) => (
      histories[d].reduce((sum, states, n) => sum + C[t][n] * states[t], 0)
    ))),
    lastState: histories.map((row, d) => (
      row.map((states, n) => states.at(-1) ?? initialState[d][n])
    )),
  };
}

const one: Sizes = { length: 1, channels: 1, states: 1 };
const ones = fc.constant(1);

/** A property of the whole result. */
const ofAll = (says: string, because: string, inputs: fc.Arbitrary<Inputs>) =>
  property<Module, Inputs>({
    says, because, inputs,
    expected: expectedOf,
    given: ({ selectiveScan }, given) => selectiveScan(given),
  });

/** The exercise on Mamba's recurrence. */
export const scan: Exercise<Module> = {
  name: 'scan',
  title: 'A selective scan',
  exports: ['selectiveScan'],
  properties: [
    ofAll(
      'one step writes delta · B · u into the state, and reads it times C',
      'The state was 0, so after the step it is delta · B · u, and y is C times that. The step ' +
        'reads the state after it has written it.',
      inputsOf(one),
    ),
    ofAll(
      'before it is written to, the state decays by exp(delta · A)',
      'Here u is 0, so nothing is written; the state is initialState, decayed. The exponent has ' +
        'both delta and A in it.',
      inputsOf(one, { u: zero, readAndWrite: ones, initialState: nonZero }),
    ),
    ofAll(
      'a step with delta = 0 changes nothing',
      'exp(0) is 1, and delta · B · u is 0: the state stays, and is read.',
      inputsOf(one, { delta: zero, readAndWrite: nonZero, initialState: nonZero }),
    ),
    ofAll(
      'the state goes on from step to step, each with its own delta, B and C',
      'Step t uses delta[t], B[t] and C[t]; its old state is that after step t − 1.',
      inputsOf({ length: 2, channels: 1, states: 1 }),
    ),
    ofAll(
      'a channel adds up all numbers of its state, each times its C',
      'y[t][d] is a sum over n, from 0 for every step and channel.',
      inputsOf({ length: 1, channels: 1, states: 2 }),
    ),
    ofAll(
      'each channel has a state, a delta and rates of its own',
      'Nothing of one channel may reach another: look for an index d that is missing.',
      inputsOf({ length: 1, channels: 2, states: 1 }, { initialState: numbers }),
    ),
    ofAll(
      'with any number of steps, channels and states it is the recurrence',
      'All parts are right by themselves; look at the order of the loops.',
      inputsUpTo({ length: 4, channels: 3, states: 3 }, { initialState: numbers }),
    ),
    property<Module, { readonly inputs: Inputs; readonly cut: number }>({
      says: 'a sequence that is cut in two goes on from the last state of the first part',
      because: 'lastState is the state after the last step, initialState that before the first.',
      inputs: fc.record({
        inputs: inputsUpTo({ length: 4, channels: 2, states: 2 }, { initialState: numbers }),
        cut: fc.nat(4),
      }),
      show: ({ inputs, cut }) => ({ ...inputs, 'cut before step': cut }),
      expected: ({ inputs }) => expectedOf(inputs),
      given: ({ selectiveScan }, { inputs, cut }) => {
        const { u, delta, B, C } = inputs;
        const part = (from: number, to?: number) => ({
          u: u.slice(from, to), delta: delta.slice(from, to), B: B.slice(from, to),
          C: C.slice(from, to),
        });
        const first = selectiveScan({ ...inputs, ...part(0, cut) });
        const rest = { ...inputs, ...part(cut), initialState: first.lastState };
        const second = selectiveScan(rest);
        return { y: [...first.y, ...second.y], lastState: second.lastState };
      },
    }),
  ],
  hints: [
    'Copy the initial state first: `const h = initialState.map((row) => [...row]);`. Then loop ' +
      'over the steps t, inside over the channels d, inside over n.',
    'For every t and d begin with a sum of 0. For each n: let h[d][n] decay, add what is ' +
      'written, and only then add C[t][n] · h[d][n] to the sum.',
    'The decay is Math.exp(delta[t][d] * A[d][n]); the input writes delta[t][d] * B[t][n] * ' +
      'u[t][d]. Return { y, lastState: h }.',
  ],
};
