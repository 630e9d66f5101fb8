/**
 * The loop over time in a trace: the step is traced once, and the loop is one op of the program.
 */
import { Loop, traceBody } from '../compile/trace/loop.ts';
import { isFloat } from '../core/dtype.ts';
import { resolveAxis } from '../core/shape.ts';
import { mode, Tensor } from '../core/tensor.ts';
import { permute } from '../ops/movement.ts';
import { applyLoop } from './loopOp.ts';
import { tensorsIn, withTensors } from './tree.ts';
import { type AnyStep, axisOfOutput, type Course } from './unrolled.ts';

/** Applies a step to a state and each of the inputs; see `scan`. */
export function traced(
  step: AnyStep, initialState: unknown, inputs: unknown, course: Course, isCheckpointed = false,
): { state: unknown; outputs: unknown } {
  const { axis, reverse, length } = course;
  const states = tensorsIn('the initial state', initialState);
  const sequences = tensorsIn('inputs', inputs).map((x) => (
    moveAxis(x, resolveAxis('scan', axis, x.ndim), 0)
  ));
  let output: unknown;
  const { body, assigned, captured } = traceBody({
    carries: states.length,
    count: states.length + sequences.length,
    f: (argument) => {
      const before = states.map((state, i) => (
        // A state may depend on what requires gradients after the first iteration.
        argument(state, i, mode.recording && isFloat(state.dtype))
      ));
      const elements = sequences.map(({ shape: [, ...shape], dtype, requiresGrad }, i) => (
        argument({ shape, dtype }, states.length + i, requiresGrad)
      ));
      const given = step(withTensors(initialState, before), withTensors(inputs, elements));
      output = given.output;
      return [...tensorsIn('the state', given.state), ...tensorsIn('the output', output)];
    },
  }, mode.tracer);
  const specs = tensorsIn('the output', output);
  const loop = new Loop(body, {
    carries: states.length + assigned.length, states: states.length,
    sequences: sequences.length, outputs: specs.length, length, reverse, isCheckpointed,
  });
  const results = applyLoop(loop, [...states, ...assigned, ...sequences, ...captured]);
  const [after, others] = [results.slice(0, states.length), results.slice(states.length)];
  assigned.forEach((tensor, i) => tensor.assign(others[i]));
  const outputs = others.slice(assigned.length).map((sequence, i) => (
    moveAxis(sequence, 0, axisOfOutput(axis, specs[i]))
  ));
  return { state: withTensors(initialState, after), outputs: withTensors(output, outputs) };
}

/** x with one axis moved to another place. */
function moveAxis(x: Tensor, from: number, to: number): Tensor {
  if (from === to) return x;
  const order = Array.from(x.shape, (_, axis) => axis).toSpliced(from, 1).toSpliced(to, 0, from);
  return permute(x, order);
}
