/**
 * Hoisting of loop invariants: steps of a loop's body that read nothing but what comes from outside
 * the loop are the same in each iteration, so they are moved before it.
 *
 *     for t:  h = exp(A) · h + x[t]          →          E = exp(A);  for t:  h = E · h + x[t]
 *
 * A step that only moves elements stays where it is, as it is fused with whatever reads it.
 */
import { Loop } from '../trace/loop.ts';
import { specOf, type Step, type Value } from '../trace/trace.ts';

/** A step that is a loop, and before it those of its body's steps that are hoisted. */
export function hoistInvariants(step: Step): readonly Step[] {
  const { attributes: loop } = step;
  if (!(loop instanceof Loop)) return [step];
  const { body, shape: { carries, sequences } } = loop;
  /** The value outside for each value of the body that does not change. */
  const outside = new Map<Value, Value>(
    body.inputs.map((value, i) => [value, step.inputs[i]] as const).slice(carries + sequences),
  );
  const moved: Step[] = [];
  const hoisted = new Map<Value, Value>();
  const rest = body.steps.filter((inner) => {
    if (!inner.inputs.every((input) => outside.has(input) || isConstant(input))) return true;
    const outputs = inner.outputs.map((output): Value => ({ ...specOf(output), from: 'step' }));
    const inputs = inner.inputs.map((input) => outside.get(input) ?? input);
    moved.push({ ...inner, inputs, outputs });
    inner.outputs.forEach((output, i) => outside.set(output, outputs[i]));
    if (isMove(inner)) return true;
    for (const output of inner.outputs) {
      hoisted.set(output, { ...specOf(output), from: body.inputs.length + hoisted.size });
    }
    return false;
  });
  if (hoisted.size === 0) return [step];
  const resolve = (value: Value): Value => hoisted.get(value) ?? value;
  const attributes = new Loop({
    ...body,
    inputs: [...body.inputs, ...hoisted.values()],
    steps: rest.map((inner) => ({ ...inner, inputs: inner.inputs.map(resolve) })),
    results: body.results.map(resolve),
  }, loop.shape);
  const outer = [...hoisted.keys()].map((value) => outside.get(value) ?? value);
  return [...moved, { ...step, attributes, inputs: [...step.inputs, ...outer] }];
}

function isConstant({ from }: Value): boolean {
  return typeof from === 'object';
}

/** Whether a step computes nothing: its elements are those of its input. */
function isMove({ primitive, inputs, attributes, outputs }: Step): boolean {
  if (primitive.sharesData) return true;
  const isFloat64 = inputs.some(({ dtype }) => dtype === 'f64');
  const lowering = isFloat64 ? undefined : primitive.lower?.(inputs, attributes, outputs);
  return Array.isArray(lowering) && lowering.every((each) => 'move' in each);
}
