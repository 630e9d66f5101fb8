/**
 * A body applied to tensors, with the graph that gradients need. What an op made may be known: then
 * its result has a node as if the op had been applied, and the op is not applied again.
 */
import { type Body, Loop } from '../compile/trace/loop.ts';
import type { Step, Value } from '../compile/trace/trace.ts';
import { isFloat } from '../core/dtype.ts';
import { apply } from '../core/primitive.ts';
import { type Node, Tensor, tick, withMode } from '../core/tensor.ts';

/** Applies a loop to its inputs, and keeps what its gradient needs. */
export type ApplyLoop = (loop: Loop, inputs: readonly Tensor[]) => readonly Tensor[];

/** The tensor for a value that is known, with this node if it has one; undefined if it is not. */
type Restore = (value: Value, node: Node | undefined) => Tensor | undefined;

/** Applies a body to tensors; gives the function that finds the tensor of a value in it. */
export function replay(
  body: Body, inputs: readonly Tensor[], applyLoop: ApplyLoop, restore: Restore,
): (value: Value) => Tensor {
  const tensors = new Map<Value, Tensor>(body.inputs.map((value, i) => [value, inputs[i]]));
  const tensorOf = (value: Value): Tensor => {
    const found = tensors.get(value) ?? value.from;
    if (found instanceof Tensor) return found;
    throw new Error('scan: a value is used before it is made');
  };
  for (const step of body.steps) {
    const given = step.inputs.map(tensorOf);
    const made = restored(step, given, restore) ??
      withMode('scan', { recording: step.isRecorded }, () => applied(step, given, applyLoop));
    step.outputs.forEach((output, i) => tensors.set(output, made[i]));
  }
  return tensorOf;
}

/** The results of a step, if they are known. */
function restored(
  { primitive, attributes, outputs, isRecorded }: Step, inputs: readonly Tensor[], restore: Restore,
): Tensor[] | undefined {
  const hasNode = isRecorded && inputs.some(({ requiresGrad }) => requiresGrad);
  const none: readonly Tensor[] = [];
  const node = hasNode
    ? { id: tick(), primitive, inputs, attributes, results: none }
    : undefined;
  const made = outputs.flatMap((output) => (
    restore(output, isFloat(output.dtype) ? node : undefined) ?? []
  ));
  if (made.length < outputs.length) return undefined;
  if (node) node.results = made;
  // The gradient of a loop needs what it kept; a loop that kept nothing is applied again.
  const isLost = node && attributes instanceof Loop && !attributes.isKept;
  return isLost ? undefined : made;
}

function applied(
  { primitive, attributes }: Step, inputs: readonly Tensor[], applyLoop: ApplyLoop,
): readonly Tensor[] {
  if (attributes instanceof Loop) return applyLoop(attributes, inputs);
  return apply(primitive, inputs, attributes);
}
