/**
 * `scan` as an op with the loop as its attributes: its results, its reference loop, and what is
 * kept for its gradient. If a gradient may be needed, all that the body computes is put out as
 * well; a compiled program leaves out again what its gradient does not read.
 */
import { Loop, rearranged } from '../compile/trace/loop.ts';
import type { Step } from '../compile/trace/trace.ts';
import { defineMultiPrimitive } from '../core/primitive.ts';
import { currentMode, type Tensor } from '../core/tensor.ts';
import { gradientRule } from './gradient.ts';
import { withoutInvariants } from './invariants.ts';
import { runLoop } from './reference.ts';

const scanPrimitive = defineMultiPrimitive<Loop>({
  name: 'scan',
  infer: (_inputs, loop) => loop.resultSpecs(),
  compute: runLoop,
  gradient: (cotangents, results, inputs, loop) =>
    gradientRule({ cotangents, results, inputs, loop }, applyLoop),
});

/** Applies a loop to its inputs; gives the carries that it leaves, and its outputs. */
export function applyLoop(given: Loop, to: readonly Tensor[]): readonly Tensor[] {
  const { length: count } = given.body.results;
  const { loop, inputs } = withoutInvariants(given, to);
  const changing = withoutUnchanged(loop);
  if (changing !== undefined) {
    const { order, unchanged } = changing;
    const results = applyLoop(changing.loop, order.map((input) => inputs[input]));
    let next = 0;
    return Array.from({ length: count }, (_, i) => (
      unchanged.includes(i) ? inputs[i] : results[next++]
    ));
  }
  if (count === 0) return [];
  const isRecorded = currentMode().recording && inputs.some(({ requiresGrad }) => requiresGrad);
  return scanPrimitive(inputs, isRecorded ? keeping(loop) : loop).slice(0, count);
}

/** A loop whose carries all change; undefined if they do. The others are read from outside. */
function withoutUnchanged(
  { body, shape }: Loop,
): { loop: Loop; order: number[]; unchanged: number[] } | undefined {
  const { carries, states, sequences } = shape;
  const all = body.inputs.map((_, i) => i);
  const unchanged = all.slice(0, carries).filter((i) => body.results[i] === body.inputs[i]);
  if (unchanged.length === 0) return undefined;
  const changing = (numbers: readonly number[]): number[] =>
    numbers.filter((i) => !unchanged.includes(i));
  const order = [
    ...changing(all.slice(0, carries + sequences)), ...unchanged, ...all.slice(carries + sequences),
  ];
  const results = body.results.filter((_, i) => !unchanged.includes(i));
  const loop = new Loop(rearranged(body, order, results), {
    ...shape,
    carries: carries - unchanged.length,
    states: changing(all.slice(0, states)).length,
  });
  return { loop, order, unchanged };
}

/**
 * The loop with more outputs: the carries before each iteration, and all that its steps make. What
 * is only moved, as a part or a transpose, is not kept: it is moved again.
 */
function keeping(loop: Loop): Loop {
  const { body, shape } = loop;
  if (loop.isKept) return loop;
  const kept = body.steps.filter((step) => !shape.isCheckpointed && !isMove(step));
  const made = kept.flatMap(({ outputs }) => outputs);
  const results = [...body.results, ...body.inputs.slice(0, shape.carries), ...made];
  return new Loop({ ...body, results }, shape);
}

/** Whether a step computes nothing: its elements are those of its input. */
function isMove({ primitive, inputs, attributes, outputs }: Step): boolean {
  if (primitive.sharesData) return true;
  const lowering = primitive.lower?.(inputs, attributes, outputs);
  return Array.isArray(lowering) && lowering.every((each) => 'move' in each);
}
