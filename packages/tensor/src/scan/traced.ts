/**
 * The loop over time in a trace: the step is traced once, and the loop is one op of the program. To
 * save memory, a loop can be made of chunks: a loop over chunks, whose gradient keeps the state
 * before each alone, and in it a loop over the steps of a chunk, which runs again in the backward
 * pass (Chen et al., "Training deep nets with sublinear memory cost", 2016).
 */
import { Loop, traceBody } from '../compile/trace/loop.ts';
import { isFloat } from '../core/dtype.ts';
import { resolveAxis } from '../core/shape.ts';
import { currentMode, Tensor } from '../core/tensor.ts';
import { permute } from '../ops/movement.ts';
import { applyLoop } from './loopOp.ts';
import { tensorsIn, withTensors } from './tree.ts';
import { type AnyStep, axisOfOutput, type Course, type Scanned } from './unrolled.ts';

/** Applies a step to a state and each of the inputs; see `scan`. */
export function traced(
  step: AnyStep, initialState: unknown, inputs: unknown, course: Course,
): Scanned {
  const { checkpointEvery: size } = course;
  if (size === undefined) return oneLoop(step, initialState, inputs, course, false);
  if (size === 1) return oneLoop(step, initialState, inputs, course, true);
  return inChunks(step, initialState, inputs, course, size);
}

/** A scan in chunks of `size` steps, and one of the steps that are left at the end. */
function inChunks(
  step: AnyStep, initialState: unknown, inputs: unknown, { axis, reverse, length }: Course,
  size: number,
): Scanned {
  const cut = length - (length % size);
  const sequences = timeFirst(inputs, axis);
  const scanPart = (state: unknown, from: number, to: number): Scanned => {
    const part = sequences.map((x) => x.narrow(0, from, to - from));
    return from === cut
      ? oneLoop(step, state, withTensors(inputs, part), plain(reverse, to - from), false)
      : loopOverChunks(step, state, withTensors(inputs, part), plain(reverse, to - from), size);
  };
  const ends = [[0, cut], [cut, length]].filter(([from, to]) => from < to);
  const done: Scanned[] = [];
  for (const [from, to] of reverse ? ends.toReversed() : ends) {
    done.push(scanPart(done.at(-1)?.state ?? initialState, from, to));
  }
  const state = done.at(-1)?.state;
  const parts = (reverse ? done.toReversed() : done).map(
    ({ outputs }) => tensorsIn('the output', outputs),
  );
  const outputs = parts[0].map((first, i) => {
    const all = first.concat(parts.slice(1).map((own) => own[i]), 0);
    return moveAxis(all, 0, resolveAxis('scan', axis, all.ndim));
  });
  return { state, outputs: withTensors(done[0].outputs, outputs) };
}

/** A loop over chunks of `size` steps, of a length that is a multiple of that. */
function loopOverChunks(
  step: AnyStep, initialState: unknown, inputs: unknown, { reverse, length }: Course, size: number,
): Scanned {
  const ofChunk: AnyStep = (before, chunk) => {
    const { state, outputs } = oneLoop(step, before, chunk, plain(reverse, size), false);
    return { state, output: outputs };
  };
  const chunks = tensorsIn('inputs', inputs).map((x) => (
    x.reshape([length / size, size, ...x.shape.slice(1)])
  ));
  const { state, outputs } = oneLoop(
    ofChunk, initialState, withTensors(inputs, chunks), plain(reverse, length / size), true,
  );
  const joined = tensorsIn('the output', outputs).map((y) => (
    y.reshape([length, ...y.shape.slice(2)])
  ));
  return { state, outputs: withTensors(outputs, joined) };
}

/** A course along the first axis. */
function plain(reverse: boolean, length: number): Course {
  return { axis: 0, reverse, length };
}

/** A scan as one loop; `isCheckpointed` says whether gradients run each of its steps again. */
function oneLoop(
  step: AnyStep, initialState: unknown, inputs: unknown, course: Course, isCheckpointed: boolean,
): Scanned {
  const { axis, reverse, length } = course;
  const states = tensorsIn('the initial state', initialState);
  const sequences = timeFirst(inputs, axis);
  let output: unknown;
  const { body, assigned, captured } = traceBody({
    carries: states.length,
    count: states.length + sequences.length,
    f: (argument) => {
      const before = states.map((state, i) => (
        // A state may depend on what requires gradients after the first iteration.
        argument(state, i, currentMode().recording && isFloat(state.dtype))
      ));
      const elements = sequences.map(({ shape: [, ...shape], dtype, requiresGrad }, i) => (
        argument({ shape, dtype }, states.length + i, requiresGrad)
      ));
      const given = step(withTensors(initialState, before), withTensors(inputs, elements));
      output = given.output;
      return [...tensorsIn('the state', given.state), ...tensorsIn('the output', output)];
    },
  }, currentMode().tracer);
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

/** The tensors of the inputs, with the axis of the scan as their first. */
function timeFirst(inputs: unknown, axis: number): Tensor[] {
  return tensorsIn('inputs', inputs).map((x) => (
    moveAxis(x, resolveAxis('scan', axis, x.ndim), 0)
  ));
}

/** x with one axis moved to another place. */
function moveAxis(x: Tensor, from: number, to: number): Tensor {
  if (from === to) return x;
  const order = Array.from(x.shape, (_, axis) => axis).toSpliced(from, 1).toSpliced(to, 0, from);
  return permute(x, order);
}
