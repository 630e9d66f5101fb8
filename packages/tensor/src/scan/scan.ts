/**
 * The loop over time. A step takes a state and one input to the next state and an output, and
 * `scan` applies it to one input after the other:
 *
 *     (state_t, output_t) = step(state_{t−1}, input_t),        t = 1 … L
 *
 * It is JAX's `lax.scan`. Eagerly the loop runs as it stands (unrolled.ts). In a compiled function
 * the step is traced once, and becomes the body of a loop in the program (traced.ts): a thousand
 * steps are compiled as fast as ten.
 */
import {
  axisNumber, boolean, callable, checkArgument, readOptions, type Table, whole,
} from '../core/options.ts';
import { check, failure, resolveAxis } from '../core/shape.ts';
import { currentMode, type Tensor } from '../core/tensor.ts';
import { traced } from './traced.ts';
import { structureOf, tensorsIn } from './tree.ts';
import { type AnyStep, unrolled } from './unrolled.ts';

/** The result of a step. */
export interface ScanStep<State, Output> {
  /** The next state, with the structure, shapes and dtypes of the one before. */
  readonly state: State;
  /** The step's output, if it has one: a tree of tensors, of the same structure each time. */
  readonly output?: Output | undefined;
}

/** The result of a scan. */
export interface ScanResult<State, Output> {
  /** The state after the last step. */
  readonly state: State;
  /** The outputs of all steps, stacked along the axis; each stands where its input does. */
  readonly outputs: Output;
}

/** Options of `scan`: the axis, the direction, and what is kept for gradients. */
export interface ScanOptions {
  /** The axis of the inputs along which the scan goes, and that of the outputs. Default 0. */
  readonly axis?: number | undefined;
  /** Whether to go from the last input to the first. Default false. */
  readonly reverse?: boolean | undefined;
  /** The number of steps; needed only if there are no inputs, as they have one each. */
  readonly length?: number | undefined;
  /**
   * In a compiled function, for gradients: keeps the state before every so many steps alone, and
   * computes all between again in the backward pass, which saves memory and takes longer. By
   * default everything that gradients need is kept.
   */
  readonly checkpointEvery?: number | undefined;
}

const scanOptions = {
  axis: axisNumber.orElse(0),
  reverse: boolean.orElse(false),
  length: whole(1).optional(),
  checkpointEvery: whole(1).optional(),
} satisfies Table<ScanOptions>;

/**
 * Applies `step` to a state and each of the inputs in turn: slices of the tensors in `inputs` along
 * `axis`. State, inputs and outputs are trees of tensors: a tensor, or plain objects and arrays of
 * them. The step may read any tensor from outside, and assign to state from outside.
 *
 *     const { state, outputs } = scan(
 *       (h: Tensor, x: Tensor) => {
 *         const next = h.matmul(W).add(x).tanh();
 *         return { state: next, output: next };
 *       },
 *       zeros([batch, hidden]), x, { axis: 1 },
 *     );
 *
 * Gradients reach the first state, the inputs, and all that the step reads from outside, any number
 * of times. In a compiled function the step is traced once: it must do the same in every step.
 *
 * Throws if the step changes the structure, a shape or a dtype of the state; if the tensors of the
 * inputs have different lengths, or none; and if there are no inputs and no `length`.
 */
export function scan<State, Input, Output = undefined>(
  step: (state: State, input: Input) => ScanStep<State, Output>,
  initialState: State,
  inputs: Input,
  options: ScanOptions = {},
): ScanResult<State, Output> {
  const { length: asked, ...how } = readOptions('scan', options, scanOptions);
  checkArgument('scan', 'step', step, callable());
  const stateStructure = structureOf('the initial state', initialState);
  const sequences = tensorsIn('inputs', inputs);
  const course = { ...how, length: lengthOf(sequences, how.axis, asked) };
  let outputStructure: string | undefined;
  const checked: AnyStep = (state, input) => {
    const given = step(state as State, input as Input);
    check(Object(given) === given && 'state' in given)`scan: the step gave ${given}, expected
      { state, output }`;
    const structure = structureOf('the state that the step gave', given.state);
    check(structure === stateStructure)`scan: the step gave the state ${structure}, and was given
      ${stateStructure}; its structure, shapes and dtypes must stay the same`;
    const output = structureOf('the output', given.output);
    outputStructure ??= output;
    check(output === outputStructure)`scan: the step gave the output ${output}, and before
      ${outputStructure}; it must be the same in each step`;
    return given;
  };
  const run = currentMode().tracer ? traced : unrolled;
  return run(checked, initialState, inputs, course) as ScanResult<State, Output>;
}

/** The length that all sequences have along the axis. */
function lengthOf(sequences: readonly Tensor[], axis: number, asked: number | undefined): number {
  const lengths = sequences.map(({ shape }) => shape[resolveAxis('scan', axis, shape.length)]);
  const length = lengths[0] ?? asked;
  if (length === undefined) {
    throw failure`scan: there are no inputs; expected the option length`;
  }
  const other = lengths.findIndex((own) => own !== length);
  check(other < 0)`scan: inputs have different lengths along axis ${axis}: tensor 0 is
    ${sequences[0]}, tensor ${other} is ${sequences[other]}`;
  check(asked === undefined || asked === length)`scan: length is ${asked}, and the inputs have
    length ${length}`;
  check(length > 0)`scan: the inputs have length 0, expected at least one step`;
  return length;
}
