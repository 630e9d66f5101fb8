/**
 * Loop invariants: steps of a body that read nothing but what comes from outside the loop are the
 * same in each iteration. They are applied once, before the loop, and their gradients are computed
 * once, after the loop in reverse has added up what arrives at them.
 *
 *     for t:  h = exp(A) · h + x[t]          →          E = exp(A);  for t:  h = E · h + x[t]
 */
import { type Body, Loop } from '../compile/trace/loop.ts';
import { specOf, type Step, type Value } from '../compile/trace/trace.ts';
import { apply } from '../core/primitive.ts';
import { numelOf } from '../core/shape.ts';
import { Tensor, withMode } from '../core/tensor.ts';

/** A loop without the invariants of its body, and its inputs, to which their results are added. */
export function withoutInvariants(
  loop: Loop, inputs: readonly Tensor[],
): { loop: Loop; inputs: readonly Tensor[] } {
  const { body, shape: { carries, sequences } } = loop;
  const outer = new Map<Value, Tensor>(
    body.inputs.map((value, i) => [value, inputs[i]] as const).slice(carries + sequences),
  );
  const hoisted = new Map<Value, Value>();
  const steps = body.steps.filter((step) => {
    if (!isInvariant(step, outer)) return true;
    const results = applyOutside(step, outer);
    step.outputs.forEach((output, i) => {
      outer.set(output, results[i]);
      hoisted.set(output, { ...specOf(output), from: body.inputs.length + hoisted.size });
    });
    return false;
  });
  if (hoisted.size === 0) return { loop, inputs };
  const resolve = (value: Value): Value => hoisted.get(value) ?? value;
  const smaller: Body = {
    ...body,
    inputs: [...body.inputs, ...hoisted.values()],
    steps: steps.map((step) => ({ ...step, inputs: step.inputs.map(resolve) })),
    results: body.results.map(resolve),
  };
  const added = [...hoisted.keys()].flatMap((value) => outer.get(value) ?? []);
  return { loop: new Loop(smaller, loop.shape), inputs: [...inputs, ...added] };
}

/**
 * Whether a step reads only what is known outside. One that makes an array larger than all that it
 * reads stays, as to compute it is less work than to read it.
 */
function isInvariant({ inputs, outputs }: Step, outer: ReadonlyMap<Value, Tensor>): boolean {
  const isKnown = inputs.every((input) => outer.has(input) || input.from instanceof Tensor);
  const sizes = inputs.map(({ shape }) => numelOf(shape));
  return isKnown && outputs.every(({ shape }) => numelOf(shape) <= Math.max(...sizes));
}

function applyOutside(
  { primitive, attributes, inputs, isRecorded }: Step, outer: ReadonlyMap<Value, Tensor>,
): readonly Tensor[] {
  const given = inputs.flatMap((input) => {
    const { from } = input;
    return outer.get(input) ?? (from instanceof Tensor ? from : []);
  });
  const change = isRecorded ? {} : { recording: false };
  return withMode('scan', change, () => apply(primitive, given, attributes));
}
