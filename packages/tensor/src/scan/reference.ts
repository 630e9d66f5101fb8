/**
 * The reference loop of `scan`: the body's steps, one by one, on arrays of each position. It runs
 * where a program has no kernels for the body.
 */
import type { Body, Loop } from '../compile/trace/loop.ts';
import { specOf, type Value } from '../compile/trace/trace.ts';
import { arrayFor } from '../core/memory.ts';
import { numelOf } from '../core/shape.ts';
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
  const outer = inputs.slice(carries + sequences);
  let carried = inputs.slice(0, carries);
  for (let i = 0; i < length; i++) {
    const position = loop.positionOf(i);
    const elements = inputs.slice(carries, carries + sequences).map(
      (sequence) => elementAt(sequence, position),
    );
    const results = runBody(body, [...carried, ...elements, ...outer]);
    carried = results.slice(0, carries);
    for (let n = carries; n < results.length; n++) {
      elementAt(outputs[n], position).data.set(results[n].data);
    }
  }
  carried.forEach(({ data }, n) => outputs[n].data.set(data));
}

/** The results of one iteration. */
function runBody(body: Body, given: readonly NDArray[]): NDArray[] {
  const arrays = new Map<Value, NDArray>(body.inputs.map((value, i) => [value, given[i]]));
  const arrayOf = (value: Value): NDArray => {
    const { from, shape } = value;
    const known = arrays.get(value) ?? (from instanceof Tensor && { shape, data: from.data });
    if (known) return known;
    throw new Error('scan: a value is used before it is made');
  };
  for (const { primitive, attributes, inputs, outputs } of body.steps) {
    const read = inputs.map(arrayOf);
    const made = outputs.map((output): NDArray => {
      if (primitive.sharesData) return { shape: output.shape, data: read[0].data };
      return { shape: output.shape, data: arrayFor(primitive.name, specOf(output)) };
    });
    if (!primitive.sharesData) primitive.compute(read, made, attributes);
    outputs.forEach((output, i) => arrays.set(output, made[i]));
  }
  return body.results.map(arrayOf);
}
