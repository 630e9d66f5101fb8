/**
 * The reference loop of `scan`: the body's steps, one by one, on arrays of each position. It runs
 * where a program has no kernels for the body.
 */
import type { Loop } from '../compile/trace/loop.ts';
import { specOf, type Step, type Value } from '../compile/trace/trace.ts';
import { arrayFor } from '../core/memory.ts';
import { numelOf, type Shape } from '../core/shape.ts';
import { type NDArray, Tensor } from '../core/tensor.ts';

/** An element of a sequence: a part of its array. */
function elementAt({ shape: [, ...shape], data }: NDArray, position: number): NDArray {
  const numel = numelOf(shape);
  return { shape, data: data.subarray(position * numel, (position + 1) * numel) };
}

/** Runs all iterations of a loop. */
export function runLoop(
  inputs: readonly NDArray[], outputs: readonly NDArray[], loop: Loop,
): void {
  const { body, length, shape: { carries, sequences } } = loop;
  let carried = inputs.slice(0, carries);
  for (let i = 0; i < length; i++) {
    const position = loop.positionOf(i);
    const elements = inputs.slice(carries, carries + sequences).map(
      (sequence) => elementAt(sequence, position),
    );
    const given = [...carried, ...elements, ...inputs.slice(carries + sequences)];
    const results = runBody(body.steps, new Map(body.inputs.map((value, n) => [value, given[n]])))(
      body.results,
    );
    carried = results.slice(0, carries);
    for (let n = carries; n < results.length; n++) {
      elementAt(outputs[n], position).data.set(results[n].data);
    }
  }
  carried.forEach(({ data }, n) => outputs[n].data.set(data));
}

/** Runs steps on the values that are known, and gives a function that finds the arrays of others. */
function runBody(
  steps: readonly Step[], arrays: Map<Value, NDArray>,
): (values: readonly Value[]) => NDArray[] {
  const arrayOf = (value: Value): NDArray => {
    const { from, shape } = value;
    return arrays.get(value) ?? (from instanceof Tensor ? { shape, data: from.data } : missing(shape));
  };
  for (const { primitive, attributes, inputs, outputs } of steps) {
    const given = inputs.map(arrayOf);
    const made = outputs.map((output): NDArray => {
      if (primitive.sharesData) return { shape: output.shape, data: given[0].data };
      return { shape: output.shape, data: arrayFor(primitive.name, specOf(output)) };
    });
    if (!primitive.sharesData) primitive.compute(given, made, attributes);
    outputs.forEach((output, i) => arrays.set(output, made[i]));
  }
  return (values) => values.map(arrayOf);
}

function missing(shape: Shape): never {
  throw new Error(`scan: a value of shape [${shape.join(', ')}] is used before it is made`);
}
